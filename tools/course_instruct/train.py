"""Trains the head of course-instruct on frozen MiniLM; minutes on two cores.

Needs the teacher: ``pip install --no-deps alt-profanity-check==1.9.1`` (its model is a pickle, and it wants the
scikit-learn of its own version number; neither is needed to use course-instruct). Run it from the root of the course:

    python tools/course_instruct/train.py --out my_work/course-instruct --seeds 0 1 2

Each seed's head goes to ``seed-N`` in that folder; the first is copied to
course_utils/embedding/models/course-instruct. Then tools/course_instruct/evaluate.py measures all of them and writes
the model card.
"""

import argparse
import hashlib
import json
import shutil
import time
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from texts import TAUGHT, TOOLS, text_hash, training_texts
from torch.nn.functional import cross_entropy, normalize, one_hot

from course_utils.embedding import DEFAULT_MODEL, find_model
from course_utils.embedding.instruct import HEAD, GatedHead, load_instruct_model
from course_utils.embedding.weights import packaged_weights

#: All settings. Chosen on parts of the training sources: trained without the movie sentences, Tatoeba and the studies,
#: tested on those; then the same without tweets, IMDb, news and doctors' talk.
SETTINGS = {
    "layers": [3, 4, 5, 6],
    "rank": 32,
    "hidden": 64,
    "steps": 400,
    "gate_steps": 2000,
    "batch": 192,
    "temperature": 0.2,
    "rate": 1.5e-3,
    "weight_decay": 0.1,
    "dropout": 0.5,
    "pull": {"sentiment": 0.3},
    "pull_of_others": 0.7,
    "wording_noise": 0.02,
    "max_length": 128,
}
#: Instructions under which the vectors are to stay: for the topic, which MiniLM's own vectors show, and for all else.
STAYS = ("topic", "irrelevant", "unknown")


def wordings(factor: str, part: str = "train") -> list[str]:
    """The instructions for one factor: ``part`` is "train", "validation", "held_out" or "lesson"."""
    written = tomllib.loads((TOOLS / "wordings.toml").read_text(encoding="utf-8"))
    words, prefix = written[factor], "" if part == "train" else f"{part}_"
    plain = words.get(part, [])
    frames = written["frames"].get(part, {"thing": [], "choice": []})
    filled = [frame.format(thing=thing) for frame in frames["thing"] for thing in words.get(f"{prefix}things", [])]
    choices = words.get(f"{prefix}choices", [])
    filled += [frame.format(choice=choice) for frame in frames["choice"] for choice in choices]
    return list(dict.fromkeys(plain + filled))


def read_layers(texts: list[str], model) -> tuple[torch.Tensor, torch.Tensor]:
    """Give all that training needs of MiniLM: what the head reads, (n, width), and the own unit vectors, (n, dim)."""
    head = model[2]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of like length share a batch
    means, own = torch.empty(len(texts), head.read.in_features), torch.empty(len(texts), head.dim)
    with torch.inference_mode():
        for start in range(0, len(texts), 64):
            part = order[start : start + 64]
            features = model[1](model[0](model.preprocess([texts[i] for i in part])))
            means[part], own[part] = head.layer_means(features), normalize(features["sentence_embedding"], dim=-1)
    return means, own


def read_once(texts: list[str], hashes: np.ndarray, model, path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """As :func:`read_layers`, but kept in a file: it takes most of the time, and no seed and few settings change it."""
    about = {"texts": hashlib.sha256(hashes.tobytes()).hexdigest(), "layers": str(SETTINGS["layers"])}
    if path.exists():
        with safe_open(path, "pt") as kept:
            if kept.metadata() == about:
                return kept.get_tensor("means").float(), kept.get_tensor("own")
    means, own = read_layers(texts, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"means": means.half(), "own": own}, path, about)
    return means.half().float(), own


def centre_loss(moved: torch.Tensor, labels: torch.Tensor, n_labels: int, temperature: float, pull: float):
    """Cross-entropy of the cosines with each label's mean vector, where no text counts for its own mean.

    ``pull`` weighs a further term, 1 − the cosine with the own label's mean, which draws labels into tight groups.
    """
    member = one_hot(labels, n_labels).float()
    sums = member.T @ moved
    cosines = moved @ normalize(sums, dim=-1).T
    others = (moved * normalize(sums[labels] - moved, dim=-1)).sum(dim=1, keepdim=True)
    return cross_entropy((cosines * (1 - member) + others * member) / temperature, labels) + pull * (1 - others).mean()


