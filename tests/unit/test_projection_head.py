"""The head on a frozen encoder: it learns what is there, resumes exactly, and never trusts a file."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from helpers import output_of, start_python
from safetensors.numpy import save_file

from course_utils.embedding import load_embedder
from course_utils.learning import CheckpointError, ProjectionHead, train_projection_head
from course_utils.learning.projection_head import _right_answers
from course_utils.measuring import normalize

RNG = np.random.default_rng(0)
DIM = 24
# Only the first eight of the dimensions say what belongs together, and the noise in the others is louder.
MEANING = RNG.normal(size=(160, 8))


def side(seed):
    noise = 2 * np.random.default_rng(seed).normal(size=(160, DIM - 8))
    return normalize(np.hstack([MEANING, noise])).astype(np.float32)


X, Y = side(1), side(2)
TRAIN, VAL, TEST = slice(0, 80), slice(80, 120), slice(120, 160)
PARTS = (X[TRAIN], Y[TRAIN], (X[VAL], Y[VAL]))
QUICK = {"dim": 8, "epochs": 6, "patience": 6, "batch_size": 16, "learning_rate": 1e-2}


def recall(head, rows):
    found = head.transform(X[rows]) @ head.transform(Y[rows]).T
    return (found.argmax(axis=1) == np.arange(len(found))).mean()


@pytest.mark.parametrize("hidden", [None, 32])
def test_it_learns_which_directions_count(hidden):
    done = train_projection_head(*PARTS, **QUICK | {"epochs": 30, "patience": 30}, hidden=hidden)
    stock = (X[TEST] @ Y[TEST].T).argmax(axis=1) == np.arange(40)
    assert recall(done.head, TEST) > stock.mean() + 0.2
    assert list(done.history) == ["epoch", "loss", "recall_at_1", "mrr"]
    assert done.history["epoch"].tolist() == list(range(len(done.history)))
    assert done.history["loss"].iloc[-1] < done.history["loss"].iloc[0]
    assert done.history["recall_at_1"][done.best_epoch] == done.history["recall_at_1"].max()
    vectors = done.head.transform(X)
    assert vectors.dtype == np.float32 and vectors.shape == (160, 8)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_nothing_is_learned_where_nothing_is_to_learn():
    """The control: with the answers shuffled, training does not find what it was told to find."""
    shuffled = np.random.default_rng(5).permutation(80)
    done = train_projection_head(X[TRAIN], Y[TRAIN][shuffled], PARTS[2], **QUICK | {"epochs": 30, "patience": 30})
    stock = (X[TEST] @ Y[TEST].T).argmax(axis=1) == np.arange(40)
    assert recall(done.head, TEST) <= stock.mean() + 0.05


def test_a_linear_head_begins_as_the_stock_model_squeezed():
    heads = []
    settings = QUICK | {"dim": DIM, "epochs": 1}
    train_projection_head(*PARTS, **settings, on_epoch=lambda row, head: heads.append(head))
    rotated = heads[0].transform(X) @ heads[0].transform(Y).T
    assert np.allclose(rotated, X @ Y.T, atol=1e-5)  # all directions kept: only turned


def test_the_same_seed_gives_the_same_head_and_another_does_not():
    one, two, three = (train_projection_head(*PARTS, **QUICK, hidden=16, seed=seed) for seed in (1, 1, 2))
    assert one.history.equals(two.history) and not one.history.equals(three.history)
    assert np.array_equal(one.head.weights["weight"], two.head.weights["weight"])


def test_the_loss_is_info_nce():
    rows = []
    train_projection_head(
        *PARTS,
        **QUICK | {"dim": DIM, "epochs": 1, "batch_size": 80},
        temperature=0.1,
        on_epoch=lambda row, head: rows.append(row),
    )
    logits = torch.tensor(X[TRAIN] @ Y[TRAIN].T) / 0.1
    assert rows[0]["loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(logits, torch.arange(80)).item(), abs=1e-4
    )


def test_early_stopping():
    done = train_projection_head(*PARTS, **QUICK | {"epochs": 200, "patience": 3})
    assert done.history["epoch"].iloc[-1] == done.best_epoch + 3 < 200


def test_a_right_answer_is_never_a_negative():
    queries = np.array([[1.0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)  # rows 0 and 2 ask the same
    answers = np.array([[1.0, 2], [3, 4], [5, 6], [1, 2]], dtype=np.float32)  # rows 0 and 3 have the same answer
    wrong = np.array([[[3.0, 4]], [[9, 9]], [[1, 2]], [[5, 6]]], dtype=np.float32)
    right = _right_answers(queries, answers, wrong)(np.arange(4))
    # columns: the four answers, then the four negatives
    assert right.astype(int).tolist() == [
        [1, 0, 1, 1, 0, 0, 1, 1],
        [0, 1, 0, 0, 1, 0, 0, 0],
        [1, 0, 1, 1, 0, 0, 1, 1],
        [1, 0, 0, 1, 0, 0, 1, 0],
    ]


def test_a_batch_of_one_pair_repeated_has_no_negatives():
    losses = []
    same = np.tile(X[:1], (16, 1)), np.tile(Y[:1], (16, 1))
    train_projection_head(*same, PARTS[2], dim=DIM, epochs=1, on_epoch=lambda row, _: losses.append(row["loss"]))
    assert losses[0] == 0


def test_posts_of_one_group_are_not_held_against_each_other():
    losses = {}
    for name, groups in (("apart", None), ("together", np.zeros(80))):
        train_projection_head(
            *PARTS,
            **QUICK | {"epochs": 1},
            groups=groups,
            on_epoch=lambda row, head, name=name: losses.setdefault(name, row["loss"]),
        )
    assert losses["together"] == 0 < losses["apart"]  # nobody is left to compete


def test_hard_negatives_take_part():
    plain = train_projection_head(*PARTS, **QUICK)
    hard = np.roll(Y[TRAIN], 1, axis=0)[:, None]
    assert not plain.history.equals(train_projection_head(*PARTS, **QUICK, negatives=hard).history)


@pytest.mark.parametrize("kill_at", [0, 1, 4])
def test_a_killed_training_goes_on_as_if_nothing_had_been(tmp_path, kill_at):
    class Killed(Exception):
        pass

    def kill(row, head):
        if row["epoch"] == kill_at:
            raise Killed

    whole = train_projection_head(*PARTS, **QUICK, folder=tmp_path / "whole")
    with pytest.raises(Killed):
        train_projection_head(*PARTS, **QUICK, folder=tmp_path / "cut", on_epoch=kill)
    (tmp_path / "cut" / "epoch_009.json").write_text("half a f", encoding="utf-8")  # what a kill may leave
    seen = []
    settings = QUICK | {"folder": tmp_path / "cut"}
    resumed = train_projection_head(*PARTS, **settings, on_epoch=lambda row, _: seen.append(row["epoch"]))
    assert seen == list(range(kill_at + 1, len(whole.history)))
    assert resumed.history.equals(whole.history) and resumed.best_epoch == whole.best_epoch
    for name in ("best", "epoch_002"):
        one, two = (ProjectionHead.load(tmp_path / folder / f"{name}.safetensors") for folder in ("whole", "cut"))
        assert np.array_equal(one.weights["weight"], two.weights["weight"]) and one.about == two.about
    again = train_projection_head(*PARTS, **QUICK, folder=tmp_path / "whole")  # it is complete: nothing is done
    assert again.history.equals(whole.history)
    assert np.array_equal(again.head.weights["weight"], whole.head.weights["weight"])


KILLED = """
import sys, numpy as np
sys.path.insert(0, sys.argv[2])
from test_projection_head import PARTS, QUICK, train_projection_head
def tell(row, head):
    print(row["epoch"], flush=True)
    if row["epoch"] == 2:
        sys.stdin.read()  # until it is killed
