"""Text in, float32 matrix out: one door to every model of the course.

An :class:`Embedder` puts three things around a sentence-transformers model: the exact prompt its makers trained it
with, a cache on disk, and errors that say what to do. The encoding itself is sentence-transformers' own.
"""

import hashlib
import json
import logging
import os
import re
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from course_utils.embedding.cache import EmbeddingCache
from course_utils.embedding.catalog import DEFAULT_MODEL, ModelCard, UnknownModelError, find_model
from course_utils.paths import file_sha256, shown
from course_utils.progress import progress_bar

logger = logging.getLogger(__name__)

_TEXTS_PER_SAVE = 256  # what a kill may cost: a few seconds of work on two cores
_SHORTEST = 3  # tokens: a text has a start and an end mark, and below that the tokenizer does not cut at all


class ModelUnavailableError(RuntimeError):
    """The weights of a model are neither on this machine nor to be had from the hub right now."""


@dataclass(frozen=True)
class EmbeddingOptions:
    """How texts become vectors, as one value; the same names are accepted by :meth:`Embedder.encode`.

    Attributes
    ----------
    instruction : a task in words ("Identify the topic of the text"), put into the model's own template.
    prompt : exact characters to put before every text instead of a template. Give one of the two, not both.
    normalize_embeddings : scale every vector to length 1 (after truncation, in float32).
    truncate_dim : keep only the first so many dimensions (1 to the model's own). None: all.
    max_length : cut texts after so many tokens, start and end marks included (3 to the model's own). None: the
        model's own limit.
    """

    instruction: str | None = None
    prompt: str | None = None
    normalize_embeddings: bool = True
    truncate_dim: int | None = None
    max_length: int | None = None


def load_embedder(
    name: str | Path = DEFAULT_MODEL, *, dtype: str = "float32", cache: EmbeddingCache | bool = True
) -> "Embedder":
    """Load a model by catalogue name, hub name or path of a local sentence-transformers folder.

    Weights are looked for in this order: a local path, the package that ships them, the hub's cache, the hub. Two
    further names need no weights here: ``"ollama:qwen3-embedding:0.6b"`` asks a model behind an endpoint (see
    :mod:`course_utils.embedding.endpoint`), and a path that ends in ``.safetensors`` reads vectors that were made
    elsewhere (see :mod:`course_utils.embedding.stored`).

    Parameters
    ----------
    name : for example ``"all-MiniLM-L6-v2"``, ``"course-instruct"`` (the course's own, which takes instructions),
        ``"Qwen/Qwen3-Embedding-0.6B"`` or ``"my_models/finetuned"``.
    dtype : precision of the computation, ``"float32"`` or ``"bfloat16"``. The second is up to twice as fast on
        processors that calculate in it, and much slower on others; vectors are float32 either way.
    cache : True keeps vectors on disk (see :class:`~course_utils.embedding.EmbeddingCache`), False computes every time,
        as timings must; an ``EmbeddingCache`` uses that one.

    Raises
    ------
    ModelUnavailableError
        If the weights cannot be found or fetched, or are not the expected bytes; within 5 seconds when offline.
    """
    if dtype not in ("float32", "bfloat16"):
        raise ValueError(f"dtype={dtype!r} must be 'float32' or 'bfloat16'.")
    if isinstance(cache, bool):
        cache = EmbeddingCache() if cache else None
    elsewhere = _made_elsewhere(str(name), cache)
    if elsewhere is not None:
        if dtype != "float32":
            raise ValueError(f"dtype={dtype!r} is for models that run here, and {elsewhere!r} does not.")
        return elsewhere
    folder, card = _find_weights(str(name))
    from sentence_transformers import SentenceTransformer  # takes seconds, so not at import
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # a bar for reading local files, which takes a blink
    _check_folder(folder, str(name))
    try:
        # A copy may have lost the side, and not every way of taking the last token minds where the padding is.
        padding = {"padding_side": card.padding_side} if card is not None and card.padding_side else None
        if card is not None and card.backend == "course_utils.embedding.instruct":
            from course_utils.embedding.instruct import HEAD, load_instruct_model

            model = load_instruct_model(folder, dtype)
            fingerprint = f"{_fingerprint(folder)} {_folder_fingerprint(HEAD)}"
        else:
            model = SentenceTransformer(
                str(folder), local_files_only=True, model_kwargs={"dtype": dtype}, processor_kwargs=padding
            )
            fingerprint = _fingerprint(folder)
    except Exception as error:  # each of the libraries underneath has its own classes for a damaged file
        raise ModelUnavailableError(
            f"The folder of model {shown(name)!r} is there but does not load ({type(error).__name__}). It should be a "
            "sentence-transformers folder with modules.json and all its weights; if it was copied or downloaded, "
            "do that again."
        ) from error
    if card is None:
        card = _card_from(model, str(name))
    return Embedder(model, card, fingerprint=fingerprint, cache=cache)


