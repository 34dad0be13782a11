"""Trains the head of course-instruct and its adapters on frozen MiniLM; a quarter of an hour a seed on two cores.

Needs the teacher: ``pip install --no-deps alt-profanity-check==1.9.1`` (its model is a pickle, and it wants the
scikit-learn of its own version number; neither is needed to use course-instruct). Run it from the root of the course:

    python tools/course_instruct/train.py --out my_work/course-instruct --seeds 0 1 2

Each seed's head goes to ``seed-N`` in that folder; the first is copied to
course_utils/embedding/models/course-instruct. A run that was stopped goes on where it was. Then
tools/course_instruct/evaluate.py measures all seeds and writes the model card.
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
from texts import ADAPTED, TAUGHT, TOOLS, text_hash, training_texts
from torch.nn.functional import cross_entropy, normalize, one_hot

from course_utils.embedding import DEFAULT_MODEL, find_model
from course_utils.embedding.instruct import HEAD, Adapter, InstructionHead, load_instruct_model
from course_utils.embedding.weights import packaged_weights

#: All settings, chosen on parts of the training sources. Those of the head: trained without the movie sentences,
#: Tatoeba and the studies, tested on those; then the same without tweets, IMDb, news and doctors' talk. Those of the
#: adapters: trained without movie sentences, tweets or IMDb (sentiment), without the prompts, the newsgroups or tweets
#: (toxicity), each time without a third of the posts' topics too. Layers (last 2, 3, 4, all), ranks 4 to 32, 60 to
#: 1,400 steps, rates, temperatures, pulls, dropout, a layer behind the adapter and `stay`, a pull to the plain vector,
#: were tried. Those of the topic had one trial, without four of the newsgroups. The card has the choice of strength.
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
    "pull": 0.7,
    "wording_noise": 0.02,
    "max_length": 128,
    "source_weights": {"posts": 3},
    "strength": 0.5,
    "adapter": {
        "rank": 16,
        "steps": 100,
        "batch": 96,
        "rate": 1e-3,
        "weight_decay": 0.01,
        "pull": {"sentiment": 0.3, "toxicity": 0.3, "topic": 0.0},
        "stay": {"sentiment": 0.0, "toxicity": 0.0, "topic": 0.3},
        "max_length": {"sentiment": 48, "toxicity": 48, "topic": 64},
        "labels": 12,
    },
}
#: Instructions under which the vectors are to stay.
STAYS = ("irrelevant", "unknown")


def wordings(factor: str, part: str = "train") -> list[str]:
    """The instructions for one factor: ``part`` is "train", "validation", "held_out" or "lesson"."""
    written = tomllib.loads((TOOLS / "wordings.toml").read_text(encoding="utf-8"))
    words, prefix = written[factor], "" if part == "train" else f"{part}_"
    plain = words.get(part, [])
    frames = written["frames"].get(part, {"thing": [], "choice": []})
    filled = [frame.format(thing=thing) for frame in frames["thing"] for thing in words.get(f"{prefix}things", [])]
    choices = words.get(f"{prefix}choices", [])
    filled += [frame.format(choice=choice) for frame in frames["choice"] for choice in choices]
    if part == "train":
        filled += [f"{verb} {thing}" for verb in words.get("verbs", []) for thing in words.get("objects", [])]
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


def read_adapted(texts: list[str], model, adapter: Adapter) -> torch.Tensor:
    """The unit vectors of texts, (n, dim), where the adapter changes how MiniLM reads them."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = torch.empty(len(texts), model[2].dim)
    with torch.inference_mode():
        change = adapter.change()
        for start in range(0, len(texts), 64):
            part = order[start : start + 64]
            vectors[part] = model[0].read_with(model.preprocess([texts[i] for i in part]), change)
    return vectors


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


def new_head(settings: dict) -> InstructionHead:
    """An untrained head."""
    names = ("layers", "rank", "hidden", "strength")
    about = {name: settings[name] for name in names} | {"adapter_rank": settings["adapter"]["rank"]}
    return InstructionHead(ADAPTED, [factor for factor in TAUGHT if factor not in ADAPTED], **about)


def pool_of(frame: pd.DataFrame, factor: str) -> dict[str, dict[str, np.ndarray]]:
    """The rows with each label of a factor, by source."""
    labels: dict[str, dict[str, np.ndarray]] = {}
    for (label, source), rows in frame[frame[factor].notna()].groupby([factor, "source"]).groups.items():
        labels.setdefault(label, {})[source] = rows.to_numpy()
    return labels


