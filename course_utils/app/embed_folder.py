"""What stands behind `course embed --out FOLDER`: a corpus of any size becomes shards of vectors.

The corpus is read once and cut into parts of some thousand texts, which are kept below ``texts`` while the run lasts;
``plan.json`` says what each part must hold. Each part becomes one shard (:mod:`course_utils.embedding.shards`), by the
same code on this machine or on the workers of Ray. A shard is written whole or not at all, and known by a hash of its
rows, so a run that was killed goes on where it stood: what is there and right is left alone, the rest is made.
"""

import json
import logging
import os
import random
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import reduce
from importlib.util import find_spec
from itertools import chain, count
from operator import add
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from course_utils.app.embed import TEXT_COLUMNS, Encoding, cost_here, duration, fields_of, locked, maker_of
from course_utils.app.shards import (
    arrow,
    read_about,
    read_columns,
    read_digest,
    rows_digest,
    vectors_are_whole,
    write_shard,
    write_table,
)
from course_utils.data import is_corpus_name, is_file_name, load_corpus, read_batches
from course_utils.embedding import (
    FOLDER_FORMAT,
    MANIFEST,
    Embedder,
    EmbeddingOptions,
    ModelCard,
    ModelUnavailableError,
    Unread,
    text_digest,
)
from course_utils.measuring import mean_interval
from course_utils.paths import file_sha256, shown
from course_utils.progress import progress_bar

