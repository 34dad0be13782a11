"""The head on a frozen encoder: it learns what is there, the same each time, and never trusts a file."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import output_of, start_python
from safetensors.numpy import save_file

from course_utils.data import read_tensors, write_tensors
from course_utils.learning import CheckpointError, HeadSettings, ProjectionHead, train_projection_head
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
QUICK = {"dim": 8, "epochs": 6, "patience": 6, "learning_rate": 1e-2}


def recall(head, rows):
    found = head.transform(X[rows]) @ head.transform(Y[rows]).T
    return (found.argmax(axis=1) == np.arange(len(found))).mean()


@pytest.mark.parametrize("hidden", [None, 32])
def test_it_learns_which_directions_count(hidden):
    done = train_projection_head(*PARTS, **QUICK | {"epochs": 100, "patience": 100}, hidden=hidden)
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
    done = train_projection_head(X[TRAIN], Y[TRAIN][shuffled], PARTS[2], **QUICK | {"epochs": 100, "patience": 100})
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
    train_projection_head(  # as many pairs as one batch holds
        *(X[:64], Y[:64], PARTS[2]), dim=DIM, epochs=0, temperature=0.1, on_epoch=lambda row, head: rows.append(row)
    )
    logits = torch.tensor(X[:64] @ Y[:64].T) / 0.1
    assert rows[0]["loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(logits, torch.arange(64)).item(), abs=1e-4
    )


def test_early_stopping():
    done = train_projection_head(*PARTS, **QUICK | {"epochs": 200, "patience": 3})
    assert done.history["epoch"].iloc[-1] == done.best_epoch + 3 < 200


def test_a_right_answer_is_never_a_negative():
    queries = np.array([[1.0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)  # rows 0 and 2 ask the same
    answers = np.array([[1.0, 2], [3, 4], [5, 6], [1, 2]], dtype=np.float32)  # rows 0 and 3 have the same answer
    wrong = np.array([[[3.0, 4]], [[9, 9]], [[1, 2]], [[5, 6]]], dtype=np.float32)
    # columns: the four answers, then the four negatives
    right = np.array(
        [[1, 0, 1, 1, 0, 0, 1, 1], [0, 1, 0, 0, 1, 0, 0, 0], [1, 0, 1, 1, 0, 0, 1, 1], [1, 0, 0, 1, 0, 0, 1, 0]]
    )
    losses = []
    train_projection_head(
        *(queries, answers, (queries, answers)),
        negatives=wrong,
        dim=2,
        epochs=0,
        temperature=0.1,
        on_epoch=lambda row, head: losses.append(row["loss"]),
    )
    # a linear head with all dimensions begins as a rotation, so the cosines are those of the vectors
    odds = np.exp(normalize(queries) @ normalize(np.concatenate([answers, wrong[:, 0]])).T / 0.1)
    own = np.diag(odds)
    assert losses == [pytest.approx(-np.log(own / (own + (odds * (1 - right)).sum(axis=1))).mean(), abs=1e-5)]


def test_the_other_right_answers_of_a_question_do_not_count_against_one():
    queries = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    near, far = queries + 0.1, queries + 0.3  # two right answers each, a row for each
    seen = []
    settings = {"dim": 3, "epochs": 0, "on_epoch": lambda row, _: seen.append((row["recall_at_1"], row["mrr"]))}
    parts = (queries, queries, (np.tile(queries, (2, 1)), np.concatenate([near, far])))
    train_projection_head(queries, near, parts[2], **settings)
    train_projection_head(queries, near, parts[2], **settings, corpus=1.01 * queries[:1])
    assert seen[0] == (1, 1)
    assert seen[1] == (
        pytest.approx(2 / 3),
        pytest.approx(5 / 6),
    )  # a nearer text comes before the answers of the first
    with pytest.raises(ValueError, match=r"corpus must have the shape \(m, 3\)"):
        train_projection_head(queries, near, parts[2], **settings, corpus=np.ones((2, 4)))


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


def test_a_killed_training_starts_afresh_and_gives_the_same_head():
    class Killed(Exception):
        pass

    def kill(row, head):
        if row["epoch"] == 4:
            raise Killed

    whole = train_projection_head(*PARTS, **QUICK)
    with pytest.raises(Killed):
        train_projection_head(*PARTS, **QUICK, on_epoch=kill)
    np.random.default_rng().normal(), torch.rand(3)  # chance drawn elsewhere changes nothing
    seen = []
    again = train_projection_head(*PARTS, **QUICK, on_epoch=lambda row, _: seen.append(row["epoch"]))
    assert seen == list(range(len(whole.history)))
    assert again.history.equals(whole.history) and again.best_epoch == whole.best_epoch
    assert np.array_equal(again.head.weights["weight"], whole.head.weights["weight"])
    assert again.head.about == whole.head.about


# --- checkpoints ----------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    head = train_projection_head(*PARTS, **QUICK).head
    (tmp_path / "run").mkdir()
    about = {"encoder": "some encoder", "encoder_fingerprint": "abc"}
    replace(head, about=head.about | about).save(tmp_path / "run" / "best.safetensors")
    return tmp_path / "run"


def test_a_checkpoint_is_one_file_that_says_what_it_is(saved):
    assert [path.name for path in saved.iterdir()] == ["best.safetensors"]
    head = ProjectionHead.load(saved)
    assert head.about["encoder"] == "some encoder" and head.transform(X).shape == (len(X), 8)
    assert set(head.about["metrics"]) == {"epoch", "loss", "recall_at_1", "mrr"}
    assert head.about["settings"] == HeadSettings(**QUICK)._asdict()
    trained = train_projection_head(*PARTS, **QUICK).head
    assert np.array_equal(head.weights["weight"], trained.weights["weight"])


class Evil:
    def __reduce__(self):
        return (print, ("PICKLE WAS RUN",))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("a byte", "has changed"),
        ("the end", "not the whole"),
        ("empty", "not a file that this course wrote"),
        ("pickle inside", "not a file that this course wrote"),
        ("no file", "no file 'best.safetensors'.* a folder that `course train` wrote"),
        ("changed text", "has changed"),
        ("another kind", "holds no projection head"),
        ("another format", "holds no projection head"),
        ("earlier form", "earlier version, with a .json beside it, .* train it again"),
        ("NaN", "not finite"),
    ],
)
def test_a_foreign_or_damaged_checkpoint_is_refused(saved, damage, message, capsys):
    path = saved / "best.safetensors"
    data = path.read_bytes()
    weights, about = read_tensors(path)
    if damage == "NaN":
        weights["weight"][0, 0] = np.nan
        ProjectionHead(weights, about).save(path)
    elif damage == "no file":
        path.unlink()
    elif damage == "earlier form":
        save_file(weights, path)
        path.with_suffix(".json").write_text("{}", encoding="utf-8")
    elif damage == "another kind":
        write_tensors(path, {"x": np.ones(3)}, {"texts": 3})
    elif damage == "another format":
        write_tensors(path, weights, about | {"format": "text-embeddings-course projection head 3"})
    else:
        new = {
            "a byte": data[:-1] + bytes([data[-1] ^ 1]),
            "the end": data[:-30],
            "empty": b"",
            "pickle inside": pickle.dumps(Evil()),
            "changed text": data.replace(b"some encoder", b"that encoder"),
        }[damage]
        path.write_bytes(new)
    with pytest.raises(CheckpointError, match=message) as caught:
        ProjectionHead.load(saved)
    assert "PICKLE" not in capsys.readouterr().out
    assert str(saved.parent) not in str(caught.value)


W, H, B = np.ones((4, 6), np.float32), np.ones((5, 6), np.float32), np.ones(5, np.float32)


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"x": W},
        {"weight": W[0]},
        {"weight": W[None]},
        {"hidden.weight": H},
        {"hidden.weight": H, "weight": np.ones((4, 5), np.float32)},
        {"hidden.weight": H, "hidden.bias": B[:3], "weight": np.ones((4, 5), np.float32), "bias": np.ones(4)},
        {"hidden.weight": H, "hidden.bias": B, "weight": W, "bias": np.ones(4)},
        {"weight": W, "bias": np.ones(3)},
    ],
)
def test_weights_that_do_not_go_together_are_refused_when_they_are_read(weights, tmp_path):
    ProjectionHead(weights).save(tmp_path / "head.safetensors")
    with pytest.raises(CheckpointError, match="holds other weights than those of a projection head"):
        ProjectionHead.load(tmp_path / "head.safetensors")


@pytest.mark.parametrize("step", ["before writing", "half written", "written", "replaced"])
def test_a_kill_while_a_checkpoint_is_written_leaves_the_old_one_or_the_new_one_whole(step, tmp_path):
    path = tmp_path / "best.safetensors"
    ProjectionHead({"weight": W}, {"epoch": 1}).save(path)
    code = """
