"""The `course` command: everything one does with the course outside a notebook.

``python start.py WORD …`` hands WORD … to this command. Heavy imports stand inside the commands, so that
help and error messages come at once.
"""

import errno
import io
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from course_utils.app import doctor as examination
from course_utils.app.lab import (
    LESSONS,
    MY_WORK,
    copy_lessons,
    find_notebooks,
    notebooks_to_run,
    open_jupyterlab,
    reset_lesson,
)
from course_utils.app.run import TIMEOUT_S, naming_options, parse_parameter, run_all
from course_utils.embedding import DEFAULT_MODEL
from course_utils.paths import ROOT

DEMO = MY_WORK / "demo"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Everything one does with the course outside a notebook.",
)


@app.command()
def lab(
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
    lesson: Annotated[str, typer.Option(help="The lesson to open: 01, 02, …")] = "01",
) -> None:
    """Open JupyterLab on a lesson; your copies of the lessons are in my_work/."""
    (notebook,) = find_notebooks([lesson], LESSONS)
    fetch_data(complete=False)
    weights = examination.check_weights()
    if weights.state != "ok":
        raise ValueError(weights.text)
    for message in copy_lessons():
        print(message)
    open_jupyterlab(notebook, browser)


@app.command()
def setup() -> None:
    """Fetch the data, copy the lessons to my_work/ and try the default model. A second time it only looks."""
    fetch_data()
    for message in copy_lessons():
        print(message)
    from course_utils.embedding import DEFAULT_MODEL, load_embedder

    print(f"model  {DEFAULT_MODEL} …", end=" ", flush=True)
    load_embedder(cache=False).encode("Hello")
    print("ready")
    print("Everything is in place. `python start.py` opens lesson 1.")


def fetch_data(complete: bool = True) -> None:
    """Make sure that every public corpus is there, saying what comes and how large it is.

    Of a course from a stick, what no stick may hold is fetched only where ``complete`` is wanted and a network there.
    """
    from course_utils.app.kept_back import only_kept_back
    from course_utils.data import CorpusUnavailableError, fetch, sources

    for name, source in sources().items():
        if (optional := only_kept_back(source)) and not complete:
            print(f"data   {name}: what no stick may hold is not here; `course setup` fetches it from the network")
            continue
        print(f"data   {name} ({source['size_mb']} MB, fetched once) …", end=" ", flush=True)
        try:
            size = sum(path.stat().st_size for path in fetch(name).values())
        except CorpusUnavailableError:
            if not optional:
                raise
            complete = False  # without a network, each try would take seconds
            print("could not be fetched now")
            continue
        print(f"ready, {size / 1e6:.1f} MB on disk")


@app.command()
def bundle(
    out: Annotated[Path, typer.Argument(help="The folder to make, outside the course.")],
    python: Annotated[str, typer.Option(help="Minor versions of Python: 3.11,3.12")] = "3.12",
    platforms: Annotated[
        str, typer.Option("--for", help="Of windows, macos, linux, linux-aarch64; with commas.")
    ] = "windows,macos,linux",
    packed: Annotated[bool, typer.Option("--zip", help="Make OUT.zip instead of a folder.")] = False,
) -> None:
    """Make a copy of the course for a USB stick, from which laptops set it up without a network."""
    from course_utils.app.bundle import make_bundle

    made = make_bundle(out, python, platforms, packed)
    print(f"{made} is ready. START.html in it says what to do with it, and what is in it.")


