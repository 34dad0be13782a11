"""Ridge by groups: closed forms equal learning again, intervals keep their promise, and nothing is learned from noise.

Coverage and false alarms are counted over data drawn with fixed seeds; ``--long`` draws more, of more kinds.
"""

import itertools
import math

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.utils.estimator_checks import check_estimator

from course_utils.data import joined_groups
from course_utils.learning import ALPHAS, GroupRidge
from course_utils.learning.ridge import RidgeModel, RidgePath, equal_rows, held_out_scores, shuffle_p_value
from course_utils.measuring.intervals import MIN_UNITS


def by_refitting(X, y, groups, alpha):
    errors = np.empty(len(y))
    for group in np.unique(groups):
        out = groups == group
        errors[out] = y[out] - Ridge(alpha=alpha).fit(X[~out], y[~out]).predict(X[out])
    return errors


def grouped(generator, n_groups, n_columns, alike=0.0, largest=20, effect=1.0):
    """Rows of length 1 in groups of 1 to ``largest``, and what their scores are but for noise of their own."""
    sizes = generator.integers(1, largest + 1, n_groups)
    groups = np.repeat(np.arange(n_groups), sizes)
    X = 0.5 * generator.normal(size=(n_groups, n_columns))[groups] + generator.normal(size=(len(groups), n_columns))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    common = generator.normal(size=n_groups)[groups]
    truth = effect * X @ generator.normal(size=n_columns) + math.sqrt(alike) * common
    return X, truth, groups


def scored(generator, truth, alike):
    return truth + math.sqrt(1 - alike) * generator.normal(size=len(truth))


# --- leaving out in closed form -----------------------------------------------------------------------------------


SPLITS = {
    "single rows": np.arange(40),
    "pairs": np.repeat(np.arange(20), 2),
    "uneven": np.random.default_rng(5).permutation(np.repeat([0, 1, 2, 3, 4], [1, 2, 7, 10, 20])),
    "one big group": np.array([0] * 37 + [1, 2, 3]),
    "two": np.repeat([0, 1], 20),
}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("n_columns", [1, 5, 60])
@pytest.mark.parametrize("copies", [False, True])
def test_errors_on_groups_left_out_are_those_of_learning_again(split, n_columns, copies):
    generator, groups, alphas = np.random.default_rng(0), SPLITS[split], ALPHAS[::4]
    X, y = generator.normal(size=(40, n_columns)) + 3, generator.normal(size=40)
    if copies:
        X[1::2] = X[::2]
    path = RidgePath(X, groups)
    refitted = {alpha: by_refitting(X, y, groups, alpha) for alpha in alphas}
    for alpha, errors in refitted.items():
        assert np.abs(path.errors(y, alpha) - errors).max() < 1e-8
        coef, intercept = path.solution(y, alpha)
        assert np.abs(X @ coef + intercept - Ridge(alpha=alpha).fit(X, y).predict(X)).max() < 1e-8
    worth = {  # each group counts once
        alpha: np.mean([np.mean(errors[groups == group] ** 2) for group in np.unique(groups)])
        for alpha, errors in refitted.items()
    }
    assert path.mean_squared(y, alphas[1]) == pytest.approx(worth[alphas[1]], abs=1e-8)
    assert path.best_alpha(y, alphas) == min(worth, key=worth.get)
    model = RidgeModel.fit(X, y, alphas[1:2], groups)
    assert model.alpha_ == alphas[1] and model.n_groups_ == len(np.unique(groups))
    assert np.abs(model.loo_errors_ - np.sort(np.abs(refitted[model.alpha_]))).max() < 1e-8


