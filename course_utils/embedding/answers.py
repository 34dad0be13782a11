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

import numpy as np

KNOWN = tomllib.loads(Path(__file__).with_name("endpoints.toml").read_text(encoding="utf-8"))
_MAY_BE_ONE_TEXT = (400, 413, 422, 500)  # some servers answer 500 where one text of a batch gives no number
_NO_ANSWER = "it answers, but gives no embeddings answer"


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
        web_page = "a web page or plain words; is a log-in page or a proxy in the way"
        return Failure(f"{_NO_ANSWER} but {web_page}, or {address}")
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        if isinstance(answer, dict) and answer.get("error"):
            says, about = _known_reason(body) or ("its own log says more", "")
            return Failure(f"{_NO_ANSWER} but an error with HTTP 200: {says}; or {address}", True, about == "text")
        return Failure(f"{_NO_ANSWER} but another form, such as Ollama's or TEI's own; {address}")
    try:
        vectors = _in_order(answer["data"], n_texts)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return Failure("the answer is not one vector of one length for each text of the request", True)
    if dim and vectors.shape[1] != dim:
        return Failure(f"vectors of {vectors.shape[1]} dimensions came, not of {dim}; is it the right model?", True)
    if not np.isfinite(vectors).all():
        return Failure("a vector holds values that are no numbers (NaN)", True)
    if not vectors.any(axis=1).all():
        return Failure("a vector of zeros came, as from a model that did not load or a text that was not read", True)
    usage = answer.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else 0
    return Answer(vectors, tokens if isinstance(tokens, int) else 0)


def _in_order(rows: list[Any], n_texts: int) -> np.ndarray:
    """The rows' vectors by the rows' numbers, from 0 or 1; by their place where they have none, or all the same."""
    places = [float(place if row.get("index") is None else row["index"]) for place, row in enumerate(rows)]
    unnumbered = len(set(places)) == 1
    first = 0 if unnumbered else min(places)
    ordered = (
        rows if unnumbered else [row for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0])]
    )
    vectors = np.array([_numbers(row["embedding"]) for row in ordered], dtype=np.float32)
    counted = unnumbered or (first in (0, 1) and sorted(places) == [first + place for place in range(n_texts)])
    # Rows with one number for all may be one row several times.
    if not counted or len(rows) != n_texts or vectors.ndim != 2 or not vectors.size:
        raise ValueError("rows that are missing, double or no vectors")
    if unnumbered and len(np.unique(vectors, axis=0)) != n_texts:
        raise ValueError("one row several times")
    return vectors


def _numbers(embedding: Any) -> Any:
    """A list as it is; the bytes of little-endian float32 that a server sends as base64."""
    return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4") if isinstance(embedding, str) else embedding


def read_refusal(status: int, body: str, address: str) -> Failure:
    """What an HTTP error means."""
    known = None if status == 429 else _known_reason(body)  # limits of traffic are worded like limits of a text
    if known:
        says, about = known
        return Failure(f"HTTP {status}, {says}", about != "server", about == "text")
    says = KNOWN["refusals"].get(str(status), "the server failed")
    if status in (404, 405):
        says = f"{says}; {address}"
    return Failure(f"HTTP {status}, {says}", status in _MAY_BE_ONE_TEXT)


def _known_reason(body: str) -> tuple[str, str] | None:
    """Our words for what a server says, and what it is about: "text", "server" or "" where that is open."""
    for reason in KNOWN["reasons"]:
        if re.search(reason["pattern"], body, re.IGNORECASE):
            return reason["says"], reason["about"]
    return None


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return f".{host}".endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def open_client(base_url: str, host: str | None, key: str, timeout: float, max_retries: int) -> Any:
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
    http = Client(trust_env=not is_loopback(host), event_hooks={"response": [judge]})
    client = AsyncOpenAI(api_key=key, base_url=base_url, timeout=timeout, max_retries=max_retries, http_client=http)
    client.organization = client.project = None  # read from OPENAI_… whatever the endpoint is
    return client