@app.command()
def run(
    notebooks: Annotated[
        list[str] | None, typer.Argument(help="01, 02, … or paths; all lessons when left out.")
    ] = None,
    solutions: Annotated[bool, typer.Option("--solutions", help="Run the lessons' solutions instead.")] = False,
    model: Annotated[str | None, typer.Option(help="A catalogued model, a hub name or a folder.")] = None,
    parameter: Annotated[list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="For each.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that a notebook may take.")] = TIMEOUT_S,
    junit: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the results as JUnit, too.")] = None,
    html: Annotated[bool, typer.Option("--html", help="Make a page of each, to look at without a network.")] = False,
    out: Annotated[Path | None, typer.Option(help="A new folder for what came of them, in place of runs/….")] = None,
) -> None:
    """Run lessons or other notebooks headless, keep them, and say what each took in minutes and MiB.

    Exit status 1 if one failed. A path means that file, which runs in its own folder; the others go on when one fails.
    """
    found = notebooks_to_run(notebooks or [], ROOT / "solutions" if solutions else LESSONS)
    parameters = dict(map(parse_parameter, parameter or [])) | ({"MODEL": model} if model else {})
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # CI's way of saying Ctrl-C
    if not run_all(found, parameters, timeout, out, junit, html):
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Say what is wrong on this machine, line by line, with remedies. Exit status 1 if something failed."""
    if not examination.examine():
        raise typer.Exit(1)


@app.command()
def check() -> None:
    """Run the doctor and one tiny notebook: under a minute."""
    healthy = examination.examine()
    if not examination.report("notebook", examination.check_notebook) or not healthy:
        raise typer.Exit(1)


@app.command()
def prefetch(models: Annotated[list[str], typer.Argument(help="Names of the catalogue or the hub.")]) -> None:
    """Download models while there is a network, and check what arrived, for use without one."""
    from course_utils.app.prefetch import fetch_model

    for name in models:
        fetch_model(name)


@app.command()
def embed(
    model: Annotated[str, typer.Option(help="A catalogued model, a hub name or a folder.")] = DEFAULT_MODEL,
    corpus: Annotated[list[str] | None, typer.Option(help="A corpus of the course, a file, a folder, *.csv.")] = None,
    files: Annotated[list[str] | None, typer.Argument(help="More files, as the shell writes out data/*.csv.")] = None,
    text_column: Annotated[list[str] | None, typer.Option(help="The column with the texts.")] = None,
    id_column: Annotated[str | None, typer.Option(help="For a folder in --out: a name for each text.")] = None,
    parameter: Annotated[list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="For the corpus.")] = None,
    instruction: Annotated[list[str] | None, typer.Option(help="A task in words; '' for none.")] = None,
    query: Annotated[bool, typer.Option("--query", help="Embed with the model's own query prompt.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many texts.")] = None,
    tasks: Annotated[Path | None, typer.Option(help="A file of instructions: make a page of maps in --out.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="One of --tasks; else its first four.")] = None,
    label_column: Annotated[list[str] | None, typer.Option(help="A column to colour the maps by.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A .safetensors file, or a folder for shards; with --tasks for the page.")
    ] = None,
    engine: Annotated[str, typer.Option(help="For a folder in --out: local, or ray for several workers.")] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Of Ray; left out: one a core or card.")] = None,
    address: Annotated[str | None, typer.Option(help="A cluster of Ray; left out: one here, for this run.")] = None,
    shard_rows: Annotated[int | None, typer.Option(min=1, help="Texts a shard; left out: a minute's.")] = None,
    no_text: Annotated[bool, typer.Option("--no-text", help="Keep the texts out of the shards.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what a folder in --out would take.")] = False,
    endpoint: Annotated[str | None, typer.Option(help="ollama, openai, … or a URL, instead of this machine.")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut texts after so many tokens.")] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
) -> None:
    """Embed a corpus: as a try, into a file for machines without the model, or of any size into a folder of shards."""
    from course_utils.app import task_maps
    from course_utils.app.embed import Encoding, collect_texts, embed_texts

    encoding = Encoding(model, endpoint, dtype, max_length, batch_size)
    options = dict(map(parse_parameter, parameter or []))
    corpora, columns = [*(corpus or []), *(files or [])] or ["noticeboard"], text_column or []
    if tasks is None and (task or label_column):
        raise ValueError("--task and --label-column go with --tasks.")
    if tasks is None and out is not None and out.suffix != ".safetensors":
        from course_utils.app.embed_folder import Corpus, Engine, Job, make_folder

        whole = Corpus(tuple(corpora), columns, id_column, limit, options)
        job = Job(encoding, out.expanduser().absolute(), not no_text, shard_rows)
        with naming_options(options):
            return make_folder(job, whole, Engine(engine, workers, address), instruction or [], query, dry_run)
    if id_column or shard_rows or no_text or dry_run or workers or address or engine != "local":
        raise ValueError(
            "--id-column, --engine, --workers, --address, --shard-rows, --no-text and --dry-run go with a folder in "
            "--out."
        )
    if tasks is None:
        with naming_options(options):
            texts = collect_texts(corpora, columns, limit, options)
        return embed_texts(encoding, texts, instruction or [], query, out)
    if out is None or instruction or query or len(corpora) > 1 or len(columns) > 1:
        raise ValueError("--tasks needs a folder in --out, and takes one --corpus and no --instruction or --query.")
    column = columns[0] if columns else None
    with naming_options(options):
        frame = task_maps.labelled_texts(corpora[0], column, label_column or [], limit, **options)
    page = task_maps.embed_page(encoding, tasks, task or [], corpora[0], frame, out)
    print(f"Open {page} in a browser.")


@app.command()
def search(
    folder: Annotated[Path, typer.Argument(help="What `course embed --out FOLDER` wrote.")],
    question: Annotated[str, typer.Argument(help="What is looked for, in words.")],
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="How many texts.")] = 5,
    model: Annotated[str | None, typer.Option(help="The model, if its name in the folder does not load here.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="The server that made the vectors, if one did.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one line of JSON.")] = False,
) -> None:
    """Find the texts of a folder of vectors that are nearest to a question; the first time an index is made."""
    from course_utils.app.search import search as find

    find(folder, question, k, model=model, endpoint=endpoint, as_json=as_json)


@app.command()
def check_endpoint(
    endpoint: Annotated[str, typer.Argument(help="ollama, llama.cpp, … or a URL.")],
    model: Annotated[str, typer.Argument(help="The model's name there.")],
    against: Annotated[str | None, typer.Option(help="The same model on this machine: a name or a folder.")] = None,
    longest: Annotated[int, typer.Option(min=32, help="Words of the longest text that is tried.")] = 4096,
) -> None:
    """Try a server and name what it does wrong: pooling, end token, template, padding, cutting, normalisation."""
    from course_utils.app import check_endpoint as trial
    from course_utils.embedding import RemoteEmbedder

    remote = RemoteEmbedder(endpoint, model, cache=False)
    if not trial.check_endpoint(remote, trial.local_twin(remote, against), longest):
        raise typer.Exit(1)


@app.command()
def serve(
    model: Annotated[Path, typer.Argument(help="A file of EmbeddingValueLearner.save_model.")],
    embedder: Annotated[str | None, typer.Option(help="The encoder, if its saved name does not load here.")] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 opens it to the network; it has no passwords.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
) -> None:
    """Serve a value learner: POST /predict and /rank, /health, and /docs that says how."""
    from course_utils.app.serve import serve as serve_learner
    from course_utils.learning import EmbeddingValueLearner

    serve_learner(EmbeddingValueLearner.load_model(model, embedder=embedder), host, port)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder of the page.")] = DEMO,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in a browser.")] = True,
    live: Annotated[bool, typer.Option("--live", help="Serve it here, with a box for texts of your own.")] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="With --live; else a free one.")] = None,
) -> None:
    """Make the web page of lesson 3 from the course's own posts, and open it.

    With --live a page that is in --out, such as one of `course embed … --tasks`, is served as it is; one is made where
    there is none. It is served on this machine only, until Ctrl-C.
    """
    if live:
        from course_utils.app.live import serve_page

        return serve_page(out, lambda: make_demo(out), browser, port, anew=out == DEMO)
    if port:
        raise ValueError("--port goes with --live.")
    page = make_demo(out)
    print(f"The page is {page}. The folder can be put on any web server as it is.")
    if browser:
        import webbrowser

        webbrowser.open(page.as_uri())


def make_demo(out: Path) -> Path:
    """Make the page of the course's own posts; return its path."""
    from course_utils.app import task_maps
    from course_utils.data import load_tasks
    from course_utils.embedding import load_embedder

    task_maps.check_folder(out)
    file, embedder, posts = load_tasks(), load_embedder("course-instruct"), task_maps.labelled_texts("posts")
    tasks, control = task_maps.choose_tasks(file, []), file[task_maps.CONTROL]
    return task_maps.make_page(out, "posts", posts, tasks, embedder, control=control).resolve()


