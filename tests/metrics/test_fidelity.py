"""Distances and similarities of features against cases by hand and other implementations."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from workflow_src.metrics.fidelity import (
    frechet_distance,
    gaussian_discrepancy,
    kernel_distance,
    similarity,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def exactly_normal(count: int, mean: np.ndarray, root: np.ndarray, seed: int = 0) -> np.ndarray:
    """Features whose sample mean is exactly `mean` and sample covariance `root.T @ root`."""
    x = np.random.default_rng(seed).normal(size=(count, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ root + mean


@pytest.mark.parametrize("count", [200, 10])
def test_fid_of_a_set_with_itself_is_nothing(count):
    features = np.random.default_rng(0).normal(size=(count, 16)).astype(np.float32)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features, features[::-1]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [200, 10])
def test_fid_of_a_shifted_set_is_the_shift_squared(count):
    features = np.random.default_rng(0).normal(size=(count, 16))
    assert frechet_distance(features, features + 0.5) == pytest.approx(16 * 0.25)


def test_fid_of_two_normal_sets_is_the_closed_form():
    # Axes apart: |mu|^2 + the sum of (sigma - sigma')^2 = (1 + 4) + (1 - 3)^2 + (2 - 2)^2 = 9.
    one = exactly_normal(300, np.zeros(2), np.diag([1.0, 2.0]))
    other = exactly_normal(500, np.array([1.0, 2.0]), np.diag([3.0, 2.0]), seed=1)
    assert frechet_distance(one, other) == pytest.approx(9.0)


def test_fid_of_tilted_sets_agrees_with_scipys_matrix_root():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 5, 5))
    one, other = exactly_normal(300, np.zeros(5), a), exactly_normal(400, np.ones(5), b, seed=3)
    ours, theirs = a.T @ a, b.T @ b
    expected = 5.0 + np.trace(ours + theirs - 2 * sqrtm(ours @ theirs).real)
    assert expected > 8
    assert frechet_distance(one, other) == pytest.approx(expected)
    assert frechet_distance(other, one) == pytest.approx(expected)


@pytest.mark.parametrize("counts", [(300, 200), (300, 20), (12, 20)])
def test_fid_agrees_with_torch_fidelity_with_more_and_with_fewer_images_than_dimensions(counts):
    rng = np.random.default_rng(4)
    mixing = rng.normal(size=(40, 40)) / 6
    sets = [rng.normal(size=(count, 40)) @ mixing + shift
            for count, shift in zip(counts, (0, 0.2), strict=True)]  # fmt: skip
    statistics = [fid_features_to_statistics(torch.from_numpy(s)) for s in sets]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert expected > 3
    assert frechet_distance(*sets) == pytest.approx(expected, rel=1e-4)


def test_fid_of_like_sets_grows_as_images_become_fewer():
    rng = np.random.default_rng(5)
    few, more, many = (frechet_distance(*rng.normal(size=(2, n, 64))) for n in (20, 80, 320))
    assert few > 2 * more > 4 * many > 0


def test_kid_is_the_unbiased_distance_under_a_cubic_kernel():
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(size=(40, 8)), rng.normal(size=(30, 8)) + 0.5

    def kernel(x, y):
        return float(x @ y / 8 + 1) ** 3

    among = sum(
        np.mean([kernel(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j])
        for s in (real, synthetic)
    )
    between = np.mean([kernel(x, y) for x in real for y in synthetic])
    assert kernel_distance(real, synthetic) == pytest.approx(among - 2 * between)
    assert kernel_distance(synthetic, real) == pytest.approx(among - 2 * between)


def test_kid_agrees_with_torch_fidelity_where_a_subset_is_the_whole():
    real, synthetic = np.random.default_rng(1).normal(size=(2, 50, 8)) + [[[0.0]], [[0.4]]]
    theirs = kid_features_to_metric(
        torch.from_numpy(synthetic), torch.from_numpy(real),
        kid_subset_size=50, kid_subsets=1, rng_seed=0, verbose=False,
    )  # fmt: skip
    assert kernel_distance(real, synthetic) == pytest.approx(
        theirs["kernel_inception_distance_mean"], rel=1e-6
    )


def test_kid_of_like_sets_is_about_nothing_at_any_number_of_images():
    rng = np.random.default_rng(2)
    for count in (20, 200):
        found = [kernel_distance(*(0.3 * rng.normal(size=(2, count, 8)))) for _ in range(20)]
        assert abs(np.mean(found)) < 3 * np.std(found) / 20**0.5 < 0.02
    one, other = 0.3 * rng.normal(size=(2, 100, 8))
    near, far = (kernel_distance(one, other + by) for by in (0.2, 0.6))
    assert 0.05 < near < far


def test_clip_i_is_the_cosine_over_all_pairs_and_over_the_given_ones():
    real, synthetic = np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([[1.0, 0.0], [5.0, 5.0]])
    # cosines 1 and 0 of the first, 0.707107 twice of the second
    found = similarity(real, synthetic, np.array([0, 1]))
    assert found["similarity"] == pytest.approx((1 + 0 + 0.707107 + 0.707107) / 4)
    assert found["similarity_paired"] == pytest.approx((1 + 0.707107) / 2)
    swapped = similarity(real, synthetic, np.array([1, 1]))["similarity_paired"]
    assert swapped == pytest.approx((0 + 0.707107) / 2)
    assert similarity(real, synthetic) == {"similarity": found["similarity"]}


def test_cmmd_is_the_mean_discrepancy_under_a_gaussian_kernel_of_unit_vectors():
    rng = np.random.default_rng(3)
    real, synthetic = rng.normal(size=(12, 6)), 3 * rng.normal(size=(9, 6)) + 2

    def kernel(x, y):
        apart = x / np.linalg.norm(x) - y / np.linalg.norm(y)
        return np.exp(-(apart @ apart) / (2 * 0.5**2))

    def mean(ones, others):
        return np.mean([kernel(x, y) for x in ones for y in others])

    expected = mean(real, real) + mean(synthetic, synthetic) - 2 * mean(real, synthetic)
    assert expected > 0.05
    assert gaussian_discrepancy(real, synthetic, width=0.5) == pytest.approx(expected)
    assert gaussian_discrepancy(real, real, width=0.5) == pytest.approx(0, abs=1e-12)


def test_cmmd_of_opposite_vectors_is_the_closed_form():
    # kernels 1 within, exp(-4 / 200) between
    one = np.array([[1.0, 0.0]])
    assert gaussian_discrepancy(one, -one) == pytest.approx(2 - 2 * np.exp(-0.02))