train_projection_head(*PARTS, **QUICK, folder=sys.argv[1], on_epoch=tell)
"""


def test_a_process_that_is_killed(tmp_path):
    process = start_python(KILLED, tmp_path / "cut", __file__.rpartition("/")[0])
    while process.stdout.readline().strip() != "2":
        assert process.poll() is None
    process.kill()
    process.communicate()
    resumed = train_projection_head(*PARTS, **QUICK, folder=tmp_path / "cut")
    assert np.allclose(resumed.history, train_projection_head(*PARTS, **QUICK).history, atol=1e-6)


def test_a_folder_with_another_training_is_left_alone(tmp_path):
    train_projection_head(*PARTS, **QUICK, folder=tmp_path / "mine")
    for other, what in ((QUICK | {"temperature": 0.5}, "temperature"), (QUICK | {"hidden": 4}, "hidden")):
        with pytest.raises(CheckpointError, match=rf"'mine' holds another training \(different: {what}\)"):
            train_projection_head(*PARTS, **other, folder=tmp_path / "mine")
    with pytest.raises(CheckpointError, match="the data"):
        train_projection_head(Y[TRAIN], X[TRAIN], PARTS[2], **QUICK, folder=tmp_path / "mine")


# --- checkpoints ----------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    about = {"encoder": "some encoder", "encoder_fingerprint": "abc"}
    train_projection_head(*PARTS, **QUICK, folder=tmp_path / "run", about=about)
    return tmp_path / "run"


def test_a_checkpoint_says_what_it_is(saved):
    names = {path.name for path in saved.iterdir()}
    assert {"best.safetensors", "best.json", "epoch_000.json", "epoch_006.safetensors"} <= names
    assert not [name for name in names if name.endswith(".part")]
    about = json.loads((saved / "best.json").read_text(encoding="utf-8"))
    assert about["encoder"] == "some encoder" and (about["dim_in"], about["dim"]) == (DIM, 8)
    assert set(about["metrics"]) == {"epoch", "loss", "recall_at_1", "mrr"}
    assert len(about["settings"]["vectors_sha256"]) == 64


class Evil:
    def __reduce__(self):
        return (print, ("PICKLE WAS RUN",))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("a byte", "has changed"),
        ("the end", "not the whole"),
        ("empty", "not a safetensors file"),
        ("pickle inside", "not a safetensors file"),
        ("no json", "no file 'best.json'"),
        ("no weights", "no file 'best.safetensors'"),
        ("other json", "does not describe a projection head"),
        ("json list", "does not describe a projection head"),
        ("changed json", "has changed"),
        ("newer format", "is of the format 'text-embeddings-course projection head 2'"),
        ("other tensors", "has changed"),
        ("NaN", "not finite"),
    ],
)
def test_a_foreign_or_damaged_checkpoint_is_refused(saved, damage, message, capsys):
    weights, about = saved / "best.safetensors", saved / "best.json"
    data, text = weights.read_bytes(), about.read_text(encoding="utf-8")
    if damage == "NaN":
        head = ProjectionHead.load(weights)
        head.weights["weight"][0, 0] = np.nan
        head.save(weights)
    elif damage in ("no json", "no weights"):
        (about if damage == "no json" else weights).unlink()
    elif damage == "other tensors":
        save_file({"x": np.ones(3)}, weights)
    else:
        new = {
            "a byte": data[:-1] + bytes([data[-1] ^ 1]),
            "the end": data[:-30],
            "empty": b"",
            "pickle inside": pickle.dumps(Evil()),
            "other json": '{"a": 1}',
            "json list": "[]",
            "changed json": text.replace("some encoder", "that encoder"),
            "newer format": text.replace("projection head 1", "projection head 2"),
        }[damage]
        if isinstance(new, bytes):
            weights.write_bytes(new)
        else:
            about.write_text(new, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message) as caught:
        ProjectionHead.load(saved)
    assert "PICKLE" not in capsys.readouterr().out
    assert str(saved.parent) not in str(caught.value)


def test_other_kinds_of_files_are_not_opened(tmp_path):
    (tmp_path / "head.pt").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "head.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="can run code and are not opened"):
        ProjectionHead.load(tmp_path / "head.pt")


def test_a_head_that_does_not_fit():
    head = train_projection_head(*PARTS, **QUICK).head
    for wrong in (X[:, :5], X[0]):
        with pytest.raises(CheckpointError, match="takes vectors of 24 dimensions"):
            head.transform(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queries": X[:3]}, "Each query needs its positive"),
        ({"queries": X[TRAIN, :5]}, r"positives must have the shape \(n, 5\)"),
        ({"queries": np.where(np.arange(80)[:, None] == 7, np.nan, X[TRAIN])}, "queries holds NaN .* row 7"),
        ({"negatives": Y[TRAIN]}, r"negatives must have the shape \(80, m, 24\)"),
        ({"dim": 25}, "dim=25 must be from 1 to 24"),
        ({"dim": 0}, "dim=0"),
        ({"learning_rate": 1e30, "hidden": 8}, "lower learning_rate"),
        ({"validation": (X[VAL], Y[TEST][:3])}, "Each query needs its positive"),
    ],
)
def test_bad_input_is_named(change, message):
    parts = {"queries": X[TRAIN], "positives": Y[TRAIN], "validation": (X[VAL], Y[VAL])}
    with pytest.raises(ValueError, match=message):
        train_projection_head(**parts | QUICK | change)


# --- as a part of a sentence-transformers model ---------------------------------------------------------------------


TEXTS = ["A cat sat on the mat.", "Stocks fell sharply today.", "x " * 300, "", "猫がいる"]


@pytest.mark.parametrize("hidden", [None, 32])
def test_an_exported_model_gives_the_same_vectors_everywhere(minilm, tmp_path, hidden):
    rng = np.random.default_rng(3)
    x, y, *val = (normalize(rng.normal(size=(20, 384))).astype(np.float32) for _ in range(4))
    about = {"encoder": minilm.card.name, "encoder_fingerprint": minilm.fingerprint}
    head = train_projection_head(x, y, val, dim=64, hidden=hidden, epochs=2, about=about).head
    folder = head.export(minilm, tmp_path / "model")
    expected = head.transform(minilm.encode(TEXTS))
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    assert np.abs(plain - expected).max() < 1e-6
    ours = load_embedder(folder, cache=False)
    assert ours.embedding_dim == 64 and np.abs(ours.encode(TEXTS) - expected).max() < 1e-6
    assert not list(folder.rglob("*.bin")) and not list(folder.rglob("*.py"))
    assert np.abs(minilm.model.encode(TEXTS[:2]) - minilm.encode(TEXTS[:2])).max() < 1e-6  # it is as it was
    with pytest.raises(ValueError, match="'model' is not empty"):
        head.export(minilm, folder)
    with pytest.raises(CheckpointError, match="does not fit"):
        head.export(ours, tmp_path / "other")
    shutil.rmtree(folder)


def test_training_needs_no_torch_to_be_read_back(saved):
    code = (
        "import sys; from course_utils.learning import ProjectionHead; "
        "print(ProjectionHead.load(sys.argv[1]).dim, 'torch' in sys.modules)"
    )
    assert output_of(start_python(code, saved)).split() == ["8", "False"]