def _made_elsewhere(name: str, cache: EmbeddingCache | None) -> "Embedder | None":
    from course_utils.embedding.endpoint import ENDPOINTS, RemoteEmbedder  # both modules build on this one
    from course_utils.embedding.stored import StoredVectors

    endpoint, _, model = name.partition(":")
    if model and endpoint in ENDPOINTS:
        return RemoteEmbedder(endpoint, model, cache=cache)
    return StoredVectors(name) if name.endswith(".safetensors") else None


class Embedder:
    """A sentence-transformers model with its card, its prompts and a cache. Made by :func:`load_embedder`.

    Attributes
    ----------
    model : the ``SentenceTransformer`` underneath, for lessons that open the box; None where it runs elsewhere.
    card : what is known of the model (:class:`~course_utils.embedding.ModelCard`).
    fingerprint : what decides the vectors, besides options and text: weights, modules, tokenizer; or an endpoint.
    """

    def __init__(self, model, card: ModelCard, fingerprint: str, cache: EmbeddingCache | None = None):
        self.model, self.card, self.cache = model, card, cache
        self.fingerprint = fingerprint
        #: Longest text in tokens; what comes after is not read.
        self.max_length = card.max_tokens if model is None else model.max_seq_length
        self._lock = threading.Lock()  # max_seq_length is set on the model while it runs

    def __repr__(self) -> str:
        return f"Embedder({self.card.name!r}, {self.embedding_dim} dimensions, {self.max_length} tokens)"

    @property
    def embedding_dim(self) -> int:
        """Number of dimensions of a full vector."""
        return self.model.get_embedding_dimension()

    @property
    def tokenizer(self):
        """The model's tokenizer, a transformers object."""
        if self.model is None:
            raise ModelUnavailableError(
                f"{self!r} has no tokenizer on this machine. To look inside a model, use one that runs here, such as "
                f"{DEFAULT_MODEL}."
            )
        return self.model.tokenizer

    def encode(
        self,
        sentences: str | Sequence[str],
        *,
        instruction: str | None = None,
        prompt: str | None = None,
        normalize_embeddings: bool = True,
        truncate_dim: int | None = None,
        max_length: int | None = None,
        options: EmbeddingOptions | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
    ) -> np.ndarray:
        """Embed texts, in their order, duplicates included.

        Parameters
        ----------
        sentences : a list (or column) of n strings, or one string. An empty string gives the vector that the model
            has for "no text"; texts beyond ``max_length`` tokens are cut there.
        instruction, prompt, normalize_embeddings, truncate_dim, max_length : see :class:`EmbeddingOptions`.
        options : the same as one value; then none of the five may be given.
        batch_size : texts a forward pass; affects speed and memory, not the result.
        show_progress_bar : None shows one for more than 256 texts that are not in the cache.

        Returns
        -------
        float32 array of shape (n, dim), or (dim,) for one string. An empty list gives shape (0, dim).

        Raises
        ------
        TypeError
            If a text is not a string; the message names its position.
        ValueError
            If an option is out of range, or both ``instruction`` and ``prompt`` are given.
        """
        loose = EmbeddingOptions(instruction, prompt, normalize_embeddings, truncate_dim, max_length)
        if options is not None and loose != EmbeddingOptions():
            raise ValueError("encode() takes either options=… or the single parameters, not both.")
        return self._encode(sentences, options or loose, batch_size, show_progress_bar)

    def encode_query(self, sentences: str | Sequence[str], **kwargs) -> np.ndarray:
        """Embed questions with the model's own query prompt, or with ``instruction=``; else as :meth:`encode`."""
        return self.encode(sentences, **self._with_default_prompt(kwargs, self.card.query_prompt))

    def encode_document(self, sentences: str | Sequence[str], **kwargs) -> np.ndarray:
        """Embed the texts that are searched, with the model's own document prompt; else as :meth:`encode`."""
        return self.encode(sentences, **self._with_default_prompt(kwargs, self.card.document_prompt))

    @staticmethod
    def _with_default_prompt(kwargs: dict, prompt: str) -> dict:
        options = kwargs.get("options")
        if options is not None and options.instruction is None and options.prompt is None:
            return kwargs | {"options": replace(options, prompt=prompt)}
        if options is None and kwargs.get("instruction") is None and kwargs.get("prompt") is None:
            return kwargs | {"prompt": prompt}
        return kwargs

    def _encode(self, sentences, options: EmbeddingOptions, batch_size: int, show_progress_bar) -> np.ndarray:
        texts = _checked_texts([sentences] if isinstance(sentences, str) else sentences)
        prompt = self._prompt(options)
        max_length = self._checked_range("max_length", options.max_length, _SHORTEST, self.max_length)
        dim = self._checked_range("truncate_dim", options.truncate_dim, 1, self.embedding_dim)
        if options.truncate_dim not in (None, self.embedding_dim) and not self.card.matryoshka_dims:
            logger.info("%s was not trained for fewer dimensions; its first %d are used.", self.card.name, dim)
        if not texts:
            return np.empty((0, dim), dtype=np.float32)
        empty = sum(not text.strip() for text in texts)
        if empty:
            logger.warning("%d of %d texts are empty; their vectors mean nothing.", empty, len(texts))
        vectors = self._full_vectors(texts, prompt, max_length, batch_size, show_progress_bar)[:, :dim]
        if options.normalize_embeddings:  # after truncation: a cut unit vector is no longer one
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
        return vectors[0] if isinstance(sentences, str) else np.ascontiguousarray(vectors)

    def _prompt(self, options: EmbeddingOptions) -> str:
        if options.instruction is None:
            return options.prompt or ""
        if options.prompt is not None:
            raise ValueError("Give either instruction= (put into the model's template) or prompt= (as it is).")
        if not self.card.instruction_prompt:
            logger.warning(
                "%s was not trained to follow instructions: the words are put in front of each text and embedded "
                "with it.",
                self.card.name,
            )
        return self.card.prompt_for(options.instruction)

    def _checked_range(self, name: str, value: int | None, smallest: int, largest: int) -> int:
        if value is None:
            return largest
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not smallest <= value <= largest:
            raise ValueError(
                f"{name}={value!r} must be a whole number from {smallest} to {largest} for {self.card.name}."
            )
        return int(value)

    def _full_vectors(self, texts, prompt, max_length, batch_size, show_progress_bar) -> np.ndarray:
        if self.cache is None:
            return self._compute(texts, prompt, max_length, batch_size, show_progress_bar)
        keys = self._keys(texts, prompt, max_length)
        found = self.cache.get_many(keys)
        todo = {}  # key -> first position of its text, in the order in which the texts are embedded
        # Texts of like length share a batch, so little is padded.
        for position in sorted(range(len(texts)), key=lambda position: len(texts[position])):
            if keys[position] not in found:
                todo.setdefault(keys[position], position)
        if show_progress_bar is None:
            show_progress_bar = len(todo) > _TEXTS_PER_SAVE
        with progress_bar(total=len(todo), desc="Embedding", unit="text", show=show_progress_bar) as bar:
            for new in self._compute_in_parts(texts, todo, prompt, max_length, batch_size):
                self.cache.put_many(new)
                # Where two kernels computed the same text, both go on with the vector that was stored first.
                found |= new | self.cache.get_many(list(new))
                bar.update(len(new))
        # joined end to end first: np.stack looks at every row on its own
        return np.concatenate([found[key] for key in keys]).reshape(len(keys), -1)

    def _compute_in_parts(self, texts, todo, prompt, max_length, batch_size) -> Iterator[dict[bytes, np.ndarray]]:
        """Give vectors as they become ready, so that a kill costs one part; ``todo`` maps keys to positions."""
        keys = list(todo)
        for start in range(0, len(keys), _TEXTS_PER_SAVE):
            part = keys[start : start + _TEXTS_PER_SAVE]
            known = self.cache.get_many(part)  # another kernel may have been faster
            new = [key for key in part if key not in known]
            if new:
                vectors = self._compute([texts[todo[key]] for key in new], prompt, max_length, batch_size, False)
                known |= zip(new, vectors, strict=True)
            yield known

    def _compute(self, texts, prompt, max_length, batch_size, show_progress_bar) -> np.ndarray:
        with self._lock:
            own_length = self.model.max_seq_length
            if max_length != own_length:  # a static model has no limit, and none can be set
                self.model.max_seq_length = max_length
            try:
                vectors = self.model.encode(
                    texts,
                    prompt=prompt,
                    batch_size=batch_size,
                    show_progress_bar=bool(show_progress_bar),
                    normalize_embeddings=False,
                )
            finally:
                if max_length != own_length:
                    self.model.max_seq_length = own_length
        return np.asarray(vectors, dtype=np.float32)

    def _keys(self, texts: list[str], prompt: str, max_length: int) -> list[bytes]:
        precision = "" if self.model is None else str(self.model.dtype)
        # What all texts share is hashed once. JSON has an end of its own, so the text cannot run into the prompt.
        head = hashlib.sha256(json.dumps([self.fingerprint, precision, max_length, prompt]).encode())
        keys = []
        for text in texts:
            key = head.copy()
            key.update(text.encode())
            keys.append(key.digest())
        return keys


