"""The model catalogue: complete, typed, and with prompts that are right to the byte."""

import dataclasses
import re
import subprocess
import sys
import typing

import pytest

from course_utils.embedding import BACKENDS, CATALOG, DEFAULT_MODEL, ModelCard, UnknownModelError, catalog, find_model

# hub name: (query prompt, document prompt, prompt for the instruction "Name the topic")
BGE = "Represent this sentence for searching relevant passages: "
QWEN = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
    "",
    "Instruct: Name the topic\nQuery:",
)
WORDS_IN_FRONT = "Name the topic\n"  # what a model gets that has no template
PROMPTS = {
    "sentence-transformers/all-MiniLM-L6-v2": ("", "", WORDS_IN_FRONT),
    "sentence-transformers/all-mpnet-base-v2": ("", "", WORDS_IN_FRONT),
    "BAAI/bge-small-en-v1.5": (BGE, "", WORDS_IN_FRONT),
    "BAAI/bge-base-en-v1.5": (BGE, "", WORDS_IN_FRONT),
    "BAAI/bge-large-en-v1.5": (BGE, "", WORDS_IN_FRONT),
    "BAAI/bge-m3": ("", "", WORDS_IN_FRONT),
    "intfloat/e5-small-v2": ("query: ", "passage: ", WORDS_IN_FRONT),
    "intfloat/multilingual-e5-small": ("query: ", "passage: ", WORDS_IN_FRONT),
    "Qwen/Qwen3-Embedding-0.6B": QWEN,
    "Qwen/Qwen3-Embedding-4B": QWEN,
    "Qwen/Qwen3-Embedding-8B": QWEN,
    "google/embeddinggemma-300m": (
        "task: search result | query: ",
        "title: none | text: ",
        "task: Name the topic | query: ",
    ),
    "course-instruct": ("", "", WORDS_IN_FRONT),
    "use-multilingual-v3": ("", "", WORDS_IN_FRONT),
    "multilingual-e5-small-4bit": ("query: ", "passage: ", WORDS_IN_FRONT),
    "wordllama-l2-supercat-256": ("", "", WORDS_IN_FRONT),
}
cards = pytest.mark.parametrize("card", CATALOG.values(), ids=lambda card: card.name)


def test_every_model_has_its_prompts_in_the_table():
    assert list(CATALOG) == list(PROMPTS)


@cards
def test_prompts_are_exact(card):
    built = (card.query_prompt, card.document_prompt, card.prompt_for("Name the topic"))
    assert [text.encode() for text in built] == [text.encode() for text in PROMPTS[card.name]]
    assert card.prompt_for("") == ""
    assert card.use_instructions == any((card.query_prompt, card.document_prompt, card.instruction_prompt))


def test_one_space_makes_another_prompt():
    card = find_model("Qwen3-Embedding-0.6B")
    assert card.prompt_for("Name the topic") != "Instruct: Name the topic\nQuery: "
    assert card.prompt_for("Name the topic") + "text" == "Instruct: Name the topic\nQuery:text"


def test_an_instruction_with_braces_is_left_as_it_is():
    card = find_model("Qwen3-Embedding-0.6B")
    assert card.prompt_for("{x} {instruction}") == "Instruct: {x} {instruction}\nQuery:"


@cards
def test_cards_have_the_declared_types(card):
    for field, kind in typing.get_type_hints(ModelCard).items():
        value = getattr(card, field)
        if typing.get_origin(kind) is tuple:
            assert isinstance(value, tuple)
            assert all(type(item) is typing.get_args(kind)[0] for item in value)
        else:
            assert type(value) in ((int, float) if kind is float else (kind,)), f"{field}={value!r}"


@cards
def test_cards_are_complete(card):
    own = card.backend in BACKENDS  # a package has its version, and texts of any length need not be filled up
    assert re.fullmatch(r"[^/\s]+/[^/\s]+", card.name) or not card.on_hub
    assert re.fullmatch(r"[0-9a-f]{40}", card.revision) or (own and not card.revision)
    assert card.license
    assert all(re.fullmatch(r"[a-z]{3}", code) for code in card.languages)
    assert "eng" in card.languages and len(set(card.languages)) == len(card.languages)
    assert min(card.n_parameters, card.embed_dim, card.max_tokens) > 0
    assert card.pooling in ("mean", "cls", "lasttoken")
    assert card.padding_side in ("right", "left") or (own and not card.padding_side)
    # weights are stored with 2 or 4 bytes a parameter, or with few bits
    assert (0.4 if own else 1.9) <= card.download_mb * 1e6 / card.n_parameters <= 4.1
    assert list(card.matryoshka_dims) == sorted(set(card.matryoshka_dims))
    assert all(card.matryoshka_min <= dim < card.embed_dim for dim in card.matryoshka_dims)
    assert card.instruction_prompt.count("{instruction}") == bool(card.instruction_prompt)
    assert card.source.startswith("https://")


def test_the_default_model_needs_no_hub():
    card = find_model(DEFAULT_MODEL)
    assert card.package.isidentifier()
    assert re.fullmatch(r"[0-9a-f]{64}", card.sha256)


def test_the_shipped_weights_are_those_of_the_card():
    card = find_model(DEFAULT_MODEL)
    package = pytest.importorskip(card.package)
    folder = package.get_model_path()
    assert round((folder / "model.safetensors").stat().st_size / 1e6) == card.download_mb


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "ALL-minilm-l6-v2", DEFAULT_MODEL, f" {DEFAULT_MODEL.upper()} "])
def test_find_model_takes_full_and_short_names(name):
    assert find_model(name) is CATALOG[DEFAULT_MODEL]


def test_short_names_are_unambiguous():
    assert len({name.rpartition("/")[2].lower() for name in CATALOG}) == len(CATALOG)


def test_a_misspelt_name_gets_the_closest_ones_and_a_way_out():
    with pytest.raises(UnknownModelError) as error:
        find_model("all-MiniLM-L12-v2")
    message = str(error.value)
    assert "name='all-MiniLM-L12-v2'" in message
    assert f"Did you mean {DEFAULT_MODEL}" in message
    assert "load_embedder" in message


@pytest.mark.parametrize("name", ["word2vec", "", "another-owner/all-MiniLM-L6-v2/x", None])
def test_an_unknown_name_is_an_error(name):
    with pytest.raises(UnknownModelError, match="no model name="):
        find_model(name)


def test_the_owner_counts():
    with pytest.raises(UnknownModelError):
        find_model("somebody-else/bge-m3")


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        CATALOG["mine"] = CATALOG[DEFAULT_MODEL]
    with pytest.raises(dataclasses.FrozenInstanceError):
        CATALOG[DEFAULT_MODEL].embed_dim = 1
    with pytest.raises(AttributeError, match="NOTHING"):
        catalog.NOTHING


def test_every_field_is_documented():
    for field in dataclasses.fields(ModelCard):
        assert re.search(rf"^    {field.name} : ", ModelCard.__doc__, re.MULTILINE), field.name


def test_reading_the_catalogue_loads_no_heavy_library():
    code = (
        "import sys; from course_utils.embedding import CATALOG; len(CATALOG); "
        "print([m for m in ('torch', 'sklearn', 'pandas', 'numpy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
