"""Measures course-instruct on sources, wordings and factors it never saw, and writes its model card.

    python tools/course_instruct/evaluate.py my_work/course-instruct --control my_work/course-instruct-control

takes the heads that tools/course_instruct/train.py left there, one folder a seed, and one that was trained without the
posts that were written for training, and writes ``evaluation.json`` and, from it, ``README.md`` beside the weights in
course_utils/embedding/models/course-instruct. Like training, it needs the teacher.
"""

import argparse
import json
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from card import model_card
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_samples
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from texts import (
    ADAPTED,
    HELD_OUT_FACTORS,
    TAUGHT,
    fetch_files,
    label_by_rule,
    label_by_teacher,
    newsgroup_posts,
    sentiment_of_scores,
    split_sentences,
    urgency_templates,
)
from train import STAYS, read_adapted, read_layers, wordings

from course_utils.data import load_corpus
from course_utils.embedding import DEFAULT_MODEL, find_model, load_embedder
from course_utils.embedding.instruct import HEAD, InstructionHead, load_instruct_model
from course_utils.embedding.weights import packaged_weights
from course_utils.measuring import knn_accuracy, knn_overlap, mean_interval, nearest_neighbors
from course_utils.measuring.metrics import cosine_spearman, gain, shift

K = 10
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
A_LABEL = 300  # texts a label at most: the same number of each, so that chance is 1 / labels


def balanced(frame: pd.DataFrame, factor: str, labels=None) -> pd.DataFrame:
    """The same number of texts with each label, at most :data:`A_LABEL`."""
    known = frame[frame[factor].notna()] if labels is None else frame[frame[factor].isin(labels)]
    n = min(A_LABEL, known[factor].value_counts().min())
    return known.groupby(factor).sample(n, random_state=0)[["text", factor]].set_axis(["text", "label"], axis="columns")


def without_marks(frame: pd.DataFrame) -> pd.DataFrame:
    """Take the marks off the ends, so that a question is known by its words."""
    return frame.assign(text=frame["text"].str.rstrip("?.! "))


def test_sets() -> dict[str, pd.DataFrame]:
    """Each set as ``factor/source`` with ``text`` and ``label``; no text of them was trained on."""
    reviews, editorials = load_corpus("reviews"), load_corpus("editorials")
    for frame in (reviews, editorials):
        frame["sentiment"] = sentiment_of_scores(frame["score"])
    snippets, posts, newsgroups = load_corpus("movie_snippets"), load_corpus("posts"), load_corpus("newsgroups")
    opinions = snippets[snippets["kind"] != "plot"]
    plots = pd.DataFrame({"text": split_sentences(snippets.loc[snippets["kind"] == "plot", "text"]), "kind": "factual"})
    lines = label_by_teacher(label_by_rule(load_corpus("friends")))
    leaders = label_by_rule(editorials)
    all_posts = label_by_teacher(newsgroup_posts(of_lessons=True).copy())
    reuters = pd.read_csv(
        fetch_files("instruct_tests")["reuters-r8-test.tab"], sep="\t", skiprows=3, names=["topic", "text"], quoting=3
    )
    reuters = reuters[reuters.groupby("topic")["topic"].transform("size") >= 30].groupby("topic").head(60)
    style = pd.concat([editorials.assign(formality="formal"), reviews.assign(formality="informal")])
    view = pd.concat([opinions.assign(kind="subjective"), plots])
    both = ["positive", "negative"]
    return {
        "sentiment/reviews": balanced(reviews, "sentiment", both),
        "sentiment/editorials": balanced(editorials, "sentiment", both),
        "sentiment/movie_snippets": balanced(opinions, "kind"),
        "sentiment/posts": balanced(posts, "sentiment"),
        "toxicity/posts": balanced(posts, "tone"),
        "toxicity/friends": balanced(lines, "toxicity"),
        "toxicity/newsgroups": balanced(all_posts, "toxicity"),
        "topic/newsgroups": newsgroups.set_axis(["text", "label"], axis="columns"),
        "topic/posts": balanced(posts, "topic"),
        "topic/reuters": reuters.set_axis(["label", "text"], axis="columns"),
        "formality/editorials and reviews": balanced(style, "formality"),
        "question/friends": without_marks(balanced(lines, "question")),
        "question/editorials": without_marks(balanced(leaders, "question")),
        "subjectivity/movie_snippets": balanced(view, "kind"),
        "tense/friends": balanced(lines, "tense"),
        "tense/editorials": balanced(leaders, "tense"),
        "urgency/templates": balanced(urgency_templates("test"), "urgency"),
        "person/friends": balanced(lines, "person"),
        "person/editorials": balanced(leaders, "person"),
        "numbers/reviews": balanced(label_by_rule(reviews), "numbers"),
        "numbers/editorials": balanced(leaders, "numbers"),
    }


