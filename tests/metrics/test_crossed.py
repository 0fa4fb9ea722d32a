"""Trainings and cases as crossed sources of variation: known answers, coverage, Holm."""

import math

import numpy as np
import pytest
from scipy import stats

from workflow_src.metrics.crossed import SMALLEST, Crossed, holm, over_seeds, pooled


def alone(count: int) -> np.ndarray:
    """A case of its own for each image."""
    return np.arange(count)


def drawn(trials, seeds, images, size=1, training=0.0, rng=None):
    """Scores (trials, S, N) of two equal methods: image, training and image-by-training effects."""
    rng = rng or np.random.default_rng(0)
    cases = np.arange(images) // size
    count = cases[-1] + 1
    return [
        rng.normal(size=(trials, 1, count))[..., cases]
        + training * rng.normal(size=(trials, seeds, 1))
        + rng.normal(size=(trials, seeds, images))
        for _ in range(2)
    ], cases


def test_one_training_over_images_is_students_t():
    values = np.random.default_rng(0).normal(0.8, 0.1, 30)
    estimate = Crossed([values[None]], alone(30)).estimate()
    expected = stats.ttest_1samp(values, 0.75)
    assert estimate.interval() == pytest.approx(expected.confidence_interval(0.95))
    assert estimate.p(0.75) == pytest.approx(expected.pvalue)
    assert estimate.seed_freedom == 0


def test_a_pair_of_trainings_is_the_paired_t_test():
    rng = np.random.default_rng(1)
    theirs = rng.uniform(0, 1, 25)
    ours = theirs + rng.normal(0.01, 0.02, 25)
    estimate = Crossed([ours[None], theirs[None]], alone(25)).estimate()
    expected = stats.ttest_rel(ours, theirs)
    assert estimate.value == pytest.approx((ours - theirs).mean())
    assert estimate.p() == pytest.approx(expected.pvalue)


def test_values_without_images_are_students_t_of_two_samples():
    ours, theirs = [52.0, 53.5, 51.0], [60.0, 58.0]
    estimate, expected = over_seeds([ours, theirs]), stats.ttest_ind(ours, theirs)
    assert estimate.p() == pytest.approx(expected.pvalue)
    assert estimate.interval() == pytest.approx(expected.confidence_interval(0.95))
    single = over_seeds([ours])
    assert single.interval() == pytest.approx(stats.ttest_1samp(ours, 0).confidence_interval(0.95))


def test_what_is_not_repeated_has_no_interval():
    for estimate in (
        over_seeds([[1.0], [2.0]]),
        Crossed([np.array([[0.1, 0.9]])], ["a", "a"]).estimate(),
    ):
        assert all(map(math.isnan, (*estimate.interval(), estimate.p())))


def test_trainings_of_one_case_are_compared_over_trainings():
    rng = np.random.default_rng(2)
    rows = [rng.normal(size=(3, 4)), rng.normal(size=(3, 4))]
    estimate = Crossed(rows, ["a"] * 4).estimate()
    expected = stats.ttest_ind(*(row.mean(axis=1) for row in rows))
    assert estimate.p() == pytest.approx(expected.pvalue)


def test_slices_of_one_patient_do_not_count_as_many():
    values = np.random.default_rng(3).uniform(0, 1, (2, 12))
    one = Crossed([values], alone(12)).estimate()
    many = Crossed([values.repeat(50, axis=1)], alone(12).repeat(50)).estimate()
    assert many.interval() == pytest.approx(one.interval())


def test_the_mean_is_over_images_whatever_their_order():
    values, cases = np.array([[1.0] * 9 + [0.0]]), np.array([0, 1, 2] * 3 + [3])
    estimate = Crossed([values], cases).estimate()
    assert estimate.value == pytest.approx(0.9)
    order = np.random.default_rng(0).permutation(10)
    again = Crossed([values[:, order]], cases[order]).estimate()
    assert again.interval() == pytest.approx(estimate.interval())


def test_uneven_cases_count_for_fewer():
    assert Crossed([np.zeros((1, 12))], alone(12) // 3).case_freedom == pytest.approx(3)
    assert 1 < Crossed([np.zeros((1, 12))], [0] * 9 + [1, 2, 3]).case_freedom + 1 < 2


def test_the_interval_ends_where_p_is_its_level():
    (ours, theirs), cases = drawn(1, 3, 20, training=1.0)
    estimate = Crossed([ours[0], theirs[0]], cases).estimate()
    low, high = estimate.interval(0.9)
    assert estimate.p(low) == pytest.approx(0.1) == estimate.p(high)
    assert estimate.p(estimate.value) == 1
    swapped = Crossed([theirs[0], ours[0]], cases).estimate()
    assert swapped.p() == pytest.approx(estimate.p())


def test_a_constant_difference_is_certain():
    scores = np.random.default_rng(4).uniform(0, 1, (2, 9))
    estimate = Crossed([scores + 0.5, scores], alone(9)).estimate()
    assert estimate.p() < 1e-9
    flat = Crossed([np.ones((2, 9)), np.zeros((2, 9))], alone(9)).estimate()
    assert flat.p() == SMALLEST and flat.interval() == (1, 1)


@pytest.mark.parametrize("training", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("size", [1, 10])
def test_equal_methods_are_told_apart_as_often_as_the_level_says(seeds, size, training):
    rows, cases = drawn(4000, seeds, 160, size, training)
    low, high = Crossed(rows, cases).estimate().interval()
    covered = ((low <= 0) & (high >= 0)).mean()
    assert 0.93 <= covered <= 0.98  # two trainings may be given more than they need


def test_images_alone_would_call_two_lucky_trainings_a_difference():
    rows, cases = drawn(1000, 3, 200, training=0.5)
    low, high = Crossed(rows, cases).estimate().interval()
    averaged = [row.mean(axis=1, keepdims=True) for row in rows]
    low_then, high_then = Crossed(averaged, cases).estimate().interval()
    assert ((low_then > 0) | (high_then < 0)).mean() > 0.4  # at a level of 5 %
    assert ((low > 0) | (high < 0)).mean() < 0.07


def test_the_mean_of_sets_is_welchs():
    rng = np.random.default_rng(6)
    sets = [rng.normal(0.8, 0.1, 12), rng.normal(0.6, 0.3, 20)]
    found = pooled([Crossed([s[None]], alone(len(s))).estimate() for s in sets])
    expected = stats.ttest_ind(sets[0], -sets[1], equal_var=False)  # twice their mean against 0
    assert found.p() == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(0.95)
    assert found.interval() == pytest.approx((low / 2, high / 2))
    single = Crossed([np.array([[0.5, 0.7]])], ["a", "a"]).estimate()
    assert math.isnan(pooled([found, single]).interval()[0])


def test_holm():
    # By hand: 0.01 x 4, then the running maximum of 0.02 x 3, 0.03 x 2 and 0.5 x 1.
    corrected = holm([0.5, 0.01, float("nan"), 0.03, 0.02])
    assert corrected[[0, 1, 3, 4]] == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert math.isnan(corrected[2])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8])
    assert holm([]).shape == (0,)
