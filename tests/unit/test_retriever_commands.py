"""`course train`, `evaluate` and `visualize`: from a file of pairs to pictures that are there."""

import html
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers import fake_embedder, shown_in
from tiny_qwen3 import build_tiny_qwen3
from typer.testing import CliRunner

from course_utils.app import cli, report, retriever
from course_utils.app.retriever import _rows, digests, export_model, open_models, pairs_sha256
from course_utils.data import Pairs, read_pairs
from course_utils.drawing import EmbeddingVisualizer
from course_utils.embedding import base, load_embedder
from course_utils.learning import CheckpointError, ProjectionHead, train_projection_head
from course_utils.measuring import normalize

PICTURES = ("similarity_distribution", "tsne_projection", "umap_projection", "similarity_heatmap", "top_k_predictions")
EVIL = "<script>alert(1)</script>"


def course(*words):
    done = CliRunner().invoke(cli.app, list(map(str, words)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_qwen3(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    words = ["harbour", "violin", "lantern", "tax", "garden", "engine", "river", "clock", "bread", "moon"]
    rows = [
        {
            "query": rf"Is it $\frac$ for the {words[i % 10]} {i}?",
            "pos": [f"The {words[i % 10]} {i} is fine.", f"Answer {i}"],
            "neg": [f"The {words[i % 10]} {i + 1000} is not."],
        }
        for i in range(80)
    ]
    rows[0]["query"] += EVIL
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(model, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    words = ("train", "--data", data, "--model", model, "--dim", 16, "--epochs", 3)
    said = course(*words, "--out", folder / "one", "--export", folder / "exported")
    course(*words, "--out", folder / "two", "--hidden", 8)
    return folder, said


def test_training_says_what_it_does_and_keeps_the_best_head(trained, model):
    folder, said = trained
    assert "80 questions: 56 to train, 12 to choose the epoch, 12 set aside" in said
    assert len(re.findall(r"^epoch +\d+  loss \d", said, re.MULTILINE)) == 4
    about = ProjectionHead.load(folder / "one").about
    assert about["encoder"] == "tiny" and about["data"] == "pairs.jsonl" and len(about["used"]) == 68
    assert about["settings"]["dim"] == 16 and set(about["metrics"]) == {"epoch", "loss", "recall_at_1", "mrr"}
    assert str(folder) not in json.dumps(about)
    assert {path.name for path in (folder / "one").iterdir()} == {"best.safetensors", "epoch_1.safetensors"}
    assert "; beside it: epoch_1\n" in said  # epoch 5 never came
    first = ProjectionHead.load(folder / "one" / "epoch_1.safetensors").about
    assert first.pop("metrics")["epoch"] == 1 and first == {key: about[key] for key in first}
    head, encoder = ProjectionHead.load(folder / "one"), load_embedder(model, cache=False)
    exported = load_embedder(folder / "exported", cache=False)
    texts = ["one", "two and three"]
    assert np.abs(exported.encode(texts) - head.transform(encoder.encode(texts))).max() < 1e-6
    assert exported.card.query_prompt == encoder.card.query_prompt != ""


@pytest.mark.parametrize("hidden", [None, 32])
def test_an_exported_model_gives_the_same_vectors_everywhere(minilm, tmp_path, hidden):
    rng = np.random.default_rng(3)
    x, y, *val = (normalize(rng.normal(size=(20, 384))).astype(np.float32) for _ in range(4))
    about = {"encoder": minilm.card.name, "encoder_fingerprint": minilm.fingerprint}
    head = replace(train_projection_head(x, y, val, dim=64, hidden=hidden, epochs=2).head, about=about)
    folder = tmp_path / "model"
    export_model(minilm, head, folder)
    texts = ["A cat sat on the mat.", "Stocks fell sharply today.", "x " * 300, "", "猫がいる"]
    expected = head.transform(minilm.encode(texts))
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(folder), device="cpu").encode(texts)
    assert np.abs(plain - expected).max() < 1e-6
    exported = load_embedder(folder, cache=False)
    assert exported.embedding_dim == 64 and np.abs(exported.encode(texts) - expected).max() < 1e-6
    assert not list(folder.rglob("*.bin")) and not list(folder.rglob("*.py"))
    assert np.abs(minilm.model.encode(texts[:2]) - minilm.encode(texts[:2])).max() < 1e-6  # it is as it was
    with pytest.raises(ValueError, match="'model' is not empty"):
        export_model(minilm, head, folder)
    with pytest.raises(CheckpointError, match="does not fit"):
        export_model(exported, head, tmp_path / "other")
    shutil.rmtree(folder)


def test_evaluate_counts_only_what_was_not_seen(trained, model, data):
    folder, _ = trained
    said = course(
        "evaluate", "--data", data, "--model", model, "--checkpoint", folder / "one", "--checkpoint", folder / "two"
    )
    assert "68 of 80 questions were used in training and are left out" in said
    assert "12 questions, 240 answers" in said  # they search among the answers of all 80
    for word in ("stock", "one", "two", "mrr_at_10", "right answer in 5", "gain in right answers first"):
        assert word in said
    assert said.count("95% interval, 2 together") == 2  # two heads, two gains
    stock = course("evaluate", "--data", data, "--model", model)
    assert "80 questions, 240 answers" in stock and "gain" not in stock


def test_visualize_leaves_all_pictures_and_a_report(trained, model, data, tmp_path):
    folder, _ = trained
    out = tmp_path / "pictures here"
    said = course(
        "visualize",
        "--data",
        data,
        "--model",
        model,
        "--checkpoint",
        folder / "one",
        "--compare",
        folder / "two",
        "--output",
        out,
        "--perplexity",
        5,
    )
    files = {f"{name}.png" for name in PICTURES} | {f"{name}.html" for name in PICTURES[1:]}
    assert {path.name for path in out.iterdir()} == files | {"plotly.min.js", "report.json", "report.html"}
    for name in PICTURES:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG") and f"{name}.png" in said
    for name in PICTURES[1:]:  # a histogram has no texts to show
        twin = (out / f"{name}.html").read_text(encoding="utf-8")
        assert 'src="plotly.min.js"' in twin and "https://cdn" not in twin
        assert EVIL not in twin and all(f"model={model}" in twin for model in ("stock", "one", "two"))
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["questions"] == 12 and set(report["pictures"]) == set(PICTURES)
    assert set(report["verdicts"]) == {"one", "two"}
    assert report["answers"] == 240
    assert report["verdicts"]["one"]["advice"] in (
        "deploy",
        "keep the stock model",
        "mend the data or change the model",
    )
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 5 and EVIL not in page and str(tmp_path) not in page
    assert re.findall(r'href="(\w+)\.html"', page) == list(PICTURES[1:])
    check_misses(report["misses"], page, folder, model, data)


def check_misses(counts, page, folder, model, data):
    """The page and the report count what the models miss, and the page has their texts."""
    stock, *heads = open_models(
        data, str(model), [folder / "one", folder / "two"], device=None, batch_size=8, max_samples=None
    )
    assert list(counts) == ["one", "two"] and "://" not in re.sub(r"data:image[^>]*", "", page)
    for head in heads:
        table = head.explain_misses(stock)
        outcomes = {name: each["questions"] for name, each in counts[head.name].items()}
        assert sum(outcomes.values()) == len(table) == (~(stock.right_first & head.right_first)).sum() > 0
        for name, n in outcomes.items():
            assert f"<summary>{n} {name}: " in page
            several = (table["outcome"] == name) & table["cause"].str.contains("several right answers")
            assert counts[head.name][name]["several right answers"] == several.sum() == n  # each question has two
    section = page[page.index('<h3 dir="auto">two</h3>') :]
    n_shown = sum(min(10, each["questions"]) for each in counts["two"].values())
    assert section.count('<td dir="auto">') == 3 * n_shown and section.count("<tr><td") == n_shown
    table = heads[1].explain_misses(stock)
    shown = [row for row in table.itertuples() if html.escape(stock.pairs.queries[row.question]) in section]
    assert shown and all(html.escape(stock.candidates[row.first]) in section for row in shown)


def test_the_verdict_counts_what_a_head_does_elsewhere(trained, model, data, tmp_path):
    folder, _ = trained
    other = tmp_path / "other.jsonl"
    places = ("mill", "lake", "barn", "hut", "yard")
    rows = [{"query": f"Where is the {place}?", "pos": f"Behind the {place}."} for place in places]
    other.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    words = ["visualize", "--data", data, "--model", model, "--other-data", other, "--output", tmp_path, "--skip-tsne"]
    said = course(*words, "--skip-umap", "--checkpoint", folder / "one", "--compare", folder / "two")
    assert "pairs.jsonl: 12 questions, 240 answers" in said and "other.jsonl: 5 questions, 5 answers" in said
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["other_data_sha256"] == pairs_sha256(read_pairs(other)) != report["data_sha256"]
    for name in ("one", "two"):
        stock, head = (
            open_models(other, model, heads, device=None, batch_size=32, max_samples=None)[-1].right_first
            for heads in ([], [folder / name])
        )
        change = report["verdicts"][name]["evidence"]["change out of domain"]["value"]
        assert change == pytest.approx(head.mean() - stock.mean())
    with pytest.raises(ValueError, match="give the head with --checkpoint"):
        course(*words)


def test_the_head_of_another_training_is_not_overwritten(trained, model, data, tmp_path):
    words = ("train", "--data", data, "--model", model, "--out", tmp_path / "mine", "--dim", 4)
    first = course(*words, "--epochs", 1)
    assert course(*words, "--epochs", 1) == first  # the same again is no other
    with pytest.raises(CheckpointError, match="'mine' holds another training"):
        course(*words, "--epochs", 2)
    assert ProjectionHead.load(tmp_path / "mine").about["settings"]["epochs"] == 1
    (tmp_path / "mine" / "best.safetensors").unlink()  # that of epoch 1 is still there
    with pytest.raises(CheckpointError, match="'mine' holds another training"):
        course(*words, "--epochs", 2)


@pytest.fixture(scope="module")
def kept(model, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept") / "head"
    words = ("train", "--data", data, "--model", model, "--dim", 16, "--epochs", 3, "--out", folder)
    return folder, course(*words, "--keep", 0, "--keep", 2, "--keep", 9)


def test_epochs_stand_side_by_side_in_every_picture_and_in_the_report(kept, model, data, tmp_path):
    folder, said = kept
    assert "; beside it: epoch_0, epoch_2\n" in said
    best = ProjectionHead.load(folder).about["metrics"]["epoch"]
    names = ["stock", "epoch 0", "epoch 2", f"best (epoch {best})"]
    words = ["--data", data, "--model", model, "--checkpoint", folder, "--epoch", 0, "--epoch", 2, "--epoch", "best"]
    said = course("visualize", *words, "--output", tmp_path, "--perplexity", 5)
    assert "68 of 80 questions were used in training and are left out" in said
    said = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert all(list(said["pictures"][name]) == names for name in PICTURES)
    assert list(said["verdicts"]) == names[1:]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(f'<h2 dir="auto">{name}: ' in page for name in names[1:])
    scores = course("evaluate", *words)
    assert all(name in scores for name in names) and "12 questions, 240 answers" in scores
    models = open_models(
        data, str(model), [folder], device=None, batch_size=8, max_samples=None, epochs=["2", "0", "2"][:2]
    )
    assert [each.name for each in models] == ["stock", "epoch 2", "epoch 0"]
    assert [each.head.about["metrics"]["epoch"] for each in models[1:]] == [2, 0]


def test_an_epoch_that_was_not_kept_is_named_with_those_that_were(kept, trained, model, data):
    folder, _ = kept
    words = ["evaluate", "--data", data, "--model", model]
    with pytest.raises(CheckpointError, match="'head' has no head of epoch 5. It has: 0, 2, best"):
        course(*words, "--checkpoint", folder, "--epoch", 5)
    with pytest.raises(CheckpointError, match="goes with a folder .* 'epoch_2.safetensors' is none"):
        course(*words, "--checkpoint", folder / "epoch_2.safetensors", "--epoch", 2)
    with pytest.raises(ValueError, match="give the folder with --checkpoint"):
        course(*words, "--epoch", 2)
    with pytest.raises(ValueError, match="--epoch last is no number of an epoch"):
        course(*words, "--checkpoint", folder, "--epoch", "last")
    two = list(retriever.find_heads([folder, trained[0] / "one"], ["best"]))
    assert [name.partition(":")[0] for name in two] == ["head", "one"]


def test_a_head_called_stock_is_told_from_the_stock_model(trained, model, data, tmp_path):
    ProjectionHead.load(trained[0] / "one").save(tmp_path / "stock.safetensors")
    models = open_models(
        data, str(model), [tmp_path / "stock.safetensors"] * 2, device=None, batch_size=8, max_samples=9
    )
    assert [each.name for each in models] == ["stock", "stock (1)", "stock (2)"]


def test_pictures_can_be_left_out_and_samples_drawn(model, data, tmp_path):
    said = course(
        "visualize",
        "--data",
        data,
        "--model",
        model,
        "--output",
        tmp_path,
        "--skip-tsne",
        "--skip-umap",
        "--max-samples",
        10,
        "--device",
        "cpu",
        "--batch-size",
        4,
    )
    assert "10 of 80 questions are drawn" in said and "10 questions, 240 answers" in said
    assert "stock: too few to say: there are 10 independent questions" in said
    names = {path.stem for path in tmp_path.glob("*.png")}
    assert names == set(PICTURES) - {"tsne_projection", "umap_projection"}


def test_texts_are_shown_and_not_run(model, data, tmp_path):
    course("visualize", "--data", data, "--model", model, "--output", tmp_path, "--skip-tsne", "--skip-umap")
    twins = "".join((tmp_path / f"{name}.html").read_text(encoding="utf-8") for name in ("top_k_predictions",))
    assert EVIL not in twins and "alert(1)" in twins


def test_the_maps_tie_questions_to_answers_and_say_what_came_first_instead(trained, model, data):
    models = open_models(data, str(model), [trained[0] / "one"], device=None, batch_size=8, max_samples=None)
    figure = report._map_twin(models, "tsne", 3)
    lines, points = figure.data[:2], figure.data[2:]
    assert [trace.mode for trace in lines] == ["lines"] * 2 and {trace.mode for trace in points} == {"markers"}
    for trace, each in zip(lines, models, strict=True):
        placed = each.map_points("tsne", perplexity=3)[0]
        ends = np.stack([trace.x, trace.y], axis=1).reshape(-1, 3, 2)
        assert len(ends) == each.is_right.sum() == 24 and np.isnan(ends[:, 2]).all()
        assert np.allclose(ends[0, :2], placed[[0, 12]]) and np.allclose(ends[1, :2], placed[[0, 13]])
    assert {trace.xaxis for trace in lines} == {"x", "x2"} == {trace.xaxis for trace in points}
    said = "".join(text for trace in points if "wrong" in trace.name for (text,) in trace.customdata)
    head = models[1]
    row = int(np.flatnonzero(~head.right_first)[0])
    came = head.candidates[head.top_k(1)["answer"][row]]
    assert f"<br><b>came first instead:</b> {came}<br><b>wanted:</b> " in said
    others = [text for trace in points if "wrong" not in trace.name for (text,) in trace.customdata]
    assert others and not any("instead" in text for text in others)


STRANGE = ["costs $5 or $x^2$", "<b>bold</b> & <i>", "a harp 😀", "أين القط الأبيض الآن", "שלום לכולם", "%{x} {y}"]


@pytest.mark.filterwarnings("ignore:Glyph")  # no font of that emoji, perhaps
def test_strange_letters_come_out_as_they_are_everywhere(trained, model, tmp_path, monkeypatch):
    data, head = tmp_path / "pairs.jsonl", tmp_path / "$x$ <b> 😀 قط.safetensors"
    rows = [{"query": f"{words} ? {i}", "pos": f"{words} ! {i}"} for i in range(3) for words in STRANGE]
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    ProjectionHead.load(trained[0] / "one").save(head)
    drawn = []
    draw = report._draw
    monkeypatch.setattr(report, "_draw", lambda *words: drawn.append(draw(*words)) or drawn[-1])
    course("visualize", "--data", data, "--model", model, "--checkpoint", head, "--output", tmp_path / "out")
    assert len(drawn) == 5
    for picture, twin in drawn:
        assert head.stem in shown_in(picture.figure)
        if twin is not None:
            inside = html.unescape(
                json.dumps(twin.to_plotly_json(), ensure_ascii=False, default=lambda each: each.tolist())
            )
            assert head.stem in inside.replace("<br>", " ") and "<b>bold" not in twin.to_json()
            assert all(f"{words} {mark}" in inside for words in STRANGE for mark in "?!")
    words_drawn = " ".join(shown_in(drawn[-1][0].figure).split())  # what comes first; lines of a cell follow each other
    assert all(words in words_drawn for words in STRANGE)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in page and head.stem in html.unescape(page)
    cells = [html.unescape(cell) for cell in re.findall('<td dir="auto">([^<]*)</td>', page)]
    assert cells and all(re.fullmatch(r".+ [?!] \d", cell) and cell[:-4] in STRANGE for cell in cells)


def test_pictures_for_few_pairs_have_their_words_inside_and_whole_numbers_at_the_axes(model, data):
    stock = open_models(data, str(model), [], device=None, batch_size=8, max_samples=20)[0]
    pictures = [report._draw(name, [stock], 5)[0].figure for name in PICTURES]
    for figure in pictures:
        figure.draw_without_rendering()
        inside = figure.get_window_extent()
        assert all(
            inside.x0 <= each.x0 and each.x1 <= inside.x1
            for each in map(lambda x: x.get_window_extent(), figure.legends)
        )
    (heatmap,) = (figure for figure in pictures if figure.axes[0].images)
    assert all(tick == int(tick) for tick in heatmap.axes[0].get_yticks())


@pytest.mark.parametrize("command", ["train", "evaluate", "visualize"])
def test_long_encoding_shows_how_far_it_is(model, tmp_path, monkeypatch, own_cache_dir, command):
    data = tmp_path / "many.csv"
    rows = "".join(f"question {command} {i},answer {command} {i}\n" for i in range(400))
    data.write_text("query,pos\n" + rows, encoding="utf-8")
    bars, bar = [], base.progress_bar
    monkeypatch.setattr(base, "progress_bar", lambda **words: bars.append(words) or bar(**words))
    out = {"train": ["--out", tmp_path / "head", "--epochs", 1, "--dim", 8]}
    out["visualize"] = ["--output", tmp_path, "--skip-tsne", "--skip-umap", "--max-samples", 300]
    course(command, "--data", data, "--model", model, *out.get(command, []))
    shown = [each for each in bars if each["show"]]
    assert shown and {each["desc"] for each in shown} == {"Embedding"} and max(each["total"] for each in shown) >= 280


def test_an_old_picture_does_not_pass_for_a_new_one(model, data, tmp_path, monkeypatch):
    (tmp_path / "tsne_projection.png").write_bytes(b"old")
    words = ["visualize", "--data", data, "--model", model, "--output", tmp_path, "--max-samples", 10, "--skip-umap"]

    def fails(*_, **__):
        raise ValueError("cannot be drawn")

    monkeypatch.setattr(EmbeddingVisualizer, "plot_tsne", fails)
    with pytest.raises(ValueError, match="cannot be drawn"):
        course(*words)
    assert not (tmp_path / "tsne_projection.png").exists()


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--checkpoint", "nowhere"], CheckpointError, "no file 'nowhere'"),
        (["--device", "tpu9"], ValueError, "--device tpu9 cannot be used here"),
        (["--model", "all-MiniLM-L6-v2", "--checkpoint", "{one}"], CheckpointError, "does not fit"),
    ],
)
def test_what_does_not_work_is_said(trained, model, data, tmp_path, words, error, message):
    folder, _ = trained
    words = [word.replace("{one}", str(folder / "one")) for word in words]
    model = [] if "--model" in words else ["--model", model]
    with pytest.raises(error, match=message):
        course("visualize", "--data", data, *model, "--output", tmp_path, *words)
    assert not list(tmp_path.glob("*.png"))


def test_all_questions_seen(trained, model, data, tmp_path):
    folder, _ = trained
    used = set(ProjectionHead.load(folder / "one").about["used"])
    pairs = read_pairs(data)
    lines = zip(data.read_text(encoding="utf-8").splitlines(), digests(pairs), strict=True)
    rows = [line for line, digest in lines if digest in used]
    (tmp_path / "seen.jsonl").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(ValueError, match="0 pairs are too few"):
        course("evaluate", "--data", tmp_path / "seen.jsonl", "--model", model, "--checkpoint", folder / "one")


def test_the_command_line_answers_with_a_status(data, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["course", "visualize", "--data", str(data.with_name("not_there.csv"))])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1 and "no file 'not_there.csv'" in capsys.readouterr().err


def test_a_question_on_several_lines_gives_the_same_numbers_as_one(model, tmp_path):
    """Else each right answer would count as wrong for the other rows of its question."""
    subjects = [f"{place} {i}" for place in ("mill", "lake", "barn", "hut") for i in range(8)]
    answers = {f"What about the {one}?": [f"{how} the {one}" for how in ("Behind", "Under", "In")] for one in subjects}
    forms = {
        "several": [{"query": query, "pos": text} for query, texts in answers.items() for text in texts],
        "merged": [{"query": query, "pos": texts} for query, texts in answers.items()],
    }
    said = []
    for name, rows in forms.items():
        data = tmp_path / f"{name}.jsonl"
        data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        words = ("--data", data, "--model", model)
        trained = course("train", *words, "--dim", 8, "--epochs", 2, "--out", tmp_path / name / "head")
        scores = course("evaluate", *words, "--checkpoint", tmp_path / name / "head")
        assert "32 questions: " in trained and "questions, 96 answers" in scores
        said.append((trained + scores).replace(str(tmp_path / name), "").replace(data.name, ""))
    assert said[0] == said[1]


def test_questions_with_fewer_negatives_are_filled_up_with_their_own_answer():
    pairs = Pairs(("q", "r"), (("a", "b"), ("c",)), (("x", "y"), ()))
    embedder = fake_embedder()
    answers = dict(zip(pairs.candidates, embedder.encode_document(pairs.candidates), strict=True))
    queries, positives, negatives = _rows(embedder, pairs, answers, 8)
    assert queries.shape == positives.shape == (3, 8) and negatives.shape == (3, 2, 8)
    assert np.array_equal(queries, embedder.encode_query(["q", "q", "r"]))
    expected = embedder.encode_document(["x", "y", "x", "y", "c", "c"]).reshape(3, 2, 8)
    assert np.array_equal(negatives, expected)
    assert _rows(embedder, Pairs.from_columns("qr", "ac"), answers, 8)[2] is None


def test_files_of_other_names_and_sizes(model, tmp_path):
    rows = "\n".join(
        f"How do I mend the {thing}?;With glue for a {thing}." for thing in ("net", "oar", "sail", "rope", "cup")
    )
    faq = tmp_path / "faq.csv"
    faq.write_text(f"question;answer\n{rows}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="-p query_column='question', -p pos_column='answer'"):
        course("visualize", "--data", faq, "--model", model)
    words = ["--data", faq, "--model", model, "-p", "query_column=question", "-p", "pos_column=answer"]
    course("visualize", *words, "--output", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.png"))) == 5 and (tmp_path / "out" / "report.html").exists()
    assert "5 questions, 5 answers" in course("evaluate", *words)
    with pytest.raises(ValueError, match="5 pairs are too few, or share too many answers, for 3 parts"):
        course("train", *words, "--out", tmp_path / "head")
    assert not (tmp_path / "head").exists()


def test_few_pairs_are_cross_validated_by_heads_that_have_not_seen_them(model, data, tmp_path, monkeypatch):
    pairs, seen, fit = read_pairs(data).take(range(20)), [], retriever._fit
    few = tmp_path / "few.jsonl"
    few.write_text("".join(data.read_text(encoding="utf-8").splitlines(keepends=True)[:20]), encoding="utf-8")

    def recorded(embedder, training, validation, *options):
        seen.append([*training.queries, *validation.queries])
        return fit(embedder, training, validation, *options)

    monkeypatch.setattr(retriever, "_fit", recorded)
    said = course("train", "--data", few, "--model", model, "--dim", 8, "--epochs", 1, "--out", tmp_path / "head")
    assert "5 heads, each asked what it was not trained on; gain in right answers first: " in said
    *folds, own = seen
    left_out = [query for fold in folds for query in set(pairs.queries) - set(fold)]
    assert len(folds) == 5 and sorted(left_out) == sorted(pairs.queries) and len(own) == 14
    few.write_text("".join(few.read_text(encoding="utf-8").splitlines(keepends=True)[:6]), encoding="utf-8")
    said = course("train", "--data", few, "--model", model, "--dim", 8, "--epochs", 1, "--out", tmp_path / "another")
    assert "it takes 12 to show whether a head helps" in said and "5 heads" not in said