def vote_accuracy(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the majority of the nearest neighbours is right; a tie goes to the nearest of the tied labels."""
    codes = pd.factorize(labels)[0]
    near = codes[nearest_neighbors(vectors, K)]
    votes = (near[:, :, None] == np.arange(codes.max() + 1)).sum(axis=1)
    tied = votes[np.arange(len(near))[:, None], near] == votes.max(axis=1, keepdims=True)
    return near[np.arange(len(near)), tied.argmax(axis=1)] == codes


MEASURES = {
    "knn_accuracy": lambda vectors, labels: knn_accuracy(vectors, labels, K),
    "vote_accuracy": vote_accuracy,
    "silhouette": partial(silhouette_samples, metric="cosine"),
}


def measure(vectors: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Each measure, a value for each text."""
    return {name: function(vectors, labels).astype(float) for name, function in MEASURES.items()}


def mean_over(results: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.mean([result[name] for result in results], axis=0) for name in MEASURES}


def means_of(result: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: values.mean() for name, values in result.items()}


def of_label(result: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in result.items()}


def summary(without: dict[str, np.ndarray], result: dict[str, np.ndarray]) -> dict:
    """Means of the measures, and the gain over no instruction with its paired 95 % interval."""
    about = {}
    for name, values in result.items():
        change = gain(without[name], values)
        about[name] = {"mean": values.mean(), "gain": change.estimate, "low": change.low, "high": change.high}
    return about


def probe_accuracy(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of a logistic regression on MiniLM's own vectors of the same source, in five folds: a ceiling."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    guess = cross_val_predict(LogisticRegression(C=10, max_iter=2000), vectors, labels, cv=folds)
    return float((guess == labels).mean())


def words_alone(posts: pd.DataFrame) -> dict:
    """How much of the posts' sentiment and tone is in single words: TF-IDF, one topic held out at a time."""
    found = {}
    for factor in ("sentiment", "tone"):
        words = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=2000))
        guess = cross_val_predict(words, posts["text"], posts[factor], groups=posts["topic"], cv=LeaveOneGroupOut())
        interval = mean_interval((guess == posts[factor]).to_numpy())
        found[factor] = {"accuracy": interval.estimate, "low": interval.low, "high": interval.high}
        found[factor]["chance"] = 1 / posts[factor].nunique()
    return found


def evaluate_set(factor: str, texts: pd.DataFrame, heads: list, control, model, instructions: dict) -> dict:
    """All conditions on one set, for each head; the first head is the one that ships, ``control`` one without posts."""
    labels, texts = texts["label"].to_numpy(), texts["text"].tolist()
    means, own = read_layers(texts, model)
    plain = own.numpy()

    @cache
    def adapted(head: InstructionHead, name: str) -> torch.Tensor:
        return read_adapted(texts, model, head.adapters[name])

    def steered(head: InstructionHead, vector: torch.Tensor, strength: float | None = None) -> np.ndarray:
        with torch.inference_mode():
            if not head.gates(vector[None]).any():
                return plain
            return head.steer(means, own, vector[None], partial(adapted, head), strength).numpy()

    known: dict[tuple, dict[str, np.ndarray]] = {}

    def under(head: InstructionHead, vector: torch.Tensor, strength: float | None = None) -> dict[str, np.ndarray]:
        # the wordings of a factor mostly open the same gates, all the way
        key = (id(head), strength, *head.gates(vector[None])[0].tolist())
        if key not in known:
            known[key] = measure(steered(head, vector, strength), labels)
        return known[key]

    def mean_under(head: InstructionHead, vectors: torch.Tensor) -> dict[str, np.ndarray]:
        return mean_over([under(head, vector) for vector in vectors])

    without = measure(plain, labels)
    in_front = load_embedder().encode(texts, instruction=wordings(factor, "lesson")[0], show_progress_bar=False)
    right = [[under(head, vector) for vector in instructions[factor, "held_out"]] for head in heads]
    ships = heads[0]
    lesson = steered(ships, instructions[factor, "lesson"][0])
    others = [other for other in TAUGHT if other != factor]
    wrong = {other: mean_under(ships, instructions[other, "held_out"][:2]) for other in others}
    elsewhere = torch.cat([instructions[name, "held_out"] for name in STAYS])
    spaces = {"lesson": [lesson], "irrelevant": [steered(ships, vector) for vector in elsewhere]}
    spaces["words_in_front"] = [in_front]
    of_right, of_wrong = mean_over(right[0]), mean_over(list(wrong.values()))
    found = {
        "texts": len(texts),
        "labels": len(set(labels)),
        "probe": probe_accuracy(plain, labels),
        "none": means_of(without),
        "seeds": [summary(without, mean_over(results)) for results in right],
        "lesson": summary(without, measure(lesson, labels)),
        "wrong": summary(without, of_wrong),
        "right_against_wrong": summary(of_wrong, of_right),
        "wrong_one_by_one": {other: summary(without, result) for other, result in wrong.items()},
        "irrelevant": summary(without, mean_under(ships, elsewhere)),
        "scrambled": summary(without, mean_under(ships, instructions[factor, "scrambled"])),
        "words_in_front": summary(without, measure(in_front, labels)),
        "spread": {name: np.ptp([np.mean(result[name]) for result in right[0]]) for name in MEASURES},
        "classes": {
            str(label): summary(*(of_label(values, labels == label) for values in (without, of_right)))
            for label in sorted(set(labels))
        },
        "shift": {kind: np.mean([shift(plain, space) for space in some]) for kind, some in spaces.items()},
        "overlap": {
            kind: np.mean(
                [1 if space is plain else knn_overlap(plain, space, K, metric="cosine").mean() for space in some]
            )
            for kind, some in spaces.items()
        },
        "opened": np.mean([bool(ships.gates(vector[None]).any()) for vector in elsewhere]),
    }
    if factor in ADAPTED:
        found["strengths"] = {
            asked: {
                str(strength): means_of(measure(steered(ships, instructions[asked, "lesson"][0], strength), labels))
                for strength in STRENGTHS
            }
            for asked in ADAPTED
        }
    if control is not None and factor in ADAPTED:
        without_posts = mean_under(control, instructions[factor, "held_out"])
        found["control"] = summary(without, without_posts) | {"posts_add": summary(without_posts, of_right)}
    return found


