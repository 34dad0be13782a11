"""The texts that course-instruct is trained on, and some that it is measured on; nothing of them is stored.

A label comes from people's scores (sentiment; toxicity of the prompts), from the writers of posts that were written for
this (``posts.csv``: sentiment and tone are independent there, which no archive offers), from a teacher (toxicity
elsewhere), from a rule on the words (question, tense, person, numbers), from the kind of source (formality,
subjectivity, topic) or from templates (urgency, for which no archive has real texts). Held-out sources are never
trained on, and neither is a text that shares a run of eight words with one of them. The teacher is
alt-profanity-check, a training dependency only.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from course_utils.data import NEWSGROUPS, fetch, load_corpus

TOOLS = Path(__file__).parent
#: The factors with an adapter inside MiniLM.
ADAPTED = ("sentiment", "toxicity", "topic")
#: What the model is taught.
TAUGHT = (*ADAPTED, "formality", "question", "subjectivity", "tense", "urgency")
#: Whole factors that no training instruction asks for.
HELD_OUT_FACTORS = ("person", "numbers")
_RUN = 8

_SOURCES = tomllib.loads((TOOLS / "sources.toml").read_text(encoding="utf-8"))


def fetch_files(name: str) -> dict[str, Path]:
    """Fetch the files of a table of ``sources.toml``: file name to path."""
    return fetch(name, _SOURCES[name])


def toxicity_of_teacher(texts: Iterable[str]) -> np.ndarray:
    """Probability that a text is offensive, by a linear model over words: float array of shape (n,)."""
    from profanity_check import predict_prob

    return np.asarray(predict_prob(list(texts)))


def sentiment_of_scores(scores: pd.Series) -> np.ndarray:
    """Turn mean scores (−4 to 4) into positive, negative, neutral, or None in between."""
    sign = np.where(scores >= 0.6, "positive", np.where(scores <= -0.6, "negative", None))
    return np.where(scores.abs() < 0.3, "neutral", sign)


_RULES = {
    "past": r"\b(?:was|were|had|did|went|said|got|came|took|made|told|yesterday|ago|last (?:night|week|year|month))\b",
    "future": r"\b(?:will|won't|going to|gonna|shall|tomorrow|next (?:week|year|month))\b|'ll\b",
    "first": r"\b(?:I|I'm|I've|I'll|I'd|[Mm]y|[Mm]e|[Ww]e|[Oo]ur|us|[Ww]e're)\b",
    "third": r"\b(?:[Hh]e|[Ss]he|[Tt]hey|[Hh]is|[Hh]ers?|[Tt]heir|him|them|[Hh]e's|[Ss]he's|[Tt]hey're)\b",
    "question": r"\?$",
    "statement": r"^[^?]*[.!]$",
    "with numbers": r"\d",
    "without numbers": r"^\D*$",
}

_CONTRACTED = (
    r"(?i)n't\b|\b(?:I'm|you're|we're|they're|it's|that's|what's|he's|she's|let's|gonna|gotta|wanna|yeah|hey)\b"
)


def label_by_rule(frame: pd.DataFrame) -> pd.DataFrame:
    """Add question, tense, person and numbers: what one rule finds and the opposite rule does not, in short texts."""
    short = frame["text"].str.split().str.len() <= 40
    pairs = {"question": ("question", "statement"), "tense": ("past", "future"), "person": ("first", "third")}
    for factor, labels in (pairs | {"numbers": ("with numbers", "without numbers")}).items():
        cased = factor == "person"
        one, other = (short & frame["text"].str.contains(_RULES[label], case=cased) for label in labels)
        found = np.where(one & ~other, labels[0], np.where(other & ~one, labels[1], None))
        frame[factor] = frame[factor].where(frame[factor].notna(), found) if factor in frame else found
    return frame


def label_by_teacher(frame: pd.DataFrame) -> pd.DataFrame:
    """Add toxicity where it is not known: the teacher's sure cases only."""
    probability = toxicity_of_teacher(frame["text"])
    found = np.where(probability > 0.8, "toxic", np.where(probability < 0.08, "clean", None))
    frame["toxicity"] = frame["toxicity"].where(frame["toxicity"].notna(), found) if "toxicity" in frame else found
    return frame