@app.command()
def reset(lesson: Annotated[str, typer.Argument(help="01, 02, …")]) -> None:
    """Put a fresh copy of a lesson into my_work/; your old one is kept beside it."""
    kept = reset_lesson(lesson)
    print("my_work has a fresh copy." + (f" Your old one is {kept.name}." if kept else ""))


@app.command("hand-in")
def pack(
    lessons: Annotated[list[str], typer.Argument(help="01, 02, …, or notebooks by their paths.")],
    name: Annotated[str, typer.Option(help="Yours, as your instructor knows it.")],
    out: Annotated[Path | None, typer.Option(help="The zip; left out: one in the work folder.")] = None,
    work: Annotated[Path, typer.Option(help="The folder with your copies.")] = MY_WORK,
) -> None:
    """Pack your notebooks into one zip to hand in: without results, and with nothing about your machine."""
    from course_utils.app.hand_in import hand_in

    print(*hand_in(lessons, name, out, work), sep="\n")


@app.command()
def grade(
    inbox: Annotated[Path, typer.Argument(exists=True, help="A folder of hand-ins, or a zip of them.")],
    out: Annotated[Path, typer.Option(help="The folder for the results.")],
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Numbers instead of names, everywhere.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Notebooks at a time; left out: one a core.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one answer.")] = 20,
) -> None:
    """Run every answer of a class anew, with limits but no sandbox, and say which are right and what is off."""
    from course_utils.app.marks import grade as grade_inbox

    grade_inbox(inbox, out, anonymous, workers, timeout)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Check style, types and the built notebooks, then run pytest; further words go to pytest."""
    if not all(map(find_spec, ("pytest", "xdist", "ruff", "mypy", "jupytext"))):
        raise ValueError("The tests need more packages. `python start.py test` installs them.")
    fetch_data()  # now, because the tests run without a network
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers on two cores: more threads wait for each other
    for command in (
        ["-m", "ruff", "check"],
        ["-m", "ruff", "format", "--check"],
        ["-m", "mypy"],
        [str(ROOT / "tools" / "build.py"), "--check"],
        # loadscope: the tests of one module share what they made, and stay in one worker. In the order of the folders
        # the few long ones, which run notebooks, come first, and no worker waits for the other's last.
        ["-m", "pytest", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", *context.args],
    ):
        status = subprocess.call([sys.executable, *command], cwd=ROOT)
        if status:
            raise typer.Exit(status)


Data = Annotated[Path, typer.Option(help="Pairs: a table with query, pos and perhaps neg; or a BEIR folder.")]
Reading = Annotated[
    list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="query_column=…, pos_column=…, sep=… of the data.")
]
Encoder = Annotated[str, typer.Option(help="The encoder: a catalogued model, a hub name or a folder.")]
Checkpoint = Annotated[list[Path] | None, typer.Option(help="A head: a .safetensors file, or a folder of `train`.")]
Epoch = Annotated[
    list[str] | None, typer.Option(help="Of a folder of `train`: 1, 5, best …; give it again for each. Left out: best.")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, mps; left out: the best there is.")]


@app.command()
def train(
    data: Data,
    model: Encoder = DEFAULT_MODEL,
    out: Annotated[Path, typer.Option(help="The folder for the head.")] = Path("head"),
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    dim: Annotated[int, typer.Option(min=1, help="Dimensions of the result.")] = 256,
    hidden: Annotated[
        int | None, typer.Option(min=1, max=2**16, help="Width of a hidden layer; left out: none.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(min=0, max=10)] = 3e-4,
    temperature: Annotated[float, typer.Option(min=1e-3, max=100)] = 0.05,
    patience: Annotated[int, typer.Option(min=1, help="Stop after so many epochs without gain.")] = 5,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts a forward pass of the encoder.")] = 32,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
    device: Device = None,
    keep: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Keep the head of this epoch beside the best; again for each. [1, 5]"),
    ] = None,
    export: Annotated[Path | None, typer.Option(help="A folder for encoder and head together.")] = None,
    parameter: Reading = None,
) -> None:
    """Train a projection head on pairs of questions and answers; a part of them is set aside for `evaluate`."""
    from course_utils.app.retriever import train as train_head
    from course_utils.learning import HeadSettings

    settings = HeadSettings(
        dim=dim,
        hidden=hidden,
        epochs=epochs,
        patience=patience,
        learning_rate=learning_rate,
        temperature=temperature,
        seed=seed,
    )
    reading = dict(map(parse_parameter, parameter or []))
    train_head(data, model, out, settings, device, batch_size, export, reading, (1, 5) if keep is None else keep)


@app.command()
def evaluate(
    data: Data,
    model: Encoder = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    epoch: Epoch = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    device: Device = None,
    parameter: Reading = None,
) -> None:
    """Say how often the stock model and each head find the right answer, with intervals."""
    from course_utils.app.retriever import evaluate as score
    from course_utils.app.retriever import open_models

    options: dict[str, Any] = {"device": device, "batch_size": batch_size, "max_samples": None}
    options |= {"reading": dict(map(parse_parameter, parameter or [])), "epochs": _checked(epoch, checkpoint)}
    models = open_models(data, model, checkpoint or [], **options)
    print(score(models).to_string())


@app.command()
def visualize(
    data: Data,
    model: Encoder = DEFAULT_MODEL,
    checkpoint: Annotated[Path | None, typer.Option(help="A head; left out: the stock model alone.")] = None,
    epoch: Epoch = None,
    compare: Annotated[list[Path] | None, typer.Option(help="Further heads beside it; may be given again.")] = None,
    other_data: Annotated[Path | None, typer.Option(help="Pairs of another subject, where a head may do harm.")] = None,
    output: Annotated[Path, typer.Option(help="The folder for pictures and report.")] = Path("visualizations"),
    max_samples: Annotated[int, typer.Option(min=5, help="Draw at most so many questions, not answers.")] = 500,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    device: Device = None,
    perplexity: Annotated[float, typer.Option(min=1, help="Of t-SNE.")] = 30,
    skip_tsne: Annotated[bool, typer.Option("--skip-tsne")] = False,
    skip_umap: Annotated[bool, typer.Option("--skip-umap")] = False,
    parameter: Reading = None,
) -> None:
    """Draw the five pictures of a retriever, stock model and heads side by side, and a verdict."""
    from course_utils.app.report import visualize as draw
    from course_utils.app.retriever import open_models

    heads = [*([checkpoint] if checkpoint else []), *(compare or [])]
    if other_data is not None and not heads:
        raise ValueError("--other-data says what a head does to another subject: give the head with --checkpoint.")
    options: dict[str, Any] = {"device": device, "batch_size": batch_size, "max_samples": max_samples}
    options |= {"reading": dict(map(parse_parameter, parameter or [])), "epochs": _checked(epoch, heads)}
    models = open_models(data, model, heads, **options)
    elsewhere = [] if other_data is None else open_models(other_data, model, heads, **options)
    draw(models, elsewhere, output, perplexity=perplexity, skip_tsne=skip_tsne, skip_umap=skip_umap)


def _checked(epochs: list[str] | None, heads: list[Path] | None) -> list[str]:
    for epoch in epochs or []:
        if not epoch.isdecimal() and epoch != "best":
            raise ValueError(f"--epoch {epoch} is no number of an epoch, and not best.")
    if epochs and not heads:
        raise ValueError("--epoch says which heads of a folder: give the folder with --checkpoint.")
    return list(dict.fromkeys(epochs or []))


def main() -> None:
    """Run the command line; an error that the reader can put right is a sentence, not a traceback."""
    for stream in (sys.stdout, sys.stderr):  # a console that lacks a letter shows a question mark
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace", line_buffering=True)
    try:
        app(prog_name="course")
    except Exception as error:
        if os.environ.get("COURSE_TRACEBACK"):
            raise
        message = str(error).partition("\nException raised from ")[0]  # torch tells where it stood
        if isinstance(error, ImportError) and error.name:  # not one of the course's own, about an extra
            message += ". `python start.py setup` puts back what is missing."
        elif not isinstance(error, (ImportError, OSError, RuntimeError, ValueError)):  # nobody has thought of it
            message = f"The command failed: {type(error).__name__}: {message}"
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            name = Path(error.filename or "A file").name
            message = f"{name} cannot be written ({error.strerror}). "
            message += "Name a folder of your own; COURSE_WORK_DIR names the one for my_work."
        elif isinstance(error, OSError) and error.filename:
            message = f"{Path(error.filename).name}: {error.strerror}."
        print(f"\n{message}\n(To see where, set COURSE_TRACEBACK=1 and run it again.)", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
