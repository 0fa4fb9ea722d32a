"""Bootstrap intervals and paired tests: cases with a known answer, and slices of one patient."""

import math

import numpy as np
import pandas as pd
import pytest

from workflow_src.metrics.intervals import mean_interval, paired_difference


def cases(*values):
    return pd.Series(values, dtype=float), pd.Series(range(len(values))).astype(str)


def test_the_interval_of_a_large_sample_is_the_normal_one():
    values, names = cases(*np.random.default_rng(0).normal(0.8, 0.1, 400))
    low, high = mean_interval(values, names)
    half = 1.96 * values.std() / math.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 8)


def test_equal_scores_have_an_interval_without_width():
    assert mean_interval(*cases(*[0.7] * 10)) == pytest.approx((0.7, 0.7))


def test_a_single_case_has_no_interval():
    assert all(map(math.isnan, mean_interval(pd.Series([0.1, 0.9]), pd.Series(["a", "a"]))))


def test_slices_of_one_patient_do_not_count_as_many():
    values, names = cases(*np.random.default_rng(1).uniform(0, 1, 12))
    repeated = values.repeat(50).reset_index(drop=True), names.repeat(50).reset_index(drop=True)
    assert mean_interval(*repeated) == pytest.approx(mean_interval(values, names))


def test_patients_with_more_slices_weigh_more():
    # Ninety-nine slices at 1 and one at 0: the mean over slices, not over patients.
    values = pd.Series([1.0] * 99 + [0.0])
    low, high = mean_interval(values, pd.Series(["a"] * 33 + ["b"] * 33 + ["c"] * 33 + ["d"]))
    assert low <= 0.99 <= high
    assert high == 1


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(2), 0
    for trial in range(60):
        low, high = mean_interval(*cases(*rng.exponential(1, 40)), seed=trial)
        hits += low <= 1 <= high
    assert 50 <= hits <= 60  # 95 % of 60 are 57; a skewed sample loses a few


def test_the_same_seed_gives_the_same_interval():
    sample = cases(*np.random.default_rng(3).uniform(0, 1, 20))
    assert mean_interval(*sample, seed=5) == mean_interval(*sample, seed=5)
    assert mean_interval(*sample, seed=5) != mean_interval(*sample, seed=6)


def test_equal_models_do_not_differ():
    scores, names = cases(0.2, 0.5, 0.9)
    result = paired_difference(scores, scores, names)
    assert result == {"difference": 0, "low": 0, "high": 0, "p": 1, "cases": 3}


def test_the_sign_flip_test_of_four_cases():
    # All four gaps are equal: of 16 sign patterns two are as extreme, p = 1/8.
    theirs, names = cases(0.1, 0.2, 0.3, 0.4)
    result = paired_difference(theirs + 0.5, theirs, names)
    assert result["difference"] == pytest.approx(0.5)
    assert result["p"] == pytest.approx(0.125, abs=0.03)


def test_the_paired_test_sees_what_unpaired_scores_hide():
    rng = np.random.default_rng(4)
    theirs, names = cases(*rng.uniform(0, 1, 60))  # images differ widely, models by a little
    result = paired_difference(theirs + 0.01 + rng.normal(0, 0.01, 60), theirs, names)
    assert result["p"] < 0.01
    assert 0 < result["low"] < result["difference"] < result["high"] < 0.02


def test_noise_is_not_called_a_difference():
    ps = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ours, names = cases(*rng.uniform(0, 1, 15))
        ps.append(paired_difference(ours, pd.Series(rng.uniform(0, 1, 15)), names)["p"])
    assert sum(p < 0.05 for p in ps) <= 6  # 2 are expected
    assert min(ps) > 0


def test_changing_sides_changes_the_sign_only():
    rng = np.random.default_rng(5)
    ours, names = cases(*rng.uniform(0, 1, 20))
    theirs = pd.Series(rng.uniform(0, 1, 20))
    one, other = paired_difference(ours, theirs, names), paired_difference(theirs, ours, names)
    assert one["difference"] == pytest.approx(-other["difference"])
    assert one["p"] == other["p"]
    assert one["low"] < one["difference"] < one["high"]


def test_signs_flip_by_patient():
    # Two patients with many slices each: no more than two flips, so no p below about 1/2.
    gap = pd.Series([0.1] * 40)
    patients = pd.Series(["a"] * 20 + ["b"] * 20)
    result = paired_difference(gap, gap * 0, patients)
    assert result["cases"] == 2
    assert result["p"] == pytest.approx(0.5, abs=0.05)
