"""What stands behind `course check-endpoint`: is a server right, and if not, what does it do wrong?

A server can answer every text with a vector of the right length and still read texts in another way than the model's
makers meant. The usual mistakes are therefore made here on purpose, with the same model on this machine; the one whose
vectors are the server's is the finding. Without the model, similarities that its makers published have to do.
"""

import bisect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.preprocessing import normalize

from course_utils.app.doctor import Line, report
from course_utils.embedding import PUBLISHED_SIMILARITIES, EndpointError, LocalEmbedder, RemoteEmbedder, load_embedder

TEXTS = ("What is the capital of China?", "Gravity attracts two bodies.\nIt gives weight.", "今天天气很好。", "a")
SAME, CLOSE = 0.999, 0.95  # cosines: the same computation, and one in few bits
_POOLING: dict[str, Callable] = {
    "lasttoken": lambda vectors: vectors[-1],
    "cls": lambda vectors: vectors[0],
    "mean": lambda vectors: vectors.mean(dim=0),
    "max": lambda vectors: vectors.amax(dim=0),
}


def check_endpoint(remote: RemoteEmbedder, local: LocalEmbedder | None, longest: int) -> bool:
    """Try a server and print what is right and wrong; return whether nothing is wrong.

    Parameters
    ----------
    remote : RemoteEmbedder
        The server and the model's name there, without a cache.
    local : LocalEmbedder or None
        The same model on this machine.
    longest : int
        Words of the longest text that is tried.

    Raises
    ------
    EndpointError
        If the server gives no vectors at all.
    """
    remote.encode(list(TEXTS))  # what fails here is the endpoint's own message
    checks: dict[str, Callable[..., Line]] = {
        "reading": partial(check_reading, local=local) if local else check_published,
        "padding": check_padding,
        "cutting": partial(check_cutting, longest=longest),
        "length": check_norm,
    }
    return all([report(topic, partial(check, remote)) for topic, check in checks.items()])


def local_twin(remote: RemoteEmbedder, name: str | None) -> LocalEmbedder | None:
    """The model of this name on this machine; without a name that of the endpoint's card, if it is here already."""
    from huggingface_hub import try_to_load_from_cache

    card = remote.card
    if name is None and not card.package:
        here = "/" in card.name and try_to_load_from_cache(card.name, "modules.json", revision=card.revision or None)
        if not isinstance(here, str):
            return None
    local = load_embedder(name or card.name, cache=False)
    if not isinstance(local, LocalEmbedder):
        raise ValueError(f"--against {name}: it should be a model that runs on this machine.")
    return local


def check_reading(remote: RemoteEmbedder, local: LocalEmbedder) -> Line:
    """Pooling, end token and template: the server's vectors against the right ones and those of each mistake."""
    if remote.embedding_dim != local.embedding_dim:
        return Line("fail", f"{remote.embedding_dim} dimensions, not {local.embedding_dim}", "is it the same model?")
    sent = [prompt + text for prompt in dict.fromkeys(["", local.card.query_prompt]) for text in TEXTS]
    given = normalize(remote.encode(sent, prompt="", batch_size=1))
    right = float((given * normalize(local.encode(sent, prompt=""))).sum(axis=1).mean())
    made = [mistakes(local, text) for text in sent]
    cosines = {name: float(np.mean([u @ m[name] for u, m in zip(given, made, strict=True)])) for name in made[0]}
    mistake = max(cosines, key=lambda name: cosines[name])
    closest = cosines[mistake]
    if right >= SAME or right >= max(CLOSE, closest):
        bits = "" if right >= SAME else "; it may compute in fewer bits"
        return Line("ok", f"pooling, end token and template as in {local.card.name} (cosine {right:.4f}{bits})")
    if closest < CLOSE:
        finding = f"cosine {right:.2f} to the model here, and no known mistake fits"
        return Line("fail", finding, "are the weights the same?")
    return Line("fail", f"{mistake} (cosine {closest:.4f}; to the model here {right:.4f})", "see docs/large_models.md")