def _checked_texts(sentences) -> list[str]:
    # A set has no order, and what a DataFrame lists are the names of its columns.
    no_list = not hasattr(sentences, "__iter__") or isinstance(sentences, (bytes, dict, set))
    if no_list or getattr(sentences, "ndim", 1) != 1:
        raise TypeError(
            f"sentences must be a string or a list (or one column) of strings, not {type(sentences).__name__}."
        )
    texts = list(sentences)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            # What has no letters may be shown; anything else may hold somebody's text.
            value = f"{text!r}, " if text is None or isinstance(text, (int, float)) else ""
            raise TypeError(
                f"sentences[{position}] is {value}a {type(text).__name__} and not a string. Drop such rows, for "
                "example with df.dropna(subset=['text']), or turn them into strings yourself."
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"sentences[{position}] holds half a character at position {error.start} (a lone surrogate). Read "
                "the file with encoding='utf-8', errors='replace'."
            ) from None
    return texts


# --- finding the weights ---------------------------------------------------------------------------------------


def _find_weights(name: str) -> tuple[Path, ModelCard | None]:
    """Return the model's folder and its card (None for a model that the catalogue does not list)."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        try:
            return folder.resolve(), find_model(folder.name)  # a copy of a catalogued model keeps its prompts
        except UnknownModelError:
            return folder.resolve(), None
    try:
        card = find_model(name)
    except UnknownModelError:
        # A hub name is "owner/model". Anything else is a typing error or a path that is not there.
        if name.count("/") != 1 or Path(name).is_absolute() or name.startswith((".", "~")):
            raise
        return _from_hub(name, None), None
    if card.package:
        return _from_package(card), card
    return _from_hub(card.name, card.revision), card


def _from_package(card: ModelCard) -> Path:
    spec = find_spec(card.package.replace("-", "_"))
    weights = None
    if spec is not None and spec.origin:  # no origin: what is left of the package is a bare folder
        weights = next(Path(spec.origin).parent.rglob("model.safetensors"), None)
    if weights is None:
        raise ModelUnavailableError(
            f"The weights of {card.name} should come with the Python package {card.package}, which is not complete "
            "here. Run `python start.py setup` again."
        )
    digest = file_sha256(weights)
    if digest != card.sha256:
        raise ModelUnavailableError(
            f"{weights.name} of the package {card.package} has changed: its sha256 is {digest}, not {card.sha256}. "
            "Delete the .venv folder and run `python start.py setup` to install it again."
        )
    return weights.parent


def _from_hub(name: str, revision: str | None) -> Path:
    """Return the folder of a hub model, from the hub's cache or freshly downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    # One format of weights is enough; the ONNX, OpenVINO and TensorFlow copies of a model can triple the download.
    wanted = {"revision": revision, "allow_patterns": ["*.json", "*.txt", "*.safetensors", "*.model"]}
    try:
        folder = Path(snapshot_download(name, local_files_only=True, **wanted))
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
    if not hub_answers():
        raise ModelUnavailableError(
            f"The weights of {name!r} are not on this machine and the hub cannot be reached. {ways_out}"
        )
    try:
        folder = Path(snapshot_download(name, **wanted))
    except Exception as error:  # the hub's own errors and those of its HTTP library have no common class
        reason = (str(error) or repr(error)).splitlines()[0]
        raise ModelUnavailableError(
            f"The hub did not give the weights of {name!r}: {reason} Is the name right, and for a "
            f"gated model, did you accept its terms and log in with `hf auth login`? {ways_out}"
        ) from error
    return folder