def test_of_few_groups_each_is_left_out_of_the_choice_of_alpha_as_well():
    X, truth, groups = grouped(np.random.default_rng(6), 16, 6, largest=4, effect=0.5)
    y, alphas, errors = scored(np.random.default_rng(7), truth, 0), ALPHAS[4:], np.empty(len(truth))
    for group in range(16):
        out = groups == group
        worth = {
            alpha: np.mean(by_group(by_refitting(X[~out], y[~out], groups[~out], alpha) ** 2, groups[~out]))
            for alpha in alphas
        }
        errors[out] = y[out] - Ridge(alpha=min(worth, key=worth.get)).fit(X[~out], y[~out]).predict(X[out])
    model = RidgeModel.fit(X, y, alphas, groups)
    assert np.abs(model.loo_errors_ - np.sort(np.abs(errors))).max() < 1e-8
    assert np.abs(model.loo_errors_ - RidgeModel.fit(X, y, [model.alpha_], groups).loo_errors_).max() > 1e-3
    chosen = RidgeModel.fit(X, y, alphas, groups, alphas[0])
    assert chosen.alpha_ == alphas[0] and (chosen.loo_errors_ == model.loo_errors_).all()


def test_many_columns_of_scores_and_guessing_the_mean():
    generator, groups = np.random.default_rng(1), SPLITS["uneven"]
    X, Y = generator.normal(size=(40, 5)), generator.normal(size=(40, 3))
    path = RidgePath(X, groups)
    assert np.allclose(path.errors(Y, 0.3), np.column_stack([path.errors(y, 0.3) for y in Y.T]), atol=1e-12)
    means = [Y[groups != group].mean(axis=0) for group in groups]
    assert np.allclose(path.errors(Y, math.inf), Y - means, atol=1e-12)


def test_one_group_is_too_few():
    with pytest.raises(ValueError, match="would have 1 group .or text. to learn from; it takes two"):
        RidgePath(np.ones((3, 1)), np.zeros(3, dtype=int))


def test_alpha_does_not_fall_because_rows_are_copied():
    """By single rows a copy on the other side makes any alpha look too large."""
    X, truth, groups = grouped(np.random.default_rng(2), 200, 150, largest=1)
    y = scored(np.random.default_rng(3), truth, 0)
    once = RidgePath(X, groups).best_alpha(y, ALPHAS)
    X, y, groups = np.vstack([X, X]), np.concatenate([y, y]), np.concatenate([groups, groups])
    twice, careless = RidgePath(X, groups).best_alpha(y, ALPHAS), RidgePath(X, np.arange(400)).best_alpha(y, ALPHAS)
    assert once <= twice <= 10 * once and careless < once / 10


def test_what_is_held_out_has_no_say_in_alpha():
    X, truth, groups = grouped(np.random.default_rng(4), 30, 8, alike=0.5)
    y, held = scored(np.random.default_rng(5), truth, 0.5), groups >= 24
    split = np.flatnonzero(~held), np.flatnonzero(held)
    scores = held_out_scores(X, y, groups, split, ALPHAS)
    worth = {
        alpha: np.mean(by_group(by_refitting(X[~held], y[~held], groups[~held], alpha) ** 2, groups[~held]))
        for alpha in ALPHAS
    }
    model = Ridge(alpha=min(worth, key=worth.get)).fit(X[~held], y[~held])
    assert scores["val_mse"] == pytest.approx(np.mean((model.predict(X[held]) - y[held]) ** 2))


def by_group(values, groups):
    return [values[groups == group].mean() for group in np.unique(groups)]


# --- groups -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_rows_joined_through_others_are_one_group(seed):
    generator = np.random.default_rng(seed)
    groupings = [generator.integers(0, 25, 30).tolist() for _ in range(3)]
    groupings[1] = [None if value < 5 else f"group {value}" for value in groupings[1]]
    joined = joined_groups(*groupings)
    expected = np.arange(30)
    for _ in range(30):  # the smallest number spreads until nothing changes
        for i, j in itertools.combinations(range(30), 2):
            if any(each[i] == each[j] is not None for each in groupings):
                expected[[i, j]] = expected[[i, j]].min()
    assert (joined[:, None] == joined).tolist() == (expected[:, None] == expected).tolist()
    assert list(dict.fromkeys(joined)) == list(range(len(set(expected))))


def test_missing_values_join_nothing():
    assert joined_groups([None, float("nan"), None, "a", "a"]).tolist() == [0, 1, 2, 3, 3]