def split_sentences(texts: Iterable[str], fewest: int = 6, most: int = 40) -> list[str]:
    """Cut texts at full stops, question and exclamation marks; keep sentences of so many words."""
    parts = (part for text in texts for part in re.split(r"(?<=[.!?])\s+", " ".join(str(text).split())))
    return list(dict.fromkeys(part for part in parts if fewest <= len(part.split()) <= most))


def newsgroup_posts(*, of_lessons: bool) -> pd.DataFrame:
    """All posts of the lessons' ten groups, or of the other ten: ``text`` and ``topic``."""
    files = fetch("newsgroups").values()
    posts = pd.concat([pd.read_csv(file, sep="\t", skiprows=3, names=["topic", "text"], quoting=3) for file in files])
    posts = posts.dropna().drop_duplicates("text")
    return posts[(posts["topic"].isin(NEWSGROUPS) == of_lessons) & (posts["text"].str.split().str.len() >= 20)]


def letters(text: str) -> str:
    """Reduce a text to what copies of it share: its letters, in lower case."""
    return "".join(re.findall(r"[^\W\d_]", text.lower()))


def text_hash(text: str) -> int:
    """First eight bytes of the sha256 of a text's letters, as a number."""
    return int.from_bytes(hashlib.sha256(letters(text).encode()).digest()[:8], "little")


def _runs(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]+", text.lower())
    return {" ".join(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1)}


def held_out_texts() -> list[str]:
    """Everything that must not be trained on."""
    texts = [load_corpus(name)["text"] for name in ("reviews", "editorials", "movie_snippets", "posts")]
    texts += [newsgroup_posts(of_lessons=True)["text"], load_corpus("friends")["text"]]
    return pd.concat(texts).astype(str).tolist()


