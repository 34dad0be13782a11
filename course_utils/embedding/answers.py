"""What the answers of an endpoint mean: vectors, or a reason in our own words why there are none.

Programs put rows, numbers and errors into many forms. One that can mean a single thing is read; any other is refused,
so that no wrong vector reaches the cache. What a server says is matched against known words (``endpoints.toml``) and
never repeated, because servers like to quote the key or the text.
"""

import asyncio
import base64
import ipaddress
import json
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

KNOWN = tomllib.loads(Path(__file__).with_name("endpoints.toml").read_text(encoding="utf-8"))
_MAY_BE_ONE_TEXT = (400, 413, 422, 500)  # some servers answer 500 where one text of a batch gives no number
_NO_ANSWER = "no embeddings answer came, but"


class Failure(NamedTuple):
    """Why a request gave no vectors. One of its texts may be the reason, or is; if neither, the whole run stops."""

    why: str
    may_be_one_text: bool = False
    is_one_text: bool = False


class Answer(NamedTuple):
    """The vectors of a request, shape (n_texts, dim), float32, and the tokens that the server counted (0: not told)."""

    vectors: np.ndarray
    tokens: int


def read_answer(body: str, n_texts: int, dim: int, address: str) -> Answer | Failure:
    """The vectors of an answer in the order of the texts; ``dim`` 0 takes any number of dimensions.

    ``address`` is what may be wrong with the base URL, for the message where something else answers there.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        if body.lstrip().startswith(("{", "[")):
            return Failure("the answer breaks off, or is no JSON", True)
        return Failure(f"{_NO_ANSWER} a web page or plain words; is a log-in page or a proxy in the way, or {address}")
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        if not isinstance(answer, dict) or not answer.get("error"):
            return Failure(f"{_NO_ANSWER} another form, such as Ollama's or TEI's own; {address}")
        says, about = _known_reason(body) or ("its own log says more", "")
        return Failure(f"{_NO_ANSWER} an error with HTTP 200: {says}; or {address}", True, about == "text")
    try:
        vectors = _in_order(answer["data"], n_texts)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        return Failure("the answer is not one vector of one length for each text of the request", True)
    if dim and vectors.shape[1] != dim:
        return Failure(f"vectors of {vectors.shape[1]} dimensions came, not of {dim}; is it the right model?", True)
    if not np.isfinite(vectors).all():
        return Failure("a vector holds values that are no numbers (NaN)", True)
    if not vectors.any(axis=1).all():
        return Failure("a vector of zeros came, as from a model that did not load or a text that was not read", True)
    lengths = np.linalg.norm(vectors, axis=1)
    if not ((lengths > 1e-6) & (lengths < 1e6)).all():
        return Failure("a vector holds numbers as no model gives; are they float32 in little-endian order?", True)
    usage = answer.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else 0
    return Answer(vectors, max(tokens, 0) if type(tokens) is int else 0)


def _in_order(rows: list[Any], n_texts: int) -> np.ndarray:
    """The rows' vectors by the rows' numbers; by their place where they have none, or all the same."""
    raw = np.array([_numbers(row["embedding"]) for row in rows])
    if raw.dtype == bool:
        raise ValueError("yes and no are no numbers")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        vectors = raw.astype(np.float32)
    given = [row.get("index") for row in rows]
    if given.count(None) == len(rows):
        given = list(range(len(rows)))
    if given.count(None) == 1:  # a number that is zero may be left out
        given[given.index(None)] = 0
    places = np.array(given, dtype=float)  # strings too; None becomes NaN
    if np.ptp(places) == 0 and len(np.unique(vectors, axis=0)) == n_texts:  # else it may be one row several times
        places = np.arange(len(rows))
    order = np.argsort(places)
    begins_well = places.min() in (0, 1)
    if (
        len(rows) != n_texts
        or vectors.ndim != 2
        or not vectors.size
        or not begins_well
        or (np.diff(places[order]) != 1).any()
    ):
        raise ValueError("rows that are missing, double or no vectors")
    return vectors[order]


def _numbers(embedding: Any) -> Any:
    """A list as it is; the bytes of little-endian float32 that a server sends as base64."""
    return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4") if isinstance(embedding, str) else embedding


def read_refusal(status: int, body: str, address: str) -> Failure:
    """What an HTTP error means."""
    known = None if status == 429 else _known_reason(body)  # limits of traffic are worded like limits of a text
    if known:
        return Failure(f"HTTP {status}, {known[0]}", known[1] != "server", known[1] == "text")
    says = KNOWN["refusals"].get(str(status), "the server failed")
    doubt = f"; {address}" if status in (404, 405) else ""
    return Failure(f"HTTP {status}, {says}{doubt}", status in _MAY_BE_ONE_TEXT)


def _known_reason(body: str) -> tuple[str, str] | None:
    """Our words for what a server says, and what it is about: "text", "server" or "" where that is open."""
    known = KNOWN["reasons"]
    return next(((each["says"], each["about"]) for each in known if re.search(each["pattern"], body, re.I)), None)


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return f".{host}".endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def open_client(base_url: str, key: str, timeout: float, max_retries: int) -> Any:
    """A client of openai's that sends texts to no other host, and waits ``timeout`` seconds for a whole answer."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    class Client(DefaultAsyncHttpxClient):
        async def send(self, *args: Any, **options: Any) -> httpx2.Response:
            try:
                async with asyncio.timeout(timeout):  # the client's own limit begins anew with every byte
                    return await super().send(*args, **options)
            except TimeoutError:
                raise httpx2.ReadTimeout("no whole answer in time") from None

    async def judge(response: httpx2.Response) -> None:
        target = response.url.join(response.headers.get("location", ""))
        if (target.scheme, target.netloc) != (response.url.scheme, response.url.netloc):
            del response.headers["location"]  # so it is not followed
        if response.status_code >= 500:
            await response.aread()
            if _known_reason(response.text):
                response.headers["x-should-retry"] = "false"  # the client's own sign

    # What goes to this machine needs no proxy, and a proxy would not find it.
    url = urlsplit(base_url)
    secure = url.scheme == "https"  # else the certificates would be read, for a tenth of a second, and not used
    http = Client(trust_env=not is_loopback(url.hostname), verify=secure, event_hooks={"response": [judge]})
    client = AsyncOpenAI(api_key=key, base_url=base_url, timeout=timeout, max_retries=max_retries, http_client=http)
    client.organization = client.project = None  # read from OPENAI_… whatever the endpoint is
    return client