def test_equal_rows_may_differ_by_rounding_and_by_no_more():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 384))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    rounded = (X + 1e-7 * generator.normal(size=X.shape) / 20).astype(np.float32).astype(float)
    close = X + 1e-3 * generator.normal(size=X.shape) / 20
    numbers = equal_rows(np.vstack([X, rounded, close]))
    assert (numbers[:200] == numbers[200:400]).all() and len(set(numbers.tolist())) == 400


# --- intervals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("n", [1, 9, 10, 11, 12, 17, 18, 19, 99])
def test_single_rows_give_the_conformal_quantile_or_say_how_many_it_takes(n, confidence, caplog):
    model = RidgeModel.fit(
        np.arange(n + 1.0)[:, None], np.random.default_rng(0).normal(size=n + 1), [1.0], np.arange(n + 1)
    )
    needed = max(MIN_UNITS, math.ceil(round(confidence / (1 - confidence), 9)))
    width = model.half_width(confidence)
    if n + 1 >= needed:
        assert width == model.loo_errors_[math.ceil(round((n + 2) * confidence, 9)) - 1] and not caplog.records
    else:
        assert width == math.inf and f"take {needed} independent groups; there are {n + 1}" in caplog.text


def test_each_group_counts_once():
    """Ninety rows of one group decide no more than the one row of another."""
    groups = np.array([*range(11), *[11] * 90])
    X, y = np.zeros((101, 1)), np.concatenate([np.zeros(11), np.full(90, 100.0)])
    model = RidgeModel.fit(X, y, [1.0], groups)
    assert model.half_width(0.8) < 99 < model.half_width(0.9)


def coverage(n_groups, alike, doubled, confidences, n_draws, *, n_columns=8, largest=20, by_row=False):
    """For each confidence: the share of texts of new groups, one of each, inside; and the width over the narrowest."""
    generator, found = np.random.default_rng([n_groups, int(10 * alike), doubled]), []
    for _ in range(n_draws):
        X, truth, groups = grouped(generator, n_groups + 100, n_columns, alike, largest)
        rows = np.tile(np.flatnonzero(groups < n_groups), 2 if doubled else 1)
        first = np.unique(groups, return_index=True)[1][n_groups:]
        learned = np.arange(len(rows)) if by_row else groups[rows]
        model = RidgeModel.fit(X[rows], scored(generator, truth[rows], alike), ALPHAS[::2], learned)
        errors = np.abs(scored(generator, truth[first], alike) - model.predict(X[first]))
        widths = [model.half_width(confidence) for confidence in confidences]
        found.append(
            [(np.mean(errors <= w), w / np.quantile(errors, c)) for w, c in zip(widths, confidences, strict=True)]
        )
    return [(float(np.mean(kept)), float(np.median(widths))) for kept, widths in np.array(found).transpose(1, 2, 0)]


# how alike the rows of a group are, how many the largest may have, and whether each text has two scores
KINDS = [(0.0, 1, False), (0.0, 1, True), (0.3, 20, False), (0.7, 20, True)]
MORE_KINDS = [(0.0, 20, False), (0.0, 20, True), (0.3, 20, True), (0.7, 20, False)]


@pytest.mark.parametrize(("n_groups", "n_draws"), [(3, 2), (8, 2), (10, 2), (12, 40), (20, 30), (50, 8), (200, 4)])
def test_intervals_keep_their_promise_for_new_groups(n_groups, n_draws, request):
    long = request.config.getoption("--long")
    confidences = (0.8, 0.9, 0.95)
    for (alike, largest, doubled), n_columns in itertools.product(KINDS + MORE_KINDS * long, (8, 64) if long else (8,)):
        n = n_draws * 5 if long else n_draws
        found = coverage(n_groups, alike, doubled, confidences, n, n_columns=n_columns, largest=largest)
        for confidence, (kept, width) in zip(confidences, found, strict=True):
            assert kept >= confidence - (0.02 if long else 0.03)  # of few draws less by what chance takes
            if n_groups < max(MIN_UNITS, round(confidence / (1 - confidence))):
                assert width == math.inf
            elif n_groups >= 50:
                assert width < 1.2