def mistakes(local: LocalEmbedder, sent: str) -> dict[str, np.ndarray]:
    """The vectors of a text, shape (dim,), under the usual mistakes of servers and under several of them at once."""
    model, tokenizer = local.model, local.tokenizer
    readings = {
        "": sent,
        "line breaks are lost": sent.replace("\n", " "),
        "a template of its own stands before what is sent": local.card.query_prompt + sent,
    }
    if getattr(tokenizer, "chat_template", None):
        turns = [{"role": "user", "content": sent}]
        readings["a chat template stands around what is sent"] = tokenizer.apply_chat_template(turns, tokenize=False)
    made = {}
    for reading, text in readings.items():
        ids = tokenizer(text)["input_ids"]
        ends = {"": ids}
        if ids[-1] in tokenizer.all_special_ids:
            ends |= {"the end token is missing": ids[:-1], "the end token is there twice": [*ids, ids[-1]]}
        for end, tokens in ends.items():
            for name, vector in _pooled(model, tokens).items():
                own = name == model[1].pooling_mode
                pooling = "" if own else f"pooling is {name}, not {model[1].pooling_mode}"
                made[", and ".join(filter(None, [pooling, end, reading]))] = vector
    del made[""]
    return made


def _pooled(model: Any, ids: list[int]) -> dict[str, np.ndarray]:
    """The vector of these tokens under each kind of pooling, finished by the modules behind it."""
    import torch

    batch = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    with torch.inference_mode():
        tokens = model[0](batch)["token_embeddings"][0]
        features = {"sentence_embedding": torch.stack([pool(tokens) for pool in _POOLING.values()])}
        for module in list(model)[2:]:
            features = module(features)
    return dict(zip(_POOLING, normalize(features["sentence_embedding"].float().numpy()), strict=True))


def check_published(remote: RemoteEmbedder) -> Line:
    """The similarities that the model's makers state, where they do."""
    published = PUBLISHED_SIMILARITIES
    if remote.card.name not in published["similarities"]:
        return Line("warn", "nothing to compare with", "give the same model on this machine with --against")
    queries, documents = remote.encode_query(published["queries"]), remote.encode_document(published["documents"])
    off = float(np.abs(queries @ documents.T - published["similarities"][remote.card.name]).max())
    if off <= 0.02:  # an end token that is missing moves them further, eight bits do not
        return Line("ok", f"the published similarities, to {off:.4f}")
    remedy = "pooling, end token or template is wrong: --against, with the same model on this machine, tells which"
    return Line("fail", f"off the published similarities by {off:.2f}", remedy)


def check_padding(remote: RemoteEmbedder) -> Line:
    """A text's vector must not depend on the texts that are sent with it."""
    alone, together = (normalize(remote.encode(list(TEXTS), prompt="", batch_size=size)) for size in (1, len(TEXTS)))
    worst = float((alone * together).sum(axis=1).min())
    if worst >= 0.99:
        return Line("ok", "a text has the same vector alone and among others")
    side = remote.card.padding_side or "the model's own"
    remedy = f"padding is read, or on the wrong side (right: {side}); until it is mended, use batch_size=1"
    return Line("fail", f"a text has another vector among others (cosine {worst:.2f})", remedy)


def check_cutting(remote: RemoteEmbedder, longest: int) -> Line:
    """Texts that differ in their second half only must differ, as long as the model reads on."""
    n = 32
    while n <= longest:
        try:
            if _same(remote, n, n // 2):
                break
        except EndpointError as error:
            if not error.positions:
                raise
            return Line("ok", f"texts of {n // 2} words are read whole, and of {n} refused with an error")
        n *= 2
    else:
        return Line("ok", f"texts of {n // 2} words are read whole (--longest tries more)")
    read = bisect.bisect_left(range(n // 2), True, key=lambda k: _same(remote, n, k))
    if remote.card.max_tokens and read > 0.6 * remote.card.max_tokens:
        return Line("ok", f"read up to about {read} words, as the model's {remote.card.max_tokens} tokens allow")
    if read < 3:  # a causal model's first token knows nothing of what follows
        return Line("fail", "the first word alone decides the vector", "is pooling of the first token right?")
    finding = f"texts are cut after about {read} words without an error"
    return Line("fail", finding, "raise the server's limit of tokens")


def _same(remote: RemoteEmbedder, n: int, k: int) -> bool:
    """Whether two texts of n words that differ from word k on have one vector."""
    texts = [" ".join(["sun"] * k + [word] * (n - k)) for word in ("moon", "seven")]
    first, second = normalize(remote.encode(texts, prompt="", batch_size=1))
    return float(first @ second) > 1 - 1e-6


def check_norm(remote: RemoteEmbedder) -> Line:
    """Most models give vectors of length 1, so that a product is a cosine."""
    lengths = np.linalg.norm(remote.encode(list(TEXTS), prompt="", normalize_embeddings=False), axis=1)
    if np.abs(lengths - 1).max() < 0.01:
        return Line("ok", "vectors are normalised: their length is 1")
    text = f"vectors are not normalised: their lengths are {lengths.min():.2f} to {lengths.max():.2f}"
    return Line("warn", text, "the course scales them itself; other programs may take a product for a cosine")
