"""Variants of a model: run by OpenVINO, fewer layers, weights in 8 bits, no network, or one that has learned nothing.

A variant has a fingerprint of its own, so that the cache keeps its vectors apart from the model's. What it costs in
quality is for :mod:`course_utils.measuring.benchmark` to measure.
"""

import logging
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from course_utils.embedding.base import Embedder
from course_utils.embedding.catalog import DEFAULT_MODEL
from course_utils.embedding.local import LocalEmbedder
from course_utils.embedding.weights import ModelUnavailableError
from course_utils.paths import cache_dir


def token_weights(n_tokens: int, a: float = 1e-4) -> np.ndarray:
    """Weight of each token in a mean, from its rank by frequency.

    A token of rank r (1 is the most frequent) is taken to have the probability p ∝ 1 / (r + 1) (Zipf's law) and gets
    the weight a / (a + p).

    Parameters
    ----------
    n_tokens : int
        Size of the vocabulary.
    a : float, default 1e-4
        The larger, the more alike the weights.

    Returns
    -------
    ndarray of float64, shape (n_tokens,)
        Rising towards 1.

    References
    ----------
    Arora, Liang and Ma, A Simple but Tough-to-Beat Baseline for Sentence Embeddings (2017); ``a`` and the use of ranks
    as in the library model2vec.

    Examples
    --------
    >>> from course_utils.embedding.variants import token_weights
    >>> token_weights(3, a=1).round(2)
    array([0.68, 0.76, 0.81])
    """
    p = 1 / np.arange(2, n_tokens + 2)
    return a / (a + p / p.sum())


def distill_static(embedder: Embedder, *, dim: int = 256) -> Path:
    """Make a static model from a model: one fixed vector a token, and a text is the mean of its tokens.

    Every token of the vocabulary is embedded on its own, then PCA cuts the vectors to ``dim`` dimensions, then each is
    weighted by how rare it is (:func:`token_weights`).

    Parameters
    ----------
    embedder : Embedder
        A model of this machine whose vocabulary is in order of frequency, as those of BERT's family are.
    dim : int, default 256
        Dimensions of the static vectors.

    Returns
    -------
    Path
        The folder of the finished model, for ``load_embedder``, in the course's cache folder. It is made once, which
        takes as long as embedding the vocabulary.

    Examples
    --------
    >>> from course_utils.embedding import load_embedder
    >>> from course_utils.embedding.variants import distill_static
    >>> folder = distill_static(load_embedder())  # doctest: +SKIP
    >>> load_embedder(folder).embedding_dim  # doctest: +SKIP
    256
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from sklearn.decomposition import PCA
    from tokenizers import Tokenizer

    _network_of(embedder)
    name = f"{embedder.card.name.split('/')[-1]}-static-{dim}-{embedder.fingerprint[:12]}"
    folder = cache_dir() / "models" / name
    if folder.exists():
        return folder
    tokenizer = Tokenizer.from_str(embedder.tokenizer.backend_tokenizer.to_str())  # a copy: it is changed below
    tokens = vocabulary(embedder)
    vectors = embedder.encode(list(tokens), max_length=16, batch_size=256)
    vectors = PCA(dim, random_state=0).fit_transform(vectors) * token_weights(len(tokens))[:, None]
    table = np.zeros((tokenizer.get_vocab_size(), dim), dtype=np.float32)  # special tokens keep zeros
    for ids, vector in zip(tokens.values(), vectors, strict=True):
        table[ids] = vector
    tokenizer.no_truncation()
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        model.save(f"{temporary}/{name}", create_model_card=False)
        with suppress(OSError):  # another kernel was faster
            Path(temporary, name).rename(folder)
    return folder


def vocabulary(embedder: Embedder) -> dict[str, list[int]]:
    """Words and pieces of words of a tokenizer in the order of their ids; special tokens left out.

    Parameters
    ----------
    embedder : Embedder
        A model of this machine.

    Returns
    -------
    dict of str to list of int
        The ids of each. A piece that continues a word ("##ing") counts as the letters it has, so it may have two ids.

    Examples
    --------
    >>> from course_utils.embedding import load_embedder
    >>> from course_utils.embedding.variants import vocabulary
    >>> tokens = vocabulary(load_embedder())
    >>> tokens["able"]  # a word, and the end of others: "##able"
    [2583, 3085]
    """
    special = set(embedder.tokenizer.all_special_tokens)
    found: dict[str, list[int]] = {}
    for token, i in sorted(embedder.tokenizer.get_vocab().items(), key=lambda item: item[1]):
        if token not in special and not token.startswith("[unused"):
            found.setdefault(token.removeprefix("##"), []).append(i)
    return found


def keep_layers(embedder: Embedder, n_layers: int) -> Embedder:
    """Keep the first ``n_layers`` layers of a network and drop the others; no training repairs what that does.

    Parameters
    ----------
    embedder : Embedder
        A model of BERT's family on this machine. It is itself changed, its fingerprint too.
    n_layers : int
        1 to the number of layers it has.

    Returns
    -------
    Embedder
        The one that was given.

    Raises
    ------
    ValueError
        If the model is of another family or not on this machine, or has no such number of layers.

    Examples
    --------
    >>> from course_utils.embedding import keep_layers, load_embedder
    >>> shallow = keep_layers(load_embedder(cache=False), 3)
    >>> shallow.fingerprint.partition(", ")[2]
    'first 3 layers'
    """
    network = _network_of(embedder).model
    _check_family(embedder, network)
    layers = network.encoder.layer
    if not 1 <= n_layers <= len(layers):
        raise ValueError(f"n_layers={n_layers} must be from 1 to {len(layers)}, what the model has.")
    network.encoder.layer = layers[:n_layers]
    network.config.num_hidden_layers = n_layers
    embedder.fingerprint += f", first {n_layers} layers"
    return embedder


def randomize(embedder: Embedder, seed: int = 0) -> Embedder:
    """Draw all weights of a network anew, as they are before any training: the same work, and nothing learned.

    Parameters
    ----------
    embedder : Embedder
        A model of this machine. It is itself changed, its fingerprint too.
    seed : int, default 0
        Of the draws; torch's own generator is left as it was.

    Returns
    -------
    Embedder
        The one that was given.

    Raises
    ------
    ValueError
        If the model has no network of transformers here.

    Examples
    --------
    >>> from course_utils.embedding import load_embedder, randomize
    >>> untrained = randomize(load_embedder(cache=False))
    >>> untrained.fingerprint.partition(", ")[2]
    'weights drawn at random with seed 0'
    """
    import torch

    module = _network_of(embedder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module.model = type(module.model)(module.model.config).to(module.model.device, module.model.dtype).eval()
    embedder.fingerprint += f", weights drawn at random with seed {seed}"
    return embedder


def quantize(embedder: Embedder) -> Embedder:
    """Store the weights of a network in 8 bits (weight-only, one scale a row) and run it with OpenVINO.

    Needs the extra ``bench``.

    Parameters
    ----------
    embedder : Embedder
        A model of this machine. It is itself changed, its fingerprint too.

    Returns
    -------
    Embedder
        The one that was given.

    Raises
    ------
    ModelUnavailableError
        If OpenVINO or NNCF is not installed.
    ValueError
        If the model is of another family than BERT's, or not on this machine.

    Examples
    --------
    >>> from course_utils.embedding import load_embedder, quantize
    >>> quantize(load_embedder(cache=False)).encode("good morning").shape
    (384,)
    """
    _hand_to_openvino(embedder, eight_bits=True)
    embedder.fingerprint += ", weights in int8 by OpenVINO"
    return embedder


def run_with_openvino(embedder: Embedder, dtype: str = "float32") -> Embedder:
    """Let OpenVINO run a network instead of torch; :func:`load_embedder` does it for ``backend="openvino"``.

    Needs the extra ``bench``.

    Parameters
    ----------
    embedder : Embedder
        A model of this machine, loaded in float32. It is itself changed, its fingerprint too.
    dtype : {"float32", "bfloat16"}
        Precision of the computation.

    Returns
    -------
    Embedder
        The one that was given.

    Raises
    ------
    ModelUnavailableError
        If OpenVINO or NNCF is not installed.
    ValueError
        If the model is of another family than BERT's, or not on this machine.

    Examples
    --------
    >>> from course_utils.embedding import load_embedder
    >>> load_embedder(backend="openvino", cache=False).encode("good morning").shape
    (384,)
    """
    _hand_to_openvino(embedder, INFERENCE_PRECISION_HINT={"float32": "f32", "bfloat16": "bf16"}[dtype])
    embedder.fingerprint += ", by OpenVINO"
    embedder.precision = f"torch.{dtype}"
    return embedder


def _hand_to_openvino(embedder: Embedder, *, eight_bits: bool = False, **settings: str) -> None:
    """Put OpenVINO in the place of a model's network, set up as it names its own settings."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    transformer = _network_of(embedder)
    _check_family(embedder, transformer.model)  # where later tokens are masked, what OpenVINO gives is not a number
    names = list(embedder.tokenizer("a"))
    compiled = _compiled(transformer.model, names, eight_bits, settings)

    class Compiled(torch.nn.Module):
        config, dtype = transformer.model.config, torch.float32

        def forward(self, **features: torch.Tensor) -> BaseModelOutput:
            states = compiled({name: features[name].numpy() for name in names})[0]
            return BaseModelOutput(last_hidden_state=torch.from_numpy(states))

    transformer.model = Compiled()