import os, sys
from pathlib import Path
import numpy as np
import safetensors.numpy
from course_utils.learning import ProjectionHead
step, path = sys.argv[1:]
save_file, replace = safetensors.numpy.save_file, Path.replace
def write(tensors, name, **options):
    if step == "before writing":
        os._exit(9)
    save_file(tensors, name, **options)
    if step == "half written":
        os.truncate(name, 100)
    if step != "replaced":
        os._exit(9)
def then_kill(self, target):
    replace(self, target)
    os._exit(9)
safetensors.numpy.save_file, Path.replace = write, then_kill
ProjectionHead({"weight": np.full((4, 6), 2, np.float32)}, {"epoch": 2}).save(path)
"""
    process = start_python(code, step, path)
    process.communicate(timeout=60)
    assert process.returncode == 9
    head = ProjectionHead.load(tmp_path)
    epoch = 2 if step == "replaced" else 1
    assert head.about["epoch"] == epoch and (head.weights["weight"] == epoch).all()
    ProjectionHead({"weight": W}, {"epoch": 3}).save(path)
    assert ProjectionHead.load(tmp_path).about["epoch"] == 3


def test_other_kinds_of_files_are_not_run(tmp_path, capsys):
    (tmp_path / "head.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match=r"'head.pt' is not a file that this course wrote.* \.safetensors file"):
        ProjectionHead.load(tmp_path / "head.pt")
    assert "PICKLE" not in capsys.readouterr().out


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
        ({"temperature": 1e-300}, "not finite"),
        ({"learning_rate": 1e30, "hidden": 8}, "lower learning_rate"),
        ({"validation": (X[VAL], Y[TEST][:3])}, "Each query needs its positive"),
    ],
)
def test_bad_input_is_named(change, message):
    parts = {"queries": X[TRAIN], "positives": Y[TRAIN], "validation": (X[VAL], Y[VAL])}
    with pytest.raises(ValueError, match=message):
        train_projection_head(**parts | QUICK | change)


def test_training_needs_no_torch_to_be_read_back(saved):
    code = (
        "import sys; from course_utils.learning import ProjectionHead; "
        "print(ProjectionHead.load(sys.argv[1]).dim_in, 'torch' in sys.modules)"
    )
    assert output_of(start_python(code, saved)).split() == ["24", "False"]