PLAN, TEXTS = "plan.json", "texts"
SHARD_S, FEWEST, MOST = 60, 256, 8192  # a shard takes about a minute, so little is lost with it; rows at least, at most
SAMPLE, TRIAL_S = 1024, 5  # texts by which --dry-run tells what all of them take, and the seconds it tries
NO_FOLDERS = (".npy", ".npz", ".pt", ".pth", ".bin", ".h5", ".pkl", ".csv", ".tsv", ".json", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Corpus:
    """What is embedded.

    Attributes
    ----------
    names : tuple of str
        Corpora of the course, files, folders of files, patterns such as ``data/*.parquet``.
    text_columns : list of str
        The column with the texts, if any is named; else the one that is clearly meant.
    id_column : str or None
        The column with a name for each; None: they are called by file and row.
    limit : int or None
        Only the first so many texts.
    options : dict
        For the reader.
    """

    names: tuple[str, ...]
    text_columns: list[str]
    id_column: str | None
    limit: int | None
    options: dict[str, Any]

    def __post_init__(self) -> None:
        if len(self.text_columns) > 1:
            raise ValueError("A folder in --out takes one --text-column.")

    @property
    def text_column(self) -> str | None:
        """The column with the texts, if it is named."""
        return self.text_columns[0] if self.text_columns else None

    def files(self) -> dict[str, str]:
        """Each corpus or file, in its order, and what its texts are called by: a name that no other has."""
        found: list[str] = []
        for name in self.names:
            path = Path(name).expanduser()
            if any(mark in name for mark in "*?[") and not path.exists():
                some = sorted(str(file) for file in Path(path.anchor).glob(str(path.relative_to(path.anchor))))
                if not some:
                    raise ValueError(f"--corpus {shown(name)}: no file has such a name.")
            elif path.is_dir() and not is_file_name(path) and not is_corpus_name(name):
                some = sorted(str(file) for file in path.iterdir() if is_file_name(file) and file.name[0] != ".")
                if not some:
                    raise ValueError(f"--corpus {shown(name)}: the folder holds no table.")
            else:
                some = [name]
            found += some
        paths = {name: Path(name).expanduser().resolve() if is_file_name(name) else Path(name) for name in found}
        if len(set(paths.values())) < len(found):
            places = [paths[name] for name in found]
            twice = next(path for path in places if places.count(path) > 1)
            raise ValueError(f"--corpus {shown(twice)} is given twice.")
        for n in count(1):
            labels = {name: "/".join(path.parts[-n:]) for name, path in paths.items()}
            if len(set(labels.values())) == len(labels):
                return labels
        raise AssertionError

    def hashes(self) -> dict[str, str]:
        """What each is called, and by what it is known to be the same: of a file its sha256."""
        files = {label: Path(name).expanduser() for name, label in self.files().items()}
        found = {label: file_sha256(path) if path.is_file() else "" for label, path in files.items()}
        first = {digest: label for label, digest in reversed(found.items()) if digest}
        for label, digest in found.items():
            if digest and first[digest] != label:
                raise ValueError(f"--corpus {label} is a copy of {first[digest]}: each of its texts would come twice.")
        return found

    def batches(self) -> Iterator[pd.DataFrame]:
        """The texts with their ids, some thousand at a time."""
        left = self.limit
        for name, label in self.files().items():
            for batch in self._read(name, label):
                yield batch[:left]
                left = None if left is None else left - len(batch)
                if left is not None and left <= 0:
                    return

    def _read(self, name: str, label: str) -> Iterator[pd.DataFrame]:
        if is_file_name(name):
            columns = {"text_column": self.text_column, "id_column": self.id_column}
            for batch in read_batches(name, **columns, **self.options):
                if not self.id_column:
                    batch["id"] = label + batch["id"].str.slice(len(Path(name).name))
                yield batch
            return
        frame = load_corpus(name, **self.options)
        for option, column in (("--text-column", self.text_column), ("--id-column", self.id_column)):
            if column is not None and column not in frame:
                raise ValueError(f"{option} {column}: {name} has the columns {', '.join(frame.columns)}.")
        found = [column for column in TEXT_COLUMNS if column in frame]
        if self.text_column is None and len(found) != 1:
            raise ValueError(f"{name} has texts in {', '.join(found)}: choose one with --text-column.")
        ids = frame[self.id_column].astype(str) if self.id_column else [f"{label}:{i + 1}" for i in range(len(frame))]
        yield pd.DataFrame({"id": ids, "text": frame[self.text_column or found[0]].astype(str)}, dtype=object)


@dataclass(frozen=True)
class Job:
    """What a worker has to know to make a shard.

    Attributes
    ----------
    encoding : Encoding
        The model and how it runs.
    folder : Path
        Where the parts are, and the shards go; absolute, as a worker may stand elsewhere.
    keep_text : bool
        Whether shards hold the texts.
    shard_rows : int or None
        Texts a shard, all that are in memory at a time; None: as many as take about a minute here.
    prompt : str
        The exact characters before each text.
    """

    encoding: Encoding
    folder: Path
    keep_text: bool
    shard_rows: int | None = None
    prompt: str = ""

    def prompted(self, card: ModelCard, instructions: Sequence[str], query: bool) -> Self:
        """The job with the prompt that is asked for; unasked the model's own for texts that are searched."""
        if len(instructions) + query > 1:
            raise ValueError("A folder in --out holds vectors of one --instruction, or of --query.")
        if instructions and instructions[0] and not card.instruction_prompt:
            print(f"  {card.name} was not trained to follow instructions: the words are put in front of each text.")
        own = card.query_prompt if query else card.document_prompt
        return replace(self, prompt=card.prompt_for(instructions[0]) if instructions else own)

    def load(self) -> Embedder:
        """The model, without a cache: the shards are one."""
        from course_utils.embedding import RemoteEmbedder, load_embedder

        if self.encoding.endpoint is not None:
            return RemoteEmbedder(self.encoding.endpoint, self.encoding.model, cache=False)
        return load_embedder(self.encoding.model, dtype=self.encoding.dtype, cache=False)

    def options(self) -> EmbeddingOptions:
        """How texts are encoded."""
        return EmbeddingOptions(prompt=self.prompt, max_length=self.encoding.max_length, normalize_embeddings=False)

    def about(self, embedder: Embedder) -> dict[str, Any]:
        """What makes vectors comparable: those of one folder were all made like this."""
        length = self.encoding.max_length or embedder.max_length
        length = None if length == float("inf") else length
        made = {"card": fields_of(embedder.card), "fingerprint": maker_of(embedder), "prompt": self.prompt}
        return made | {"max_length": length, "with_text": self.keep_text}

    def shard(self, part: int) -> Path:
        """The file of a part's vectors."""
        return self.folder / f"vectors-{part:06d}.parquet"

    def part(self, part: int) -> Path:
        """The file of a part's texts."""
        return self.folder / TEXTS / f"{part:06d}.parquet"


class ShardWriter:
    """Makes shards of parts. A worker keeps one, and with it the model; Ray calls it with batches of numbers."""

    def __init__(self, job: Job, embedder: Embedder | None = None):
        self.job, self.embedder = job, embedder or job.load()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Make the shards of these parts; what kept one from it comes back in words, as Ray hands on no error whole."""
        said = [""] * len(batch["part"])
        for place, part in enumerate(batch["part"]):
            try:
                self.write(int(part))
            except (OSError, ValueError) as error:
                said[place] = str(error)
        return batch | {"said": said}

    def write(self, part: int) -> None:
        """Make one shard. ``encode`` puts texts of like length into a batch."""
        job, about = self.job, self.job.about(self.embedder)
        ids, texts = read_columns(job.part(part), "id", "text")
        unread = self.embedder.unread(texts, job.options())
        vectors = self.embedder.encode(
            texts, options=job.options(), batch_size=job.encoding.batch_size, show_progress_bar=False
        )
        wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(wrong):
            raise ValueError(f"The model gave no numbers for the text {ids[wrong[0]]}. Try --dtype float32.")
        about |= {"unread": asdict(unread), "dim": vectors.shape[1]}
        write_shard(job.shard(part), ids, texts, vectors, about, keep_text=job.keep_text)


@dataclass(frozen=True)
class Engine:
    """Who makes the shards.

    Attributes
    ----------
    name : {"local", "ray"}
        This process, or the workers of Ray, each of which keeps a model.
    workers : int or None
        For Ray; None: one a graphics card, or where there is none, one a core.
    address : str or None
        The cluster of Ray; None: one on this machine, for this run.
    """

    name: str = "local"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.name not in ("local", "ray"):
            raise ValueError(f"--engine {self.name}: it is local or ray.")
        if self.name == "local" and (self.workers or self.address):
            raise ValueError("--workers and --address go with --engine ray.")
        if self.name == "ray" and not _has_ray():
            command = 'python -m pip install -c constraints.txt -e ".[scale]"'
            raise ValueError(f"--engine ray needs the package ray: {command}. --engine local needs none.")

    def run(self, job: Job, embedder: Embedder, parts: Sequence[int]) -> Iterator[int]:
        """Make the shards of these parts; yield each part when its shard is there."""
        if self.name == "local" or not parts:
            writer = ShardWriter(job, embedder)
            for part in parts:
                writer.write(part)
                yield part
        else:
            yield from self._run_with_ray(job, parts)

    def _run_with_ray(self, job: Job, parts: Sequence[int]) -> Iterator[int]:
        # nothing is told to its makers; errors come as exceptions, and there is a bar already
        for name, value in (
            ("USAGE_STATS_ENABLED", 0),
            ("BACKEND_LOG_LEVEL", "fatal"),
            ("DATA_DISABLE_PROGRESS_BARS", 1),
        ):
            os.environ.setdefault(f"RAY_{name}", str(value))
        import ray
        import ray.data

        here: dict[str, Any] = {} if self.address else {"num_cpus": self.workers, "include_dashboard": False}
        ray.init(self.address or "local", logging_level=logging.ERROR, log_to_driver=False, **here)
        try:
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)
            had = ray.cluster_resources()
            n_gpus, n_cpus = int(had.get("GPU", 0)), int(had.get("CPU", 1))
            workers = min(self.workers or n_gpus or n_cpus, len(parts))
            # shards are written by the workers, each whole: what Ray hands on and may lose or repeat are their numbers
            done = ray.data.from_items(
                [{"part": part} for part in parts], override_num_blocks=min(len(parts), 10_000)
            ).map_batches(
                ShardWriter,
                fn_constructor_args=(job,),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=workers),
                **({"num_gpus": 1} if n_gpus else {"num_cpus": max(n_cpus // workers, 1)}),
            )
            for row in done.iter_rows():
                if row["said"]:
                    raise ValueError(row["said"])
                yield int(row["part"])
        except ray.exceptions.RayError as error:
            errors = re.findall(r"^\w+: .+", str(error), re.MULTILINE)
            raise RuntimeError(f"A worker of Ray stopped: {errors[-1] if errors else error}") from error
        finally:
            ray.shutdown()


def _has_ray() -> bool:
    with suppress(ValueError):  # of a package that is blocked
        return find_spec("ray") is not None
    return False


def make_folder(
    job: Job, corpus: Corpus, engine: Engine, instructions: Sequence[str], query: bool, dry_run: bool
) -> None:
    """Do what the command says, or only tell what it would take; what cannot be is said before a corpus is read."""
    check_folder(job.folder)
    if Path(job.encoding.model).is_dir():  # workers may stand elsewhere
        job = replace(job, encoding=replace(job.encoding, model=str(Path(job.encoding.model).absolute())))
    embedder = job.load()
    job = job.prompted(embedder.card, instructions, query)
    embedder.encode("a trial", options=job.options())
    (estimate if dry_run else embed_folder)(job, corpus, engine, embedder)


def embed_folder(job: Job, corpus: Corpus, engine: Engine, embedder: Embedder) -> None:
    """Make or finish a folder of vectors, and say what it holds."""
    sources = corpus.hashes()
    job.folder.mkdir(parents=True, exist_ok=True)
    with locked(job.folder / PLAN, wait=False):
        for left in job.folder.glob(".*.part"):
            left.unlink()  # by a run that was killed
        plan = make_plan(job, corpus, embedder, sources)
        others = {path.name for path in job.folder.glob("vectors-*.parquet")}
        others -= {job.shard(part).name for part in range(len(plan["parts"]))}
        if others:  # who reads all files of the folder would count their rows as well
            raise ValueError(f"--out {job.folder.name}: {min(others)} does not belong to it. Move it away.")
        rows = [part["rows"] for part in plan["parts"]]
        missing = [part for part in range(len(rows)) if not is_right(job, plan, part)]
        is_lacking = any(not job.part(part).exists() for part in missing)
        if is_lacking and stage(job, corpus, corpus.batches(), plan["shard_rows"]) != plan["parts"]:
            raise _no_plan(job)
        n_done = sum(rows) - sum(rows[part] for part in missing)
        print(
            f"  {sum(rows)} texts in {_shards(len(rows))}" + (f"; {n_done} of them were done before" if n_done else "")
        )
        start = time.perf_counter()
        if missing:
            _write_json(job.folder / MANIFEST, _manifest(job, plan, complete=False))
            print("  Ctrl-C keeps the shards that are done, and the same command goes on from there.")
            with progress_bar(total=sum(rows), desc="Embedding", unit=" texts", initial=n_done) as bar:
                for part in engine.run(job, embedder, missing):
                    bar.update(rows[part])
        seconds = time.perf_counter() - start
        wrong = [job.shard(part).name for part in range(len(rows)) if not is_right(job, plan, part)]
        if wrong:
            raise OSError(
                f"{len(wrong)} shards are not as planned, the first {wrong[0]}. Run the same command again, or delete "
                "the folder."
            )
        manifest = _manifest(job, plan, complete=True)
        _write_json(job.folder / MANIFEST, manifest)
        shutil.rmtree(job.folder / TEXTS, ignore_errors=True)
    n_bytes = sum(job.shard(part).stat().st_size for part in range(len(rows)))
    print(f"  {str(Unread(**manifest['unread'])) or 'all texts are read whole'}")
    print(
        f"{job.folder.name} holds {sum(rows)} vectors of {manifest['dim']} dimensions ({n_bytes / 1e6:.1f} MB), with "
        f"prompt {job.prompt!r}; each text once, as planned."
    )
    if missing:
        print(f"{sum(rows) - n_done} texts took {seconds:.1f} s: {(sum(rows) - n_done) / seconds:.0f} a second.")


def estimate(job: Job, corpus: Corpus, engine: Engine, embedder: Embedder) -> None:
    """Say how many texts there are, how many tokens, and what embedding them takes: by a sample of them, here."""
    draw, n_texts, start = random.Random(0), 0, time.perf_counter()
    sample: list[str] = []
    for batch in corpus.batches():
        for text in batch["text"]:
            n_texts += 1  # each text is in the sample with the same chance
            place = n_texts - 1 if n_texts <= SAMPLE else draw.randrange(n_texts)
            if place < SAMPLE:
                sample[place : place + 1] = [text]
    draw.shuffle(sample)  # of what is left out in the trial no kind comes last
    reading = time.perf_counter() - start
    counts = np.array([_n_tokens(embedder, job, text) for text in sample])
    whole = mean_interval(counts)
    error = (whole.high - whole.low) / 2 if n_texts > SAMPLE else 0
    embedder.encode(sample[:8], options=job.options(), show_progress_bar=False)  # the first time takes longer
    n_tried, start = 0, time.perf_counter()
    while n_tried < len(sample) and time.perf_counter() - start < TRIAL_S:
        some = sample[n_tried : n_tried + 4 * job.encoding.batch_size]
        embedder.encode(some, options=job.options(), batch_size=job.encoding.batch_size, show_progress_bar=False)
        n_tried += len(some)
    seconds = (time.perf_counter() - start) * n_texts / n_tried + reading
    workers = "" if engine.name == "local" else " on one worker"
    rows = job.shard_rows or _shard_rows(embedder, sample)
    print(
        f"{n_texts} texts, about {counts.mean() * n_texts:.3g} tokens"
        + (f" (± {100 * error / counts.mean():.0f} %)" if error else "")
        + f", {duration(seconds)}{workers}, by {n_tried} of them; {_shards(-(-n_texts // rows))}, "
        f"{4e-6 * embedder.embedding_dim * n_texts:.1f} MB of vectors. Nothing was written."
    )


def _shards(n: int) -> str:
    return f"{n} shard{'s' * (n != 1)}"


def _n_tokens(embedder: Embedder, job: Job, text: str) -> int:
    """Tokens that the model reads; four letters are one where its tokenizer is not here."""
    try:
        n_tokens = len(embedder.tokenizer(job.prompt + text)["input_ids"])
    except ModelUnavailableError:
        n_tokens = 2 + len(job.prompt + text) // 4
    return int(min(n_tokens, job.encoding.max_length or embedder.max_length))


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds what no run of this command wrote."""
    if folder.suffix.lower() in NO_FOLDERS or (folder.exists() and not folder.is_dir()):
        raise ValueError(f"--out {folder.name}: it takes a folder, or a file whose name ends in .safetensors.")
    if folder.is_dir() and not (folder / PLAN).exists():
        others = sorted(path.name for path in folder.iterdir() if path.name[0] != "." and path.name != TEXTS)
        if others:
            raise ValueError(
                f"--out {folder.name}: the folder holds {others[0]}, and no {PLAN} that says what it belongs to. "
                "Choose another, or an empty one."
            )


def make_plan(job: Job, corpus: Corpus, embedder: Embedder, sources: dict[str, str]) -> dict[str, Any]:
    """What the shards must hold: that of an earlier run if it is the same, else a new one, for which all is read."""
    path = job.folder / PLAN
    given: dict[str, Any] = {"text_column": corpus.text_column, "id_column": corpus.id_column, "limit": corpus.limit}
    given |= {
        "options": {name: str(value) for name, value in corpus.options.items()},
        "keep_text": job.keep_text,
        "shard_rows": job.shard_rows,
    }
    plan = {"about": json.loads(json.dumps(job.about(embedder))), "sources": sources, "given": given}
    if path.exists():
        try:
            old = json.loads(path.read_text(encoding="utf-8"))
            differing = [name for name in plan if old[name] != plan[name]]
            [(part["rows"], part["digest"]) for part in old["parts"]], old["shard_rows"]
        except (KeyError, TypeError, ValueError):
            raise _no_plan(job) from None
        if differing:
            what = {"about": "by another model, prompt or length", "sources": "of other files"}
            raise ValueError(
                f"--out {job.folder.name} holds vectors {what.get(differing[0], 'with other columns or options')}. "
                "Choose another folder, or delete it."
            )
        return old
    batches = corpus.batches()
    first = next(batches)
    plan["shard_rows"] = job.shard_rows or _shard_rows(embedder, first["text"][:SAMPLE].tolist())
    try:
        plan["parts"] = stage(job, corpus, chain([first], batches), plan["shard_rows"])
    except ValueError:  # of rows that cannot be read
        shutil.rmtree(job.folder / TEXTS, ignore_errors=True)
        raise
    _write_json(path, plan)
    return plan


def _no_plan(job: Job) -> ValueError:
    return ValueError(
        f"{PLAN} in {job.folder.name} is not what the run wrote. Choose another folder, or delete this one: its "
        "vectors are made again."
    )


def _shard_rows(embedder: Embedder, texts: list[str]) -> int:
    """How many texts take about a minute, by some of them."""
    seconds = cost_here(embedder.card, texts).seconds or 0.05 * len(texts)  # of a server's model nothing is known
    return int(min(max(SHARD_S * len(texts) / seconds, FEWEST), MOST))


def stage(job: Job, corpus: Corpus, batches: Iterable[pd.DataFrame], shard_rows: int) -> list[dict[str, Any]]:
    """Cut the corpus into parts, each a file, and return what each holds."""
    (job.folder / TEXTS).mkdir(exist_ok=True)
    for path in (job.folder / TEXTS).iterdir():
        path.unlink()  # of a run that was killed while it read
    arrays, parts, hashes = arrow(), [], []
    for part, frame in enumerate(_recut(batches, shard_rows)):
        ids, texts = frame["id"].tolist(), frame["text"].tolist()
        write_table(job.part(part), {"id": arrays.array(ids, "string"), "text": arrays.array(texts, "string")})
        parts.append({"rows": len(ids), "digest": rows_digest(ids, list(map(text_digest, texts)))})
        if corpus.id_column:  # files and rows are different by themselves
            hashes.append(pd.util.hash_array(frame["id"].to_numpy(), categorize=False))
    if hashes:
        _refuse_twins(job, np.concatenate(hashes), shard_rows)
    return parts


def _recut(batches: Iterable[pd.DataFrame], n: int) -> Iterator[pd.DataFrame]:
    held: list[pd.DataFrame] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= n:
            frame = pd.concat(held)
            whole = len(frame) // n * n
            yield from (frame[start : start + n] for start in range(0, whole, n))
            held = [frame[whole:]]
    if sum(map(len, held)):
        yield pd.concat(held)


def _refuse_twins(job: Job, hashes: np.ndarray, shard_rows: int) -> None:
    """Refuse two texts of one id. Eight bytes of each id are in memory; those that agree are looked up."""
    order = np.argsort(hashes, kind="stable")
    again = order[1:][hashes[order[1:]] == hashes[order[:-1]]]
    rows = np.flatnonzero(np.isin(hashes, hashes[again])) if len(again) else again
    seen: dict[str, int] = {}
    for row in rows.tolist():
        part, place = divmod(row, shard_rows)
        name = read_columns(job.part(part), "id")[0][place]
        if name in seen:
            raise ValueError(
                f"--id-column: texts {seen[name] + 1} and {row + 1} have the same id, {name[:60]!r}. Choose another "
                "column, or leave the option out: ids are then file and row."
            )
        seen[name] = row


def is_right(job: Job, plan: dict[str, Any], part: int) -> bool:
    """Whether a part's shard is there and holds the rows that it must, made as they must be."""
    path = job.shard(part)
    try:
        about = read_about(path)
        same = all(about[name] == value for name, value in plan["about"].items())
        same = same and about["rows"] == plan["parts"][part]["rows"]
        return same and read_digest(path) == plan["parts"][part]["digest"] and vectors_are_whole(path)
    except (OSError, KeyError, TypeError, ValueError):
        return False


def _manifest(job: Job, plan: dict[str, Any], complete: bool) -> dict[str, Any]:
    shards = [{"name": job.shard(part).name, "rows": each["rows"]} for part, each in enumerate(plan["parts"])]
    told = {"format": FOLDER_FORMAT, "complete": complete, **plan["about"]}
    if complete:
        abouts = [read_about(job.shard(part)) for part in range(len(shards))]
        told |= {"dim": abouts[0]["dim"], "unread": asdict(reduce(add, (Unread(**each["unread"]) for each in abouts)))}
        told |= {"audit": {"rows": sum(each["rows"] for each in shards), "ids": "each once", "shards": "as planned"}}
    return told | {"sources": plan["sources"], "shards": shards}


def _write_json(path: Path, value: Any) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