@pytest.mark.parametrize(("alike", "doubled"), [(0.7, False), (0.0, True), (0.7, True)])
def test_by_single_rows_the_promise_would_be_broken(alike, doubled):
    """The simulation can see: what ignores groups or copies keeps clearly less than nine in ten."""
    [(kept, _)] = coverage(12, alike, doubled, [0.9], 60, n_columns=64, largest=2 if doubled else 20, by_row=True)
    assert kept < 0.88


# --- has anything been learned? -----------------------------------------------------------------------------------


def share_found(n_groups, alike, effect, n_draws, *, n_columns=8, largest=20, by_row=False):
    generator = np.random.default_rng([n_groups, int(10 * alike)])
    found = 0
    for _ in range(n_draws):
        X, truth, groups = grouped(generator, n_groups, n_columns, alike, largest, effect)
        y = scored(generator, truth, alike)
        found += shuffle_p_value(X, y, np.arange(len(y)) if by_row else groups, ALPHAS[::3]) <= 0.05
    return found / n_draws


@pytest.mark.parametrize(("n_groups", "largest"), [(12, 1), (36, 1), (12, 20), (20, 6)])
@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_nothing_is_learned_from_noise_and_an_effect_is_found(n_groups, largest, alike, request):
    n_draws = 1500 if request.config.getoption("--long") else 100
    chance = 1.64 * math.sqrt(0.05 * 0.95 / n_draws)
    assert share_found(n_groups, alike, 0, n_draws, largest=largest) <= 0.05 + chance
    # of the scores of single texts the vectors explain nine tenths, of those of groups three quarters
    found = share_found(n_groups, alike, 3 if largest == 1 else 1.7, 20, largest=largest)
    assert found >= (0.6 if n_groups * largest == 12 else 0.9)


def test_shuffling_single_rows_would_find_what_groups_have_in_common():
    assert share_found(12, 0.9, 0, 30, by_row=True) > 0.3


# --- as a scikit-learn estimator ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("alphas", [ALPHAS, (1.0,)])
def test_all_of_scikit_learns_checks_hold(alphas):
    """All but one, which scikit-learn leaves out itself: arrays of other libraries, unless SCIPY_ARRAY_API is set."""
    found = {each["check_name"]: each for each in check_estimator(GroupRidge(alphas), on_skip=None, on_fail=None)}
    others = {name: repr(each["exception"]) for name, each in found.items() if each["status"] != "passed"}
    assert len(found) > 40 and set(others) <= {"check_array_api_input"}, others


def test_without_groups_or_copies_it_is_scikit_learns_own():
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(40, 6)), generator.normal(size=40)
    ours, theirs = GroupRidge().fit(X, y), RidgeCV(ALPHAS).fit(X, y)
    assert ours.alpha_ == theirs.alpha_ and np.allclose(ours.predict(X), theirs.predict(X), atol=1e-8)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_equal_rows_and_groups_are_left_out_together_at_any_scale(scale):
    X, truth, groups = grouped(np.random.default_rng(2), 30, 8, alike=0.5, largest=4)
    y = scored(np.random.default_rng(3), truth, 0.5)
    alphas = [alpha * scale**2 for alpha in ALPHAS]
    found = GroupRidge(alphas).fit(X * scale, y, groups)
    expected = RidgeModel.fit(X * scale, y, alphas, groups)
    assert found.alpha_ == expected.alpha_ and (found.coef_ == expected.coef_).all()
    twice = GroupRidge(alphas).fit(np.vstack([X, X]) * scale, np.tile(y, 2), [*groups, *[None] * len(y)])
    assert found.model_.n_groups_ == twice.model_.n_groups_ == 30  # copies join the groups that they are in
    assert GroupRidge([1]).fit(X * scale, y).model_.n_groups_ == len(groups)


def test_wrong_groups_and_alphas():
    X, y = np.eye(4), np.arange(4.0)
    with pytest.raises(ValueError, match="groups has 3 entries for 4 rows"):
        GroupRidge().fit(X, y, ["a", "b", "c"])
    with pytest.raises(ValueError, match="would have 1 group"):
        GroupRidge().fit(X, y, ["a"] * 4)
    with pytest.raises(ValueError, match="alphas: 0 must be a number above 0"):
        GroupRidge([1, 0]).fit(X, y)
