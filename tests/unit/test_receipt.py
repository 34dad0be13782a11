"""What a model does not get of somebody's texts is counted right, and said once."""

import pytest
from helpers import fake_embedder

from course_utils.embedding import EmbeddingOptions, load_embedder

LONG, SHORT = "river " * 1000, "A short text about the river."


def test_the_share_of_unread_words_is_exact(minilm):
    # 256 tokens, of which two are marks and each other is one word
    assert minilm.receipt([SHORT, LONG]) == "1 of 2 texts are longer than 256 tokens: 75 % of their words are not read"
    assert "50 % of their words" in minilm.receipt(["river " * 508])
    assert minilm.receipt(["river " * 254]) == "" == minilm.receipt([])
    assert "longer than 12 tokens: 50 %" in minilm.receipt(["river " * 20], EmbeddingOptions(max_length=12))
    with_prompt = EmbeddingOptions(prompt="lake " * 127)
    assert (
        "50 %" in minilm.receipt(["river " * 254], with_prompt) and minilm.receipt(["river " * 127], with_prompt) == ""
    )


def test_each_text_that_is_cut_is_known(minilm):
    texts = [SHORT, LONG, "river " * 254, "river " * 255]
    assert minilm.is_cut(texts).tolist() == [False, True, False, True]
    assert minilm.is_cut(texts, EmbeddingOptions(prompt="lake ")).tolist() == [False, True, True, True]
    assert minilm.is_cut([SHORT], EmbeddingOptions(max_length=5)).tolist() == [True]
    assert fake_embedder().is_cut([LONG]).tolist() == [False]  # nobody can tell
    assert minilm.is_cut([]).shape == (0,)


def test_scripts_without_blanks_are_counted_by_letters(minilm):
    assert "1 of 2 texts are longer than 52 tokens: 88 %" in minilm.receipt(
        ["这个" * 200, "x"], EmbeddingOptions(max_length=52)
    )


@pytest.mark.parametrize(
    "text",
    [
        "Der Fluss ist nicht tief und das Wasser ist kalt.",
        "La rivière n'est pas profonde et les eaux sont dans une vallée.",
        "川の水は冷たいです。",
        "Вода в реке холодная.",
        "ماء النهر بارد",
    ],
)
def test_a_language_that_the_model_does_not_know_is_seen(text, minilm):
    assert minilm.receipt([text, SHORT]).startswith("1 or more of 2 texts are not in English")


def test_english_texts_names_and_signs_are_left_alone(minilm, caplog):
    from course_utils.data import load_corpus

    texts = [*load_corpus("posts")["text"], "🥊🥊🥊", "12:30", "Der Spiegel wrote that the die is cast", "ok", ""]
    texts += ["Juan del Toro and Maria del Carmen met", "El Paso, Los Angeles, Las Vegas", "van Dyck, van Eyck"]
    texts += [
        "They've never. We've tried. You've won",
        "um, um, well",
        "see https://a.org/le/la/les/",
        "a naïve résumé",
    ]
    assert minilm.receipt(texts) == ""


def test_it_is_said_once_where_an_instruction_takes_no_room(caplog):
    embedder = load_embedder("course-instruct")
    for instruction in (None, "Classify the sentiment", "Identify the topic"):
        embedder.encode([SHORT, LONG + "apart"], instruction=instruction)
    assert len(caplog.messages) == 1


def test_it_is_logged_once_for_a_list_and_never_for_one_text(minilm, caplog):
    minilm.encode([SHORT, LONG + "once"])
    minilm.encode([SHORT, LONG + "once"])
    assert caplog.text.count("1 of 2 texts are longer than 256 tokens") == 1
    minilm.encode([LONG + "another", SHORT])
    assert caplog.text.count("texts are longer") == 2
    minilm.encode(LONG)
    assert caplog.text.count("texts are longer") == 2
    fake_embedder().encode([LONG])  # no tokenizer, nothing to say
    assert caplog.text.count("texts are longer") == 2


def test_what_was_said_is_not_remembered_for_ever():
    embedder = fake_embedder()
    for i in range(3000):
        embedder.encode([f"text {i}"])
    assert len(embedder._receipts) < 3000  # a service runs for weeks
