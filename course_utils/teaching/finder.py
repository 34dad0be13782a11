"""The student's own finder on the notice board: a search and questions of their own, which all lessons score again.

``my_finder.py``, ``my_questions.csv`` and ``my_scoreboard.csv`` lie in the notebook's folder. They are the student's
work: what cannot be read stays as it is, what is replaced was copied before, and no mistake in them stops a lesson.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from types import FunctionType

import numpy as np
import pandas as pd

from course_utils.data import load_corpus, read_texts
from course_utils.teaching.checks.guard import quiet, run
from course_utils.teaching.exercise import Exercise, is_placeholder

FINDER, QUESTIONS, SCOREBOARD = map(Path, ("my_finder.py", "my_questions.csv", "my_scoreboard.csv"))
_PAIR, _ROW = ["question", "relevant"], ["finder", "question", "relevant", "found"]
_WANTED = 'Wanted are up to 100 different questions, each with the id of its notice, n01 to n40: ("A ladder?", "n17")'


class Finder:
    """A search on the notice board, the questions it is asked, and a scoreboard. Made by :func:`keep` and :func:`load`.

    Parameters
    ----------
    code : str
        Defines a function ``search``, which takes a query's vector, the vectors of the documents, one a row, and k, and
        returns the positions of the k most similar rows, best first; it gets ``np`` and ``pd``. Where it cannot be
        used, the course's own is, which is said.
    own : DataFrame
        The student's questions: ``question``, ``relevant``, ``kind``.

    Attributes
    ----------
    code : str
        What defines the search that is used.
    search : callable
        That function.
    notices : Series of 40 str
        What is searched.
    questions : DataFrame
        A row a question: ``question``, ``kind`` ("in other words", "by its name", "yours"), ``relevant``, the id of
        the notice that answers, and ``answer``, its position among the notices.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils.teaching import finder
    >>> mine = finder.load()
    Your search is not ready yet: the course's own is used.
    >>> answers = np.eye(40)[mine.questions["answer"]]  # vectors that could not be better
    >>> float(mine.score("perfect", answers, np.eye(40)).mean())
    1.0
    >>> mine.scoreboard().loc["perfect"].to_dict()
    {'in other words': 1.0, 'by its name': 1.0}
    """

    def __init__(self, code: str, own: pd.DataFrame):
        board, asked = load_corpus("noticeboard"), load_corpus("noticeboard_questions")
        self.notices, self.questions = board["message"], pd.concat([asked, own], ignore_index=True)
        self.questions["answer"] = pd.Index(board["id"]).get_indexer(self.questions["relevant"])
        self._scored = pd.DataFrame(columns=_ROW)
        _, self.search, self.code = _ask(code, np.eye(len(board)), np.eye(len(board)))

    def score(self, name: str, query_vectors: np.ndarray, document_vectors: np.ndarray) -> np.ndarray:
        """Ask every question; what is found becomes a row of the scoreboard, in place of an earlier one of this name.

        Parameters
        ----------
        name : str
            What the vectors are called in the scoreboard.
        query_vectors : float array of shape (n, dim)
            Of ``questions["question"]``.
        document_vectors : float array of shape (40, dim)
            Of ``notices``.

        Returns
        -------
        float64 array of shape (n,)
            1 where the notice that answers comes first, else 0; also where the question shares nothing with it, so that
            it is first by its place.

        Raises
        ------
        ValueError
            If the arrays have other numbers of rows.
        """
        if (len(query_vectors), len(document_vectors)) != (len(self.questions), len(self.notices)):
            raise ValueError("query_vectors and document_vectors need a row for each text of questions and of notices.")
        first = _ask(self.code, query_vectors, document_vectors)[0]
        nothing = np.sum(query_vectors * np.asarray(document_vectors)[first], axis=1) == 0  # in common: no hit by luck
        found = (first == self.questions["answer"]) & ~nothing
        self._scored = pd.concat([self._scored, self.questions.assign(finder=name, found=found.astype(float))[_ROW]])
        self.scoreboard()
        return found.to_numpy(float)

    def scoreboard(self) -> pd.DataFrame:
        """Share of questions whose notice came first: a row for each name that was scored, a column for each kind.

        The rows of a column are compared on the questions that all of them were asked; one that was asked none has NaN.
        """
        kept = _tried(_read, SCOREBOARD, _ROW)  # other notebooks add to it, too
        rows = pd.concat([kept, self._scored]).groupby(_ROW[:3], sort=False, as_index=False).last()
        if len(self._scored) and kept is not None:
            _tried(_write, SCOREBOARD, rows.to_csv(index=False))
        asked = self.questions.merge(rows.assign(found=pd.to_numeric(rows["found"], errors="coerce")))
        n = asked.groupby(_PAIR)["finder"].transform("nunique")
        shares = asked[n == n.groupby(asked["kind"]).transform("max")].pivot_table("found", "finder", "kind")
        return shares.reindex(index=rows["finder"].unique(), columns=self.questions["kind"].unique())


def keep(search: Callable, questions: Iterable[tuple[str, str]], exercise: Exercise | None = None) -> Finder:
    """Keep a search and questions of one's own in the current folder, for later lessons.

    Parameters
    ----------
    search : callable
        A function of this name, as :class:`Finder` has it, that needs nothing of its notebook but ``np``, ``pd`` and
        functions written there. One that is not ready replaces none that was kept before.
    questions : iterable of (str, str)
        Up to 100, each with the id of the notice that answers it. Without any, those kept before stay; where they
        replace others, the older file is copied first.
    exercise : Exercise, optional
        Only a search that it calls correct is kept.

    Returns
    -------
    Finder
        With both.

    Raises
    ------
    ValueError
        If an entry cannot be used; the message names it and the way out.

    Examples
    --------
    >>> from course_utils.teaching import finder
    >>> def search(query_vector, document_vectors, k):
    ...     return (document_vectors @ query_vector).argsort()[::-1][:k]
    >>> mine = finder.keep(search, [("My son fails his maths test", "n10")])
    >>> int(mine.questions["kind"].value_counts()["yours"])
    1
    """
    own = _checked(questions, "questions")
    ready = not is_placeholder(search) and (exercise is None or exercise.check(search).outcome == "correct")
    code = _tried(_source, search) if ready else None
    if code:
        _tried(_write, FINDER, code)
    if len(own):
        _tried(_write, QUESTIONS, own.to_csv(columns=_PAIR, index=False))
    return load(code, own)


def load(code: str | None = None, own: pd.DataFrame | tuple = ()) -> Finder:
    """Take up what was kept in the current folder.

    Parameters
    ----------
    code, own : optional
        What :func:`keep` was given stands for what is in the folder; see :class:`Finder`.

    Returns
    -------
    Finder
        With the course's own search, or without own questions, where nothing was kept or it cannot be used.

    Examples
    --------
    >>> from course_utils.teaching import finder
    >>> len(finder.load().questions)
    Your search is not ready yet: the course's own is used.
    24
    """
    code = code or (_tried(FINDER.read_text, "utf-8-sig", "replace") if FINDER.exists() else "search = lambda *_: None")
    own = own if len(own) else _tried(lambda: _checked(_read(QUESTIONS, _PAIR).to_numpy().tolist(), QUESTIONS.name))
    return Finder(str(code), own)


def _source(function: Callable) -> str:
    """Its lines, after those of the functions of the same notebook that it calls."""
    found, todo = dict[str, str](), [function]
    for each in todo:
        found[each.__name__] = textwrap.dedent(inspect.getsource(each))
        names = {node.id for node in ast.walk(ast.parse(found[each.__name__])) if isinstance(node, ast.Name)}
        others = [getattr(each, "__globals__", {}).get(name) for name in sorted(names - set(found))]
        todo += [f for f in others if type(f) is FunctionType and f.__module__ == each.__module__ and f not in todo]
    return "\n\n".join(reversed(found.values()))


def _search(query_vector: np.ndarray, document_vectors: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(document_vectors @ query_vector), kind="stable")[:k]


def _ask(code: str, queries: np.ndarray, documents: np.ndarray) -> tuple[np.ndarray, Callable, str]:
    """What a search puts first for each query, in one run with a time limit; the search; and its code."""
    queries, documents = np.asarray(queries), np.asarray(documents)
    space = {"np": np, "numpy": np, "pd": pd, "ours": _search, "queries": queries, "documents": documents}
    calls = f"{code}\n\nfirst = [search(query + 0, documents + 0, 1) for query in queries]"
    try:
        quiet()(run)(exec, compile(calls, f"<{FINDER}>", "exec"), space)
        return np.array([range(len(documents))[each[0]] for each in space["first"]]), space["search"], code
    except Exception as error:  # whatever a student's code does
        why = "is not ready yet" if isinstance(error, TypeError) else f"fails with just np and pd ({error})"
        print(f"Your search {why}: the course's own is used.")
        return np.argmax(queries @ documents.T, axis=1), _search, "search = ours"


def _checked(entries: Iterable, where: str) -> pd.DataFrame:
    """Questions with the ids of their notices, of the kind "yours"."""
    pairs = [entry if isinstance(entry, list | tuple) and len(entry) == 2 else (entry, "") for entry in entries]
    own = pd.DataFrame(pairs, columns=_PAIR).map(lambda words: " ".join(str(words).replace("\0", "").split()))
    right = own["relevant"].isin(load_corpus("noticeboard")["id"]) & ~own["question"].duplicated() & (own.index < 100)
    for place in np.flatnonzero(~right | (own["question"] == "")):
        raise ValueError(f"{where}, entry {place + 1}: {pairs[place]!r}. {_WANTED}.")
    return own.assign(kind="yours")


def _read(file: Path, names: list[str]) -> pd.DataFrame:
    """Rows as the course or a spreadsheet wrote them, all of them text; none where there is no file."""
    if not file.exists():
        return pd.DataFrame(columns=names)
    with redirect_stdout(None):
        return read_texts(file, text_column="question", label_column=names)[names].astype(str)


def _write(file: Path, text: str) -> None:
    """Put a file in the place of another; killed at any time, one of them is whole. Excel needs the mark in front."""
    part = file.with_suffix(".part")
    part.write_text(text, "utf-8-sig" if file.suffix == ".csv" else "utf-8", newline="")
    if file == QUESTIONS and file.exists() and {*file.read_bytes().splitlines()} - {*part.read_bytes().splitlines()}:
        Path(f"my_questions_{file.stat().st_mtime_ns}.csv").write_bytes(file.read_bytes())
    part.replace(file)


def _tried(function, *arguments):
    """What it returns; or None, and a line on which file cannot be read or written."""
    try:
        return function(*arguments)
    except (OSError, TypeError, ValueError) as error:
        return print(f"A file of yours stays as it is, and what is new is not kept: {error}")
