"""Measures course-instruct beside a published run of the real Qwen3-Embedding-0.6B, on the same 800 newsgroup posts.

    python tools/course_instruct/published.py data.json

``data.json`` is docs/data.json of https://github.com/jackliddle/newsgroups-qwen-embed (MIT licence, copyright 2025 Jack
Liddle): posts in ten groups and, for no instruction and three instructions, where each post lies on a map by UMAP. The
vectors are not in it, so both models are measured on such maps. Nothing of the file is trained on or kept: what is
written, published.json beside the model's weights, are means over the posts.

Mood is VADER's compound score of a post's first 1,500 characters; tone is alt-profanity-check's probability (the
teacher of the training, so it flatters course-instruct) and, beside it, the share of a post's words that
better-profanity lists, which labelled no training text. Run it before evaluate.py, which writes the model card. Needs

    pip install --no-deps alt-profanity-check==1.9.1 better-profanity==0.7.0 vaderSentiment==3.3.2
"""

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
from evaluate import STRENGTHS, rounded
from texts import newsgroup_posts, toxicity_of_teacher
from train import read_adapted, read_layers

from course_utils.data import load_tasks
from course_utils.embedding import DEFAULT_MODEL, find_model
from course_utils.embedding.instruct import HEAD, load_instruct_model
from course_utils.embedding.weights import packaged_weights
from course_utils.measuring import mean_interval, nearest_neighbors, spearman_interval

SHA256 = "30d03b546ab50bdb38ccde960234ed192bd6f9762d6feafbcad924f535d8bb9f"
SOURCE = "https://github.com/jackliddle/newsgroups-qwen-embed, docs/data.json (MIT licence, copyright 2025 Jack Liddle)"
TASKS = ("default", "sentiment", "topic", "toxicity")
K = 10
MAX_LENGTH = 128


def scores_of(texts: list[str]) -> dict[str, np.ndarray]:
    """Mood and tone of each text, by lists and models of words that know nothing of vectors."""
    import better_profanity
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    listed = set((Path(better_profanity.__file__).parent / "profanity_wordlist.txt").read_text("utf-8").split("\n"))
    words = [re.findall(r"[a-z']+", text.lower()) for text in texts]
    vader = SentimentIntensityAnalyzer()
    return {
        "mood": np.array([vader.polarity_scores(text[:1500])["compound"] for text in texts]),
        "tone": toxicity_of_teacher(texts),
        "tone, other list": np.array([sum(word in listed for word in row) / max(len(row), 1) for row in words]),
    }


def measure_map(places: np.ndarray, groups: np.ndarray, scores: dict[str, np.ndarray]) -> dict[str, dict]:
    """Of a map, (n, 2): the share of neighbours in the own group; how far neighbours share mood and tone within groups.

    The latter is the rank correlation of a post's score with the mean of its neighbours' after the group's mean is
    taken out of every score.
    """
    near = nearest_neighbors(places, K, metric="euclidean")
    found = {"own group": mean_interval((groups[near] == groups[:, None]).mean(axis=1))}
    for name, values in scores.items():
        within = values - pd.Series(values).groupby(groups).transform("mean").to_numpy()
        found[name] = spearman_interval(within, within[near].mean(axis=1))
    return {name: {"estimate": one.estimate, "low": one.low, "high": one.high} for name, one in found.items()}


def draw_map(vectors: np.ndarray) -> np.ndarray:
    """The map of the published run: UMAP with 15 neighbours, min_dist 0.1 and seed 42."""
    import umap

    settings = {"n_neighbors": 15, "min_dist": 0.1, "random_state": 42, "n_jobs": 1, "metric": "cosine"}
    return umap.UMAP(**settings).fit_transform(vectors)


def measure_model(texts: list[str], groups: np.ndarray, scores: dict[str, np.ndarray], model) -> dict[str, dict]:
    """Maps of course-instruct under each instruction of the published run, at several strengths."""
    head, tasks = model[2], load_tasks()
    means, own = read_layers(texts, model)
    found = {"default": measure_map(draw_map(own.numpy()), groups, scores)}
    for task in TASKS[1:]:
        instruction = read_layers([tasks[task].instruction], model)[1]
        bent = read_adapted(texts, model, head.adapters[task])
        for strength in STRENGTHS:
            vectors = head.steer(means, own, instruction, lambda _, bent=bent: bent, strength).detach().numpy()
            found[f"{task}, {strength}"] = measure_map(draw_map(vectors), groups, scores)
            print(task, strength, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="docs/data.json of the published run")
    path = parser.parse_args().file
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        parser.error(f"{path.name} is not the file that was published: its sha256 must be {SHA256}.")
    posts = pd.DataFrame(json.loads(content))
    model = load_instruct_model(packaged_weights(find_model(DEFAULT_MODEL)))
    model.max_seq_length = MAX_LENGTH
    texts, groups = posts["text"].tolist(), posts["category"].to_numpy()
    scores = scores_of(texts)
    # the strength was chosen by these, a source of the training
    others = newsgroup_posts(of_lessons=False).groupby("topic").sample(80, random_state=1)
    other_texts = others["text"].tolist()
    found = {
        "source": SOURCE,
        "sha256": SHA256,
        "posts": len(posts),
        "groups": int(posts["category"].nunique()),
        "k": K,
        "Qwen3-Embedding-0.6B": {
            task: measure_map(posts[[f"{task}_x", f"{task}_y"]].to_numpy(), groups, scores) for task in TASKS
        },
        "course-instruct": measure_model(texts, groups, scores, model),
        "other newsgroups": measure_model(other_texts, others["topic"].to_numpy(), scores_of(other_texts), model),
    }
    (HEAD / "published.json").write_text(json.dumps(rounded(found), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