def hub_answers(timeout: float = 3.0) -> bool:
    """Find out within ``timeout`` seconds whether the model hub can be reached.

    huggingface_hub itself retries for more than a minute before it says that there is no network.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    # Not the front page: the log-in page of a hotel's Wi-Fi would answer as well, but not in JSON.
    url = f"{os.environ.get('HF_ENDPOINT', 'https://huggingface.co').rstrip('/')}/api/models/{DEFAULT_MODEL}"
    answer = []

    def ask():
        try:
            with urllib.request.urlopen(url, timeout=timeout) as response:
                answer.append(response.headers.get_content_type() == "application/json")
        except OSError:
            pass

    # In a thread, because looking up a host name has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return any(answer)


def missing_parts(folder: Path) -> list[str]:
    """Name what a model's folder lacks: transformers would make some of it up, and the vectors would be wrong."""
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


def _check_folder(folder: Path, name: str) -> None:
    missing = missing_parts(folder)
    if missing:
        raise ModelUnavailableError(
            f"The folder of model {shown(name)!r} lacks {' and '.join(missing)}. It should be a whole "
            "sentence-transformers folder; if it was copied or downloaded, do that again."
        )


def _fingerprint(folder: Path) -> str:
    if folder.parent.name == "snapshots" and re.fullmatch("[0-9a-f]{40}", folder.name):
        return folder.name  # the hub's own hash of every file; to read gigabytes at each start would take long
    return _folder_fingerprint(folder)


def _folder_fingerprint(folder: Path) -> str:
    """Hash every file that decides what a model computes: weights, modules, tokenizer, configuration."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".txt", ".safetensors", ".bin", ".model") and not path.name.startswith("README"):
            digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _card_from(model, name: str) -> ModelCard:
    """Describe a model that the catalogue does not list by what its own files say."""
    prompts = model.prompts or {}
    return ModelCard(
        name=name,
        n_parameters=sum(p.numel() for p in model.parameters()),
        embed_dim=model.get_embedding_dimension(),
        max_tokens=model.max_seq_length,
        query_prompt=prompts.get("query") or "",
        document_prompt=prompts.get("document") or prompts.get("passage") or "",
    )