def training_texts(seed: int = 0) -> pd.DataFrame:
    """About 25,000 texts with ``text``, ``source`` and a column for each of :data:`TAUGHT`, None where not known."""
    files = fetch_files("instruct_training")

    def jsonl(name: str, column: str) -> pd.Series:
        return pd.read_json(files[name], lines=True, encoding="utf-8")[column].drop_duplicates()

    def some(texts: Iterable[str], n: int) -> list[str]:
        texts = pd.Series(list(texts)).drop_duplicates()
        return texts.sample(min(n, len(texts)), random_state=seed).tolist()

    movies, tweets = load_corpus("movie_sentences"), load_corpus("tweets")
    reviews = pd.read_csv(files["imdb/sample.csv"], encoding="utf-8")
    prompts = pd.read_json(files["Toxicity/test.jsonl"], lines=True, encoding="utf-8")
    notes = pd.read_csv(files["MTSDialog/validation.csv"], encoding="utf-8")
    turns = [re.sub(r"^\w+:\s*", "", turn) for dialogue in notes["dialogue"] for turn in dialogue.splitlines()]
    studies = jsonl("PubMedQA/pqal/test.jsonl", "passage").str.replace(r"Context \(\d+\):", "", regex=True)
    written = pd.read_csv(TOOLS / "posts.csv", encoding="utf-8")
    posts = newsgroup_posts(of_lessons=False)
    # the toxic posts are few: all of those, and a fifth of the others
    posts = posts[(toxicity_of_teacher(posts["text"]) > 0.8) | (np.random.default_rng(seed).random(len(posts)) < 0.2)]
    everyday = jsonl("Translation/test.jsonl", "sourceString").tolist()
    asked = [text for text in everyday + turns if text.endswith("?")]
    stated = [text for text in everyday + turns if re.search(_RULES["statement"], text)]
    # without its mark a question must be known by its words
    bare = [
        (text.rstrip("?.! "), label)
        for texts, label in ((asked, "question"), (stated, "statement"))
        for text in some(texts, 800)
    ]
    formal, factual = {"formality": "formal"}, {"formality": "formal", "subjectivity": "factual"}
    parts = {
        "movie_sentences": (
            movies["text"],
            {"sentiment": sentiment_of_scores(movies["score"]), "subjectivity": "subjective"},
        ),
        "tweets": (tweets["text"], {"sentiment": sentiment_of_scores(tweets["score"]), "formality": "informal"}),
        "imdb": (
            reviews["text"],
            {"sentiment": np.where(reviews["label"] == 1, "positive", "negative"), "subjectivity": "subjective"},
        ),
        "newsgroups_other": (posts["text"], {"topic": posts["topic"]}),
        "toxicity_prompts": (prompts["text"], {"toxicity": np.where(prompts["toxicity"] >= 0.8, "toxic", "unsure")}),
        "tatoeba": (everyday, {"formality": np.where(pd.Series(everyday).str.contains(_CONTRACTED), "informal", None)}),
        "wikipedia": (jsonl("wikiDataset/test.jsonl", "text"), factual | {"sentiment": "neutral"}),
        "news": (some(split_sentences(jsonl("XSum/test.jsonl", "document")), 1500), factual),
        "studies": (some(split_sentences(studies), 500), factual),
        "doctors_notes": (notes["section_text"].str[:600], factual),
        "doctors_talk": (some(split_sentences(turns, 4), 700), {"formality": "informal"}),
        "privacy": (some(split_sentences(jsonl("Privacy-Policy/test.jsonl", "context")), 400), formal),
        "privacy_questions": (some(jsonl("Privacy-Policy/test.jsonl", "question"), 300), {}),
        "searches": (some(jsonl("NQ-open/test.jsonl", "question"), 600), {"question": "question"}),
        "stories": (some(split_sentences(jsonl("SIQA/test.jsonl", "passage"), 5), 600), {}),
        "posts": (
            written["text"],
            {
                "sentiment": written["sentiment"],
                "toxicity": written["tone"].map({"rude": "toxic", "civil": "clean"}),
                "topic": written["topic"],
            },
        ),
        "without_marks": ([text for text, _ in bare], {"question": [label for _, label in bare]}),
    }
    frames = [pd.DataFrame({"text": list(texts), "source": name, **labels}) for name, (texts, labels) in parts.items()]
    frame = pd.concat(frames, ignore_index=True)
    frame["text"] = frame["text"].astype(str).str.strip()
    frame = frame[frame["text"].str.split().str.len() >= 3].drop_duplicates("text")
    forbidden = held_out_texts()
    same, runs = set(map(letters, forbidden)), set().union(*map(_runs, forbidden))
    seen = [letters(text) in same or not runs.isdisjoint(_runs(text)) for text in frame["text"]]
    frame = label_by_teacher(label_by_rule(frame[~np.array(seen)].copy()))
    frame["toxicity"] = frame["toxicity"].replace("unsure", None)
    return pd.concat([frame, urgency_templates("train")], ignore_index=True)[["text", "source", *TAUGHT]].astype(object)


def urgency_templates(part: str) -> pd.DataFrame:
    """Messages put together from a matter and a frame that makes it urgent or not; ``part`` is "train" or "test"."""
    templates = tomllib.loads((TOOLS / "urgency_templates.toml").read_text(encoding="utf-8"))[part]
    rows = [
        (frame.format(matter=matter, Matter=matter[0].upper() + matter[1:]), label)
        for label in ("urgent", "not urgent")
        for frame in templates[label]
        for matter in templates["matters"]
    ]
    return pd.DataFrame(rows, columns=["text", "urgency"]).assign(source="templates")
