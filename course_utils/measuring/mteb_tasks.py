"""The course's tasks as tasks of mteb, with no hub: the same texts, measured by the library that leaderboards use.

Needs the extra ``bench``. mteb's classes are made inside the functions, because importing mteb takes seconds.
"""

import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd

from course_utils.measuring.benchmark import Classification, Contender, Encoder, Retrieval, Similarity, Task

#: The measures that both have, under one name.
METRICS: dict[type, tuple[str, ...]] = {Similarity: ("cosine_spearman",), Classification: ("accuracy",)}
METRICS[Retrieval] = ("recall_at_1", "mrr_at_10", "ndcg_at_10")


def evaluate_with_mteb(contenders: Iterable[Contender], tasks: Iterable[Task]) -> pd.DataFrame:
    """Ask mteb for the measures of :func:`course_utils.measuring.benchmark.evaluate`.

    Parameters
    ----------
    contenders : iterable of Contender
        All of them must be available.
    tasks : iterable of Similarity, Retrieval or Classification
        What to ask them.

    Returns
    -------
    DataFrame
        With the columns ``model``, ``task``, ``metric`` and ``mteb``. Its values are ours, rounded, unless documents
        are equally similar to a query: mteb takes them in the order of their ids, here they count against the model.

    Raises
    ------
    ImportError
        If mteb is not installed; the message says how to get it.

    Examples
    --------
    >>> from course_utils.measuring import Contender, Similarity, evaluate_with_mteb
    >>> pairs = Similarity("pets", ["a cat", "a cat", "a cat"], ["a kitten", "a dog", "a tax form"], [5, 3, 0])
    >>> evaluate_with_mteb([Contender("MiniLM")], [pairs])["mteb"].round(3).tolist()
    [1.0]
    """
    try:
        import mteb

        from datasets import disable_progress_bars
    except ImportError as error:
        raise ImportError(
            "mteb is not installed. Run `pip install -c constraints.txt -e '.[bench]'` in the course's folder."
        ) from error
    disable_progress_bars()
    tasks, rows = list(tasks), []
    for contender in contenders:
        encoder = contender.load()
        for task in tasks:
            encoder.fit(task.corpus)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on measures that are not ours, where a label is never predicted
                result = mteb.evaluate(_as_model(encoder), tasks=[_as_task(task)], cache=None, show_progress_bar=False)
            ((scores,),) = result.task_results[0].scores.values()  # of the one split and the one subset
            rows += [(contender.name, task.name, metric, scores[metric]) for metric in METRICS[type(task)]]
    return pd.DataFrame(rows, columns=["model", "task", "metric", "mteb"])


def _as_model(encoder: Encoder):
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ScoringFunction

    class Model(AbsEncoder):
        mteb_model_meta = ModelMeta.create_empty(
            # the cosine would change BM25's order, where vectors of documents have lengths that count
            {"name": "course/contender", "revision": "1", "similarity_fn_name": ScoringFunction.DOT_PRODUCT}
        )

        def __init__(self):
            pass

        def encode(self, inputs, *, prompt_type=None, **kwargs):
            texts = [text for batch in inputs for text in batch["text"]]
            side = "" if prompt_type is None else str(prompt_type.value)
            return np.asarray(encoder.encode(texts, side.replace("passage", "document")), dtype=np.float32)

    return Model()


def _as_task(task: Task):
    """An mteb task whose data are ours: a class whose ``load_data`` loads nothing."""
    from mteb.abstasks import AbsTaskClassification, AbsTaskRetrieval, AbsTaskSTS
    from mteb.abstasks.task_metadata import TaskMetadata

    from datasets import Dataset, DatasetDict

    data: dict[str, object]
    if isinstance(task, Similarity):
        base, kind = AbsTaskSTS, "STS"
        columns = {"sentence1": task.sentences1, "sentence2": task.sentences2, "score": task.scores}
        data = {"dataset": DatasetDict(test=Dataset.from_dict({name: list(c) for name, c in columns.items()}))}
    elif isinstance(task, Classification):
        base, kind = AbsTaskClassification, "Classification"
        labelled = {"text": list(task.texts), "label": [str(label) for label in task.labels]}
        data = {"dataset": DatasetDict(test=Dataset.from_dict(labelled))}
        # in five folds as here, and all texts of the other four, not eight a label
        data |= {"is_cross_validation": True, "train_split": "test", "samples_per_label": len(task.texts)}
    else:
        base, kind = AbsTaskRetrieval, "Retrieval"
        relevant = {f"q{i}": {f"d{j}": 1 for j in positions} for i, positions in enumerate(task.relevant)}
        data = {
            "corpus": {"test": {f"d{i}": text for i, text in enumerate(task.documents)}},
            "queries": {"test": {f"q{i}": text for i, text in enumerate(task.queries)}},
            "relevant_docs": {"test": relevant},
        }
    about = {"name": "CourseTask", "description": task.name, "type": kind, "main_score": METRICS[type(task)][-1]}
    metadata = TaskMetadata(**about, dataset={"path": "local", "revision": "1"}, eval_langs=["eng-Latn"])

    def load_data(self, **kwargs):
        vars(self).update(data, data_loaded=True)

    return type("LocalTask", (base,), {"metadata": metadata, "load_data": load_data})()
