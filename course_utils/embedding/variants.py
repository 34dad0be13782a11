"""Cheaper variants of a model: fewer layers, weights in 8 bits, or no network at all.

A variant has a fingerprint of its own, so that the cache keeps its vectors apart from the model's. What it costs in
quality is for :mod:`course_utils.measuring.benchmark` to measure.
"""

import logging
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np

from course_utils.embedding.embedder import Embedder, ModelUnavailableError
from course_utils.paths import cache_dir


def token_weights(n_tokens: int, a: float = 1e-4) -> np.ndarray:
    """Weight of each token in a mean, from its rank by frequency: float array of shape (n_tokens,), rising to 1.

    A token of rank r (1 is the most frequent) is taken to have the probability p ∝ 1 / (r + 1) (Zipf's law) and gets
    the weight a / (a + p).

    References
    ----------
    Arora, Liang and Ma, A Simple but Tough-to-Beat Baseline for Sentence Embeddings (2017); ``a`` and the use of ranks
    as in the library model2vec.
    """
    p = 1 / np.arange(2, n_tokens + 2)
    p /= p.sum()
    return a / (a + p)


def distill_static(embedder: Embedder, *, dim: int = 256) -> Path:
    """Make a static model from a model: one fixed vector a token, and a text is the mean of its tokens.

    Every token of the vocabulary is embedded on its own, then PCA cuts the vectors to ``dim`` dimensions, then each is
    weighted by how rare it is (:func:`token_weights`). The vocabulary must be in order of frequency, as those of
    BERT's family are.

    Returns
    -------
    The folder of the finished model, for ``load_embedder``, in the course's cache folder. It is made once; a vocabulary
    of 30,000 tokens takes about a minute.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from sklearn.decomposition import PCA
    from tokenizers import Tokenizer

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
    """Words and pieces of words of a tokenizer in the order of their ids, each with its ids; special tokens left out.

    A piece that continues a word ("##ing") counts as the letters it has, so a piece may have two ids.
    """
    special = set(embedder.tokenizer.all_special_tokens)
    found: dict[str, list[int]] = {}
    for token, i in sorted(embedder.tokenizer.get_vocab().items(), key=lambda item: item[1]):
        if token not in special and not token.startswith("[unused"):
            found.setdefault(token.removeprefix("##"), []).append(i)
    return found


def keep_layers(embedder: Embedder, n_layers: int) -> Embedder:
    """Keep the first ``n_layers`` layers of a network and drop the others; no training repairs what that does.

    The embedder given is itself changed, its fingerprint too, and returned.
    """
    network = embedder.model[0].model
    if not hasattr(network, "encoder"):
        raise ValueError(f"{embedder!r} is not of BERT's family, whose layers are known here by name.")
    layers = network.encoder.layer
    if not 1 <= n_layers <= len(layers):
        raise ValueError(f"n_layers={n_layers} must be from 1 to {len(layers)}, what the model has.")
    network.encoder.layer = layers[:n_layers]
    network.config.num_hidden_layers = n_layers
    embedder.fingerprint += f", first {n_layers} layers"
    return embedder


def quantize(embedder: Embedder) -> Embedder:
    """Store the weights of a network in 8 bits (weight-only, one scale a row) and run it with OpenVINO.

    The embedder given is itself changed, its fingerprint too, and returned. Needs the extra ``bench``.

    Raises
    ------
    ModelUnavailableError
        If OpenVINO or NNCF is not installed.
    """
    # Both report their use to their maker unless one opts out; without this package they do not.
    sys.modules.setdefault("openvino_telemetry", None)
    try:
        import nncf
        import openvino
    except ImportError as error:
        raise ModelUnavailableError(
            f"Weights in 8 bits need the packages openvino and nncf ({error}). Run `pip install -c constraints.txt -e "
            "'.[bench]'` in the course's folder, or leave this model out."
        ) from error
    import rich
    import torch
    from transformers.modeling_outputs import BaseModelOutput
    from transformers.utils import logging as transformers_logging

    network = embedder.model[0].model
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in embedder.tokenizer("a")]

    class Traced(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, *inputs):
            return self.network(**dict(zip(names, inputs, strict=True))).last_hidden_state

    class Quantized(torch.nn.Module):
        config, dtype = network.config, torch.float32

        def forward(self, **features):
            states = compiled([features[name].numpy() for name in names])[0]
            return BaseModelOutput(last_hidden_state=torch.from_numpy(states))

    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    rich.reconfigure(quiet=True, force_jupyter=False)  # NNCF draws a bar and a table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of sizes that it takes for fixed; they are inputs here
        logging.getLogger("nncf").setLevel(logging.ERROR)
        example = tuple(torch.ones(2, 8, dtype=torch.long) for _ in names)
        graph = openvino.convert_model(Traced().eval(), example_input=example)
        graph = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
    rich.reconfigure()
    transformers_logging.set_verbosity(verbosity)
    compiled = openvino.Core().compile_model(graph, "CPU")
    embedder.model[0].model = Quantized()
    embedder.fingerprint += ", weights in int8 by OpenVINO"
    return embedder