def train_head(frame: pd.DataFrame, means, own, instructions: dict, settings: dict, seed: int) -> InstructionHead:
    """Train all but the adapters. ``instructions`` maps TAUGHT and STAYS to the unit vectors of their wordings."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    head = new_head(settings).train()
    head.mean.copy_(means.mean(dim=0))
    head.scale.copy_(means.std(dim=0) + 1e-3)
    pools = {factor: pool_of(frame, factor) for factor in head.factors}
    train_gates(head, instructions, settings, random)
    blocks = [head.read.weight, head.read.bias, head.write]
    optimizer = torch.optim.AdamW(blocks, settings["rate"], weight_decay=settings["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings["rate"], total_steps=settings["steps"], pct_start=0.1
    )
    for _ in range(settings["steps"]):
        loss = torch.zeros(())
        for number, pool in enumerate(pools.values()):
            rows, labels = draw(pool, settings["batch"], settings["source_weights"], random)
            moved = head.targets(means[rows], own[rows], settings["dropout"])[:, number]
            loss = loss + centre_loss(moved, labels, len(pool), settings["temperature"], settings["pull"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head.eval()


def train_gates(head: InstructionHead, instructions: dict, settings: dict, random: np.random.Generator) -> None:
    """Teach the gates which factor a wording asks for, if any: a classifier over the instructions' vectors."""
    asked = list(instructions.values())
    wanted = torch.arange(len(asked)).clamp(max=len(TAUGHT)).repeat_interleave(48)  # one answer to all of STAYS
    weights = [*head.instruction.parameters(), *head.gate.parameters()]
    optimizer = torch.optim.AdamW(weights, settings["rate"], weight_decay=settings["weight_decay"])
    for _ in range(settings["gate_steps"]):
        words = torch.cat([vectors[random.integers(len(vectors), size=48)] for vectors in asked])
        words = normalize(words + settings["wording_noise"] * torch.randn_like(words), dim=-1)
        loss = cross_entropy(head.logits(words), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train_adapter(frame: pd.DataFrame, factor: str, model, settings: dict, seed: int, kept: Path) -> Adapter:
    """Train the adapter of one factor; ``kept`` holds how far it is, so that a run that was stopped goes on."""
    own, pool, encoder = settings["adapter"], pool_of(frame, factor), model[0]
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    adapter = Adapter(rank=own["rank"])
    optimizer = torch.optim.AdamW(adapter.parameters(), own["rate"], weight_decay=own["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, own["rate"], total_steps=own["steps"], pct_start=0.1)
    parts, first = (adapter, optimizer, schedule), 0
    decides = [own, settings["source_weights"], settings["temperature"], factor, seed, frame["text"].tolist()]
    about = hashlib.sha256(json.dumps(decides).encode()).hexdigest()
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        if state["about"] == about:
            first, random.bit_generator.state = state["step"], json.loads(state["random"])
            for part, values in zip(parts, state["parts"], strict=True):
                part.load_state_dict(values)
    length, model.max_seq_length = model.max_seq_length, own["max_length"][factor]
    for step in range(first, own["steps"]):
        asked = pool
        if len(pool) > own["labels"]:
            asked = {label: pool[label] for label in random.choice(sorted(pool), own["labels"], replace=False)}
        rows, labels = draw(asked, own["batch"], settings["source_weights"], random)
        inputs = model.preprocess(frame["text"].iloc[rows].tolist())
        moved = encoder.read_with(inputs, adapter.change())
        loss = centre_loss(moved, labels, len(asked), settings["temperature"], own["pull"][factor])
        if own["stay"][factor]:
            with torch.no_grad():
                plain = encoder.read_with(inputs, {})
            loss = loss + own["stay"][factor] * (1 - (moved * plain).sum(dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adapter.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 25 == 0 or step + 1 == own["steps"]:
            state = {"about": about, "step": step + 1, "random": json.dumps(random.bit_generator.state)}
            # a kill while it is written must not cost what was there
            torch.save(state | {"parts": [part.state_dict() for part in parts]}, kept.with_suffix(".new"))
            kept.with_suffix(".new").replace(kept)
            print(f"  {factor}, seed {seed}: {step + 1} of {own['steps']} steps, loss {loss.item():.2f}", flush=True)
    model.max_seq_length = length
    return adapter


def draw(pool: dict, n: int, weights: dict, random: np.random.Generator) -> tuple[list[int], torch.Tensor]:
    """Rows for a batch, as many of each label (half as many neutral ones), and their labels as numbers."""
    rows, labels = [], []
    parts = {label: 0.5 if label == "neutral" else 1.0 for label in pool}
    for number, (label, of_source) in enumerate(pool.items()):
        # so that no source drowns the others
        share = np.array([weights.get(name, 1) * np.sqrt(len(members)) for name, members in of_source.items()])
        size = round(n * parts[label] / sum(parts.values()))
        for source, k in zip(of_source, random.multinomial(size, share / share.sum()), strict=True):
            rows += random.choice(of_source[source], k).tolist()
            labels += [number] * k
    return rows, torch.tensor(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the heads of all seeds")
    parser.add_argument("--without-posts", action="store_true", help="leave posts.csv out: the control of what it adds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="the first one's head is the one that ships")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    frame = training_texts()
    if arguments.without_posts:
        frame = frame[frame["source"] != "posts"].reset_index(drop=True)
    model = load_instruct_model(packaged_weights(find_model(DEFAULT_MODEL)), head=new_head(SETTINGS))
    model.requires_grad_(False)
    model.max_seq_length = SETTINGS["max_length"]
    # the settings were chosen by then, so the wordings that they were chosen by are trained on too
    instructions = {
        name: read_layers([*wordings(name), *wordings(name, "validation")], model)[1] for name in (*TAUGHT, *STAYS)
    }
    hashes = np.array([text_hash(text) for text in frame["text"]], np.uint64)
    means, own = read_once(frame["text"].tolist(), hashes, model, arguments.out / "layers.safetensors")
    means, own = means.clone(), own.clone()  # no longer inference tensors
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
        folder = arguments.out / f"seed-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        head = train_head(frame, means, own, instructions, SETTINGS, seed)
        for factor in ADAPTED:
            kept = arguments.out / f"{factor}-{seed}.pt"
            head.adapters[factor] = train_adapter(frame, factor, model, SETTINGS, seed, kept)
        head.save(str(folder))
        (folder / "training.json").write_text(json.dumps(facts | {"seed": seed}, indent=1) + "\n", encoding="utf-8")
        # what it was trained on, so that a test can tell without the texts
        np.save(folder / "training_hashes.npy", np.unique(hashes))
        print(f"seed {seed} after {time.perf_counter() - begin:.0f} s")
    if not arguments.without_posts:
        shutil.copytree(arguments.out / f"seed-{arguments.seeds[0]}", HEAD, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
