"""One door to every model of the course: from a name to an embedder, or to an error that says what to do.

Where weights are found and checked stands in :mod:`course_utils.embedding.weights`.
"""

from pathlib import Path
from typing import Any

from course_utils.embedding.base import Embedder
from course_utils.embedding.cache import Cache
from course_utils.embedding.catalog import DEFAULT_MODEL, ModelCard, UnknownModelError
from course_utils.embedding.endpoint import ENDPOINTS, RemoteEmbedder, nearest_endpoint
from course_utils.embedding.local import LocalEmbedder
from course_utils.embedding.packaged import BACKENDS, PackagedEmbedder
from course_utils.embedding.stored import StoredVectors
from course_utils.embedding.weights import ModelUnavailableError, find_weights, fingerprint, foreign_code, missing_parts
from course_utils.paths import shown


def load_embedder(
    name: str | Path = DEFAULT_MODEL,
    *,
    dtype: str = "float32",
    backend: str = "torch",
    cache: Cache = True,
    download: bool = True,
) -> Embedder:
    """Load a model by catalogue name, hub name or path of a local sentence-transformers folder.

    Weights are looked for in this order: a local path, the package that ships them, the hub's cache, the hub. Two
    further names need no weights here: ``"ollama:qwen3-embedding:0.6b"`` asks a model behind an endpoint (see
    :mod:`course_utils.embedding.endpoint`), and a path that ends in ``.safetensors`` reads vectors that were made
    elsewhere (see :mod:`course_utils.embedding.stored`).

    Parameters
    ----------
    name : str or Path
        For example ``"all-MiniLM-L6-v2"``, ``"course-instruct"`` (the course's own, which takes instructions),
        ``"use-multilingual-v3"``, ``"Qwen/Qwen3-Embedding-0.6B"`` or ``"my_models/finetuned"``.
    dtype : {"float32", "bfloat16"}
        Precision of the computation. The second is faster on processors that calculate in it (how much:
        ``benchmarks/README.md``), and slower on others; vectors are float32 either way.
    backend : {"torch", "openvino"}
        What runs the network, named as in sentence-transformers. The second needs the extra ``bench``; it is faster on
        many processors, at the same vectors.
    cache : EmbeddingCache or bool, default True
        True keeps vectors on disk (see :class:`~course_utils.embedding.EmbeddingCache`), False computes every time,
        as timings must; an ``EmbeddingCache`` uses that one.
    download : bool, default True
        As in :func:`~course_utils.embedding.find_weights`.

    Returns
    -------
    Embedder
        A :class:`~course_utils.embedding.LocalEmbedder`, a :class:`~course_utils.embedding.PackagedEmbedder` where
        another package runs the model, or what the two further names say.

    Raises
    ------
    UnknownModelError
        If the name is neither in the catalogue, nor a folder, nor a possible hub name.
    ModelUnavailableError
        If the weights cannot be found or fetched, or are not the expected bytes; within 5 seconds when offline.

    Examples
    --------
    >>> from course_utils.embedding import load_embedder
    >>> embedder = load_embedder("all-MiniLM-L6-v2", cache=False)
    >>> embedder.encode(["good morning", "good night"]).shape
    (2, 384)
    """
    if dtype not in ("float32", "bfloat16"):
        raise ValueError(f"dtype={dtype!r} must be 'float32' or 'bfloat16'.")
    if backend not in ("torch", "openvino"):
        raise ValueError(f"backend={backend!r} must be 'torch' or 'openvino'.")
    name = str(name)
    endpoint, _, served_model = name.partition(":")
    if served_model and endpoint in ENDPOINTS:
        elsewhere: Embedder = RemoteEmbedder(endpoint, served_model, cache=cache)
    elif name.endswith(".safetensors"):
        elsewhere = StoredVectors(name)
    elif served_model and (meant := nearest_endpoint(endpoint)) and not Path(name).exists():
        raise UnknownModelError(f"There is no endpoint {endpoint!r}; did you mean '{meant}:{served_model}'?")
    else:
        return _load_local(name, dtype, backend, cache, download)
    if backend != "torch":
        raise ValueError(f"backend={backend!r} is for models that run here, and {elsewhere!r} does not.")
    if dtype != "float32":
        raise ValueError(f"dtype={dtype!r} is for models that run here, and {elsewhere!r} does not.")
    return elsewhere


def _load_local(name: str, dtype: str, backend: str, cache: Cache, download: bool) -> Embedder:
    folder, card = find_weights(name, download=download)
    if backend != "torch" and card is not None and card.backend != "sentence-transformers":
        raise ValueError(
            f"backend={backend!r} is for models of sentence-transformers alone. Leave it out for {card.name}."
        )
    if card is not None and card.backend in BACKENDS:
        if dtype != "float32":
            raise ValueError(f"dtype={dtype!r} is for models that torch runs; {card.name} computes in float32.")
        return PackagedEmbedder(folder, card, cache)
    if foreign := foreign_code(folder):
        raise ModelUnavailableError(
            f"The model {shown(name)!r} {foreign}. A server that runs it can be asked instead (docs/large_models.md)."
        )
    missing = missing_parts(folder)
    if missing:
        raise _unusable(name, f"lacks {' and '.join(missing)}")
    try:
        model, decides = _open_model(folder, card, dtype if backend == "torch" else "float32")
    except Exception as error:  # each of the libraries underneath has its own classes for a damaged file
        raise _unusable(name, f"is there but does not load ({type(error).__name__}): a file is damaged") from error
    embedder = LocalEmbedder(model, card or _card_from(model, name), fingerprint=decides, cache=cache)
    if backend == "torch":
        return embedder
    from course_utils.embedding.variants import run_with_openvino

    return run_with_openvino(embedder, dtype)


def _unusable(name: str, why: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The folder of model {shown(name)!r} {why}. It should be a whole sentence-transformers folder with "
        "modules.json and all its weights; if it was copied or downloaded, do that again."
    )


def _open_model(folder: Path, card: ModelCard | None, dtype: str) -> tuple[Any, str]:
    """The SentenceTransformer, and the fingerprint of all that decides its vectors."""
    from sentence_transformers import SentenceTransformer  # takes seconds, so not at import
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # a bar for reading local files, which takes a blink
    if card is not None and card.backend == "course_utils.embedding.instruct":
        from course_utils.embedding.instruct import HEAD, load_instruct_model

        return load_instruct_model(folder, dtype), f"{fingerprint(folder)} {fingerprint(HEAD)}"
    # A copy may have lost the side, and not every way of taking the last token minds where the padding is.
    padding = {"padding_side": card.padding_side} if card is not None and card.padding_side else None
    model = SentenceTransformer(
        str(folder), local_files_only=True, model_kwargs={"dtype": dtype}, processor_kwargs=padding
    )
    return model, fingerprint(folder)


def _card_from(model: Any, name: str) -> ModelCard:
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
