"""Which models the course knows, as data: sizes, limits, licences and the exact prompts they were trained on.

The facts stand in ``models.toml`` beside this file and are read when first asked for. A card only describes a
model; :func:`course_utils.embedding.load_embedder` loads one, and also takes models that have no card here.
"""

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from course_utils.paths import shown

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class UnknownModelError(ValueError):
    """The catalogue has no model of that name."""


@dataclass(frozen=True)
class ModelCard:
    """What is known of one embedding model, in the terms of mteb's ModelMeta where it has them.

    Attributes
    ----------
    name : hub name, ``owner/model``.
    n_parameters : number of parameters, token embeddings included (some makers give a rounded one).
    embed_dim : dimensions of a full vector.
    max_tokens : longest text in tokens; what comes after is not read.
    revision : commit of the hub repository, 40 hexadecimal digits ("" when unknown).
    license : licence of the weights, as the hub writes it ("apache-2.0").
    languages : ISO 639-3 codes; ``("mul",)`` stands for multiple languages, too many to list.
    use_instructions : whether words belong in front of queries or documents, fixed ones or an instruction.
    query_prompt : the exact characters before a search query ("" for none).
    document_prompt : the exact characters before a text that is searched ("" for none).
    instruction_prompt : the exact characters before a text under an instruction, which replaces
        ``{instruction}`` in them; "" for a model that was not trained to follow instructions.
    pooling : how token vectors become one vector: "mean", "cls" (the first) or "lasttoken".
    padding_side : where the tokenizer fills up the shorter texts of a batch: "right" or "left".
    backend : library that runs the model.
    download_mb : size of the weights in MB (10^6 bytes), tokenizer not included; 0 when unknown.
    matryoshka_dims : dimensions below ``embed_dim`` that the model was trained to be cut to; may be empty.
    matryoshka_min : if above 0, every dimension from here up will do, and ``matryoshka_dims`` are examples.
    package : Python package that ships the weights, as it is imported (pip takes that spelling), or "".
    sha256 : hash of model.safetensors ("" where it is not checked).
    gated : whether the hub gives out the weights only after its terms were accepted there.
    source : address of the page where the facts were read.
    """

    name: str
    n_parameters: int
    embed_dim: int
    max_tokens: int
    revision: str = ""
    license: str = ""
    languages: tuple[str, ...] = ()
    use_instructions: bool = False
    query_prompt: str = ""
    document_prompt: str = ""
    instruction_prompt: str = ""
    pooling: str = ""
    padding_side: str = ""
    backend: str = "sentence-transformers"
    download_mb: int = 0
    matryoshka_dims: tuple[int, ...] = ()
    matryoshka_min: int = 0
    package: str = ""
    sha256: str = ""
    gated: bool = False
    source: str = ""

    def prompt_for(self, instruction: str) -> str:
        """Return the exact characters to put before a text to embed it under this instruction.

        They are the model's own template, filled in. A model without one gets the words in front: the
        instruction on a line of its own, read as part of the text. No instruction ("") gives no prompt.
        """
        template = self.instruction_prompt or "{instruction}\n"
        return template.replace("{instruction}", instruction) if instruction else ""


@cache
def _catalog() -> MappingProxyType:
    rows = tomllib.loads(Path(__file__).with_name("models.toml").read_text(encoding="utf-8"))["model"]
    # TOML knows lists only; a frozen card holds tuples.
    cards = (ModelCard(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in rows)
    return MappingProxyType({card.name: card for card in cards})


def __getattr__(attribute: str):
    if attribute == "CATALOG":  # hub name -> ModelCard, read-only, in the order of models.toml
        return _catalog()
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")


def find_model(name: str) -> ModelCard:
    """Return the card of a model by its hub name or the last part of it; capitals do not matter.

    Raises :class:`UnknownModelError` if the catalogue has no such model; its message names the closest ones.
    """
    by_name = {key.lower(): c for c in _catalog().values() for key in (c.name, c.name.split("/")[-1])}
    wanted = str(name).strip().lower()
    if wanted in by_name:
        return by_name[wanted]
    close = dict.fromkeys(by_name[key].name for key in difflib.get_close_matches(wanted, by_name, n=4))
    hint = f"Did you mean {' or '.join(close)}?" if close else f"It has {', '.join(_catalog())}."
    raise UnknownModelError(
        f"The catalogue has no model name={shown(str(name))!r}. {hint} load_embedder also takes any other hub name "
        "('owner/model') and the path of a local sentence-transformers folder."
    )
