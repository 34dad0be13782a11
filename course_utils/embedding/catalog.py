"""Which models the course knows, as data: sizes, limits, licences and the exact prompts they were trained on.

The facts stand in ``models.toml`` beside this file. A card only describes a model;
:func:`course_utils.embedding.load_embedder` loads one, and also takes models that have no card here.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from course_utils.paths import shown

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class UnknownModelError(ValueError):
    """The catalogue has no model of that name."""


@dataclass(frozen=True)
class ModelCard:
    """What is known of one embedding model, in the terms of mteb's ModelMeta where it has them.

    Attributes
    ----------
    name : str
        Hub name, ``owner/model``; one without an owner is not on the hub.
    n_parameters : int
        Number of parameters, token embeddings included (some makers give a rounded one).
    embed_dim : int
        Dimensions of a full vector.
    max_tokens : int or inf
        Longest text in tokens; what comes after is not read. ``inf``: all is.
    revision : str
        Commit of the hub repository, 40 hexadecimal digits ("" when unknown).
    license : str
        Licence of the weights, as the hub writes it ("apache-2.0").
    languages : tuple of str
        ISO 639-3 codes of those it was made for; "mul" among them stands for others that its makers do not name.
    use_instructions : bool
        Whether words belong in front of queries or documents, fixed ones or an instruction.
    query_prompt : str
        The exact characters before a search query ("" for none).
    document_prompt : str
        The exact characters before a text that is searched ("" for none).
    instruction_prompt : str
        The exact characters before a text under an instruction, which replaces ``{instruction}`` in them; "" for a
        model that was not trained to follow instructions.
    prompt_apart : bool
        Whether a prompt is read on its own, and takes none of the text's room.
    strength : float
        How far the model bends a text's vector under an instruction, from 0.5 to 1, where 1 is as far as it can.
    pooling : str
        How token vectors become one vector: "mean", "cls" (the first) or "lasttoken".
    padding_side : str
        Where the tokenizer fills up the shorter texts of a batch: "right" or "left"; "" where it need not.
    backend : str
        Library that runs the model.
    download_mb : int
        Size of the weights in MB (10^6 bytes), tokenizer not included; 0 when unknown.
    matryoshka_dims : tuple of int
        Dimensions below ``embed_dim`` that the model was trained to be cut to; may be empty.
    matryoshka_min : int
        If above 0, every dimension from here up will do, and ``matryoshka_dims`` are examples.
    package : str
        Python package that ships the weights, as it is imported (pip takes that spelling), or "".
    extra : str
        The course's extra that installs the package; "" where every installation has it.
    weights : str
        File of the package with the weights.
    sha256 : str
        Hash of that file ("" where it is not checked).
    gated : bool
        Whether the hub gives out the weights only after its terms were accepted there.
    source : str
        Address of the page where the facts were read.

    Examples
    --------
    >>> from course_utils.embedding import find_model
    >>> card = find_model("Qwen3-Embedding-0.6B")
    >>> card.embed_dim, card.max_tokens, card.prompt_for("Name the topic")
    (1024, 32768, 'Instruct: Name the topic\\nQuery:')
    """

    name: str
    n_parameters: int
    embed_dim: int
    max_tokens: float
    revision: str = ""
    license: str = ""
    languages: tuple[str, ...] = ()
    use_instructions: bool = False
    query_prompt: str = ""
    document_prompt: str = ""
    instruction_prompt: str = ""
    prompt_apart: bool = False
    strength: float = 1.0
    pooling: str = ""
    padding_side: str = ""
    backend: str = "sentence-transformers"
    download_mb: int = 0
    matryoshka_dims: tuple[int, ...] = ()
    matryoshka_min: int = 0
    package: str = ""
    extra: str = ""
    weights: str = "model.safetensors"
    sha256: str = ""
    gated: bool = False
    source: str = ""

    @property
    def on_hub(self) -> bool:
        """Whether the weights come from the hub, rather than with a package or the course's data."""
        return "/" in self.name and not self.package

    def prompt_for(self, instruction: str) -> str:
        """Return the exact characters to put before a text to embed it under this instruction.

        They are the model's own template, filled in. A model without one gets the words in front: the
        instruction on a line of its own, read as part of the text. No instruction ("") gives no prompt.
        """
        template = self.instruction_prompt or "{instruction}\n"
        return template.replace("{instruction}", instruction) if instruction else ""


def card_of(fields: Mapping[str, Any]) -> ModelCard:
    """The card with these fields; TOML and JSON know lists only, where a frozen card holds tuples."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return ModelCard(**values)


_FACTS = tomllib.loads(Path(__file__).with_name("models.toml").read_text(encoding="utf-8"))["model"]
#: Hub name -> ModelCard, read-only, in the order of models.toml.
CATALOG: Mapping[str, ModelCard] = MappingProxyType({fields["name"]: card_of(fields) for fields in _FACTS})


def find_model(name: str) -> ModelCard:
    """Find the card of a model by its hub name or the last part of it; capitals do not matter.

    Parameters
    ----------
    name : str
        For example ``"all-MiniLM-L6-v2"``.

    Returns
    -------
    ModelCard
        What is known of the model.

    Raises
    ------
    UnknownModelError
        If the catalogue has no such model; the message names the closest ones.

    Examples
    --------
    >>> from course_utils.embedding import find_model
    >>> find_model("all-minilm-l6-v2").name
    'sentence-transformers/all-MiniLM-L6-v2'
    """
    by_name = {key.lower(): card for card in CATALOG.values() for key in (card.name, card.name.split("/")[-1])}
    wanted = str(name).strip().lower()
    if wanted in by_name:
        return by_name[wanted]
    close = dict.fromkeys(by_name[key].name for key in difflib.get_close_matches(wanted, by_name, n=4))
    hint = f"Did you mean {' or '.join(close)}?" if close else f"It has {', '.join(CATALOG)}."
    raise UnknownModelError(
        f"The catalogue has no model name={shown(str(name))!r}. {hint} load_embedder also takes any other hub name "
        "('owner/model') and the path of a local sentence-transformers folder."
    )