def _network_of(embedder: Embedder) -> Any:
    """The module with a network of transformers, at the beginning of a model."""
    module = embedder.model[0] if isinstance(embedder, LocalEmbedder) else None
    if not hasattr(module, "model"):
        raise ValueError(
            f"{embedder!r} has no network of transformers here that could be changed. Take one that has, such as "
            f"{DEFAULT_MODEL}."
        )
    return module


def _check_family(embedder: Embedder, network: Any) -> None:
    if not hasattr(network, "encoder"):
        raise ValueError(f"{embedder!r} is not of BERT's family, for which alone this works here.")


def _compiled(network: Any, names: list[str], eight_bits: bool, settings: dict[str, Any]) -> Any:
    """The network as OpenVINO runs it: called with arrays by these names, it returns the last hidden states first."""
    # Both report their use to their maker unless one opts out; without this package they do not.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: not to be imported
    try:
        import nncf
        import openvino
    except ImportError as error:
        raise ModelUnavailableError(
            f"OpenVINO and weights in 8 bits need the packages openvino and nncf ({error}). Run `pip install -c "
            "constraints.txt -e '.[bench]'` in the course's folder, or leave this model out."
        ) from error
    import rich
    import torch
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    rich.reconfigure(quiet=True, force_jupyter=False)  # NNCF draws a bar and a table
    logging.getLogger("nncf").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of sizes that it takes for fixed; they are inputs here
        example = {name: torch.ones(2, 8, dtype=torch.long) for name in names}
        graph = openvino.convert_model(network, example_input=example)
        if eight_bits:
            graph = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
    rich.reconfigure()
    transformers_logging.set_verbosity(verbosity)
    settings |= {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
    return openvino.Core().compile_model(graph, "CPU", settings)