def similarity() -> dict:
    """STS-B without an instruction: course-instruct and MiniLM, in the same breath."""
    pairs = load_corpus("sts_b")
    found = {}
    for name in ("course-instruct", DEFAULT_MODEL):
        embedder = load_embedder(name)
        first, second = embedder.encode(pairs["sentence1"]), embedder.encode(pairs["sentence2"])
        found[name] = cosine_spearman(first, second, pairs["score"])
    return found


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("heads", type=Path, help="the folder that training wrote")
    parser.add_argument("--control", type=Path, help="the folder of a training without the posts")
    arguments = parser.parse_args()
    # the one that ships comes first: its intervals are the ones that are quoted
    ships = (HEAD / "model.safetensors").read_bytes()
    folders = sorted(arguments.heads.glob("seed-*"))
    folders.sort(key=lambda folder: (folder / "model.safetensors").read_bytes() != ships)
    heads = [InstructionHead.load(str(folder), local_files_only=True).eval() for folder in folders]
    control = None
    if arguments.control:
        control = InstructionHead.load(str(next(arguments.control.glob("seed-*"))), local_files_only=True).eval()
    model = load_instruct_model(packaged_weights(find_model(DEFAULT_MODEL)), head=heads[0])
    asked = (*TAUGHT, *HELD_OUT_FACTORS)
    instructions = {
        (name, part): read_layers(wordings(name, part), model)[1] for name in asked for part in ("held_out", "lesson")
    }
    random = np.random.default_rng(0)
    for name in asked:
        shuffled = [" ".join(random.permutation(wordings(name, "lesson")[0].split())) for _ in range(3)]
        instructions[name, "scrambled"] = read_layers(shuffled, model)[1]
    for name in STAYS:
        instructions[name, "held_out"] = read_layers(wordings(name, "held_out"), model)[1]
    results = {}
    for name, texts in test_sets().items():
        results[name] = evaluate_set(name.split("/")[0], texts, heads, control, model, instructions)
        print(name, len(texts))
    found = {
        "training": json.loads((folders[0] / "training.json").read_text(encoding="utf-8")),
        "adapted": list(ADAPTED),
        "parameters": sum(parameter.numel() for parameter in heads[0].parameters()),
        "seeds": [int(folder.name.removeprefix("seed-")) for folder in folders],
        "wordings": {f"{name}/{part}": len(vectors) for (name, part), vectors in instructions.items()},
        "k": K,
        "sets": results,
        "sts_b": similarity(),
        "posts_words_alone": words_alone(load_corpus("posts")),
    }
    found = rounded(found)
    (HEAD / "evaluation.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    published = json.loads((HEAD / "published.json").read_text(encoding="utf-8"))
    (HEAD / "README.md").write_text(model_card(found, published), encoding="utf-8")


if __name__ == "__main__":
    main()
