"""Trains the head of course-instruct on frozen MiniLM; minutes on two cores.

Needs the teacher: ``pip install --no-deps alt-profanity-check==1.9.1`` (its model is a pickle, and it wants the scikit-learn
of its own version number; neither is needed to use course-instruct). Run it from the root of the course:

    python tools/train_instruct_model.py --out my_work/course-instruct --seeds 0 1 2

Each seed's head goes to ``seed-N`` in that folder; the first is copied to course_utils/models/course-instruct. Then
tools/evaluate_instruct_model.py measures all of them and writes the model card.
"""

import argparse
import json
import shutil
import time
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, gelu, normalize, one_hot

from course_utils.catalog import DEFAULT_MODEL, find_model
from course_utils.embedder import _from_package
from course_utils.instruct_model import HEAD, GatedHead, load_instruct_model
from instruct_texts import TAUGHT, TOOLS, text_hash, training_texts

#: All settings. Chosen on parts of the training sources: trained without the movie sentences, Tatoeba and the studies, tested on
#: those; then the same without tweets, IMDb, news and doctors' talk.
SETTINGS = {
    "layers": [3, 4, 5, 6], "rank": 96, "hidden": 64, "steps": 2100, "batch": 192, "temperature": 0.2, "rate": 1.5e-3,
    "weight_decay": 0.1, "dropout": 0.5, "wording_noise": 0.02, "max_length": 128,
}  # fmt: skip
#: Instructions under which the vectors are to stay: the topic, which is what MiniLM's own vectors show, and whatever is not taught.
STAYS = ("topic", "irrelevant", "unknown")


def wordings(factor: str, part: str = "train") -> list[str]:
    """The instructions for one factor: ``part`` is "train", "validation", "held_out" or "lesson"."""
    written = tomllib.loads((TOOLS / "instruct_wordings.toml").read_text(encoding="utf-8"))
    words, prefix = written[factor], "" if part == "train" else f"{part}_"
    plain = words.get(part, [])
    frames = written["frames"].get(part, {"thing": [], "choice": []})
    filled = [frame.format(thing=thing) for frame in frames["thing"] for thing in words.get(f"{prefix}things", [])]
    filled += [frame.format(choice=choice) for frame in frames["choice"] for choice in words.get(f"{prefix}choices", [])]
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


def centre_loss(moved: torch.Tensor, labels: torch.Tensor, n_labels: int, temperature: float) -> torch.Tensor:
    """Cross-entropy of the cosines with each label's mean vector, where no text counts for its own mean."""
    member = one_hot(labels, n_labels).float()
    sums = member.T @ moved
    cosines = moved @ normalize(sums, dim=-1).T
    others = (moved * normalize(sums[labels] - moved, dim=-1)).sum(dim=1, keepdim=True)
    return cross_entropy((cosines * (1 - member) + others * member) / temperature, labels)


def train_head(frame: pd.DataFrame, means, own, instructions: dict[str, torch.Tensor], settings: dict, seed: int) -> GatedHead:
    """Train one head. ``instructions`` maps TAUGHT and STAYS to the unit vectors of their wordings."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    head = GatedHead(settings["layers"], rank=settings["rank"], hidden=settings["hidden"]).train()
    head.mean.copy_(means.mean(dim=0))
    head.scale.copy_(means.std(dim=0) + 1e-3)
    # factor -> label -> source -> rows
    pools = {f: {} for f in TAUGHT if frame[f].notna().any()}
    for factor, labels in pools.items():
        for (label, source), rows in frame[frame[factor].notna()].groupby([factor, "source"]).groups.items():
            labels.setdefault(label, {})[source] = rows.to_numpy()
    optimizer = torch.optim.AdamW(head.parameters(), settings["rate"], weight_decay=settings["weight_decay"])
    steps = settings["steps"]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings["rate"], total_steps=steps, pct_start=0.1)
    followed = torch.cat([instructions[factor] for factor in TAUGHT])

    def some(vectors: torch.Tensor, n: int) -> torch.Tensor:
        chosen = vectors[random.integers(len(vectors), size=n)]
        return normalize(chosen + settings["wording_noise"] * torch.randn_like(chosen), dim=-1)

    for step in range(steps):
        factor = list(pools)[step % len(pools)]
        rows, labels = [], []
        for number, (label, of_source) in enumerate(pools[factor].items()):
            n = settings["batch"] // len(pools[factor]) // (2 if label == "neutral" else 1)
            share = np.sqrt([len(rows_) for rows_ in of_source.values()])  # so that no source drowns the others
            for source, k in zip(of_source, random.multinomial(n, share / share.sum()), strict=True):
                rows += random.choice(of_source[source], k).tolist()
                labels += [number] * k
        moved, _ = head.steer(means[rows], own[rows], some(instructions[factor], len(rows)), settings["dropout"])
        loss = centre_loss(moved, torch.tensor(labels), len(pools[factor]), settings["temperature"])
        # the strength: 1 for what is taught, else 0
        asked = torch.cat([some(followed, 160), *(some(instructions[name], 64) for name in STAYS)])
        wanted = torch.cat([torch.ones(160, 1), torch.zeros(64 * len(STAYS), 1)])
        loss = loss + binary_cross_entropy_with_logits(head.strength(gelu(head.instruction(asked))), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the heads of all seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="the first one's head is the one that ships")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    frame = training_texts()
    reader = GatedHead(SETTINGS["layers"], rank=SETTINGS["rank"], hidden=SETTINGS["hidden"])
    model = load_instruct_model(_from_package(find_model(DEFAULT_MODEL)), head=reader)
    model.max_seq_length = SETTINGS["max_length"]
    instructions = {name: read_layers(wordings(name), model)[1] for name in (*TAUGHT, *STAYS)}
    means, own = read_layers(frame["text"].tolist(), model)
    print(f"{len(frame):,} texts read after {time.perf_counter() - begin:.0f} s")
    counts = {factor: frame[factor].value_counts().to_dict() for factor in TAUGHT}
    facts = {
        "settings": SETTINGS, "texts": len(frame), "sources": frame["source"].value_counts().to_dict(), "labels": counts,
        "wordings": {factor: len(vectors) for factor, vectors in instructions.items()},
    }  # fmt: skip
    for seed in arguments.seeds:
        head = train_head(frame, means, own, instructions, SETTINGS, seed)
        folder = arguments.out / f"seed-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        head.save(str(folder))
        (folder / "training.json").write_text(json.dumps(facts | {"seed": seed}, indent=1) + "\n", encoding="utf-8")
        # what it was trained on, so that a test can tell without the texts
        np.save(folder / "training_hashes.npy", np.unique(np.array([text_hash(text) for text in frame["text"]], np.uint64)))
        print(f"seed {seed} after {time.perf_counter() - begin:.0f} s")
    shutil.copytree(arguments.out / f"seed-{arguments.seeds[0]}", HEAD, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