def train_head(frame: pd.DataFrame, means, own, instructions: dict, settings: dict, seed: int) -> GatedHead:
    """Train one head. ``instructions`` maps TAUGHT and STAYS to the unit vectors of their wordings."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    head = GatedHead(TAUGHT, settings["layers"], rank=settings["rank"], hidden=settings["hidden"]).train()
    head.mean.copy_(means.mean(dim=0))
    head.scale.copy_(means.std(dim=0) + 1e-3)
    # factor -> label -> source -> rows
    pools = {factor: {} for factor in TAUGHT}
    for factor, labels in pools.items():
        for (label, source), rows in frame[frame[factor].notna()].groupby([factor, "source"]).groups.items():
            labels.setdefault(label, {})[source] = rows.to_numpy()
    train_gates(head, instructions, settings, random)
    blocks = [head.read.weight, head.read.bias, head.write]
    optimizer = torch.optim.AdamW(blocks, settings["rate"], weight_decay=settings["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings["rate"], total_steps=settings["steps"], pct_start=0.1
    )
    for _ in range(settings["steps"]):
        loss = torch.zeros(())
        for number, (factor, pool) in enumerate(pools.items()):
            rows, labels = draw(pool, settings["batch"], random)
            moved = head.targets(means[rows], own[rows], settings["dropout"])[:, number]
            pull = settings["pull"].get(factor, settings["pull_of_others"])
            loss = loss + centre_loss(moved, labels, len(pool), settings["temperature"], pull)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head.eval()


def train_gates(head: GatedHead, instructions: dict, settings: dict, random: np.random.Generator) -> None:
    """Teach the gates which factor a wording asks for, if any: a classifier over the instructions' vectors."""
    asked = [*(instructions[factor] for factor in TAUGHT), torch.cat([instructions[name] for name in STAYS])]
    wanted = torch.arange(len(asked)).repeat_interleave(48)
    weights = [*head.instruction.parameters(), *head.gate.parameters()]
    optimizer = torch.optim.AdamW(weights, settings["rate"], weight_decay=settings["weight_decay"])
    for _ in range(settings["gate_steps"]):
        words = torch.cat([vectors[random.integers(len(vectors), size=48)] for vectors in asked])
        words = normalize(words + settings["wording_noise"] * torch.randn_like(words), dim=-1)
        loss = cross_entropy(head.logits(words), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def draw(pool: dict, n: int, random: np.random.Generator) -> tuple[list[int], torch.Tensor]:
    """Rows for a batch, as many of each label (half as many neutral ones), and their labels as numbers."""
    rows, labels = [], []
    for number, (label, of_source) in enumerate(pool.items()):
        share = np.sqrt([len(members) for members in of_source.values()])  # so that no source drowns the others
        size = n // len(pool) // (2 if label == "neutral" else 1)
        for source, k in zip(of_source, random.multinomial(size, share / share.sum()), strict=True):
            rows += random.choice(of_source[source], k).tolist()
            labels += [number] * k
    return rows, torch.tensor(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the heads of all seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="the first one's head is the one that ships")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    frame = training_texts()
    reader = GatedHead(TAUGHT, SETTINGS["layers"], rank=SETTINGS["rank"], hidden=SETTINGS["hidden"])
    model = load_instruct_model(packaged_weights(find_model(DEFAULT_MODEL)), head=reader)
    model.max_seq_length = SETTINGS["max_length"]
    # the settings were chosen by then, so the wordings that they were chosen by are trained on too
    instructions = {
        name: read_layers([*wordings(name), *wordings(name, "validation")], model)[1] for name in (*TAUGHT, *STAYS)
    }
    hashes = np.array([text_hash(text) for text in frame["text"]], np.uint64)
    means, own = read_once(frame["text"].tolist(), hashes, model, arguments.out / "layers.safetensors")
    print(f"{len(frame):,} texts read after {time.perf_counter() - begin:.0f} s")
    counts = {factor: frame[factor].value_counts().to_dict() for factor in TAUGHT}
    facts = {
        "settings": SETTINGS,
        "texts": len(frame),
        "sources": frame["source"].value_counts().to_dict(),
        "labels": counts,
        "wordings": {factor: len(vectors) for factor, vectors in instructions.items()},
    }
    for seed in arguments.seeds:
        head = train_head(frame, means, own, instructions, SETTINGS, seed)
        folder = arguments.out / f"seed-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        head.save(str(folder))
        (folder / "training.json").write_text(json.dumps(facts | {"seed": seed}, indent=1) + "\n", encoding="utf-8")
        # what it was trained on, so that a test can tell without the texts
        np.save(folder / "training_hashes.npy", np.unique(hashes))
        print(f"seed {seed} after {time.perf_counter() - begin:.0f} s")
    shutil.copytree(arguments.out / f"seed-{arguments.seeds[0]}", HEAD, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
