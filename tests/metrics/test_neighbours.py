"""Precision, recall, density, coverage and copies against cases by hand and a plain computation."""

import numpy as np
import pytest

from workflow_src.metrics import neighbours
from workflow_src.metrics.neighbours import copies, manifolds, nearest_of


def line(*places: float) -> np.ndarray:
    """Images with one feature."""
    return np.array(places)[:, None]


def test_two_sets_on_a_line_by_hand():
    # With one neighbour, the balls of the real images reach 1, 1 and 9; of the synthetic, 1.5, 1.5
    # and 18.5.
    real, synthetic = line(0, 1, 10), line(0.5, 2, 20.5)
    found = manifolds(real, synthetic, nearest=1)
    assert found["precision"] == pytest.approx(2 / 3)  # 20.5 is 10.5 from 10
    assert found["recall"] == pytest.approx(1.0)  # 10 is 10.5 from 20.5, whose ball reaches 18.5
    # 0.5 lies in the balls of 0 and 1, and 2 in that of 10 alone: at the edge is not within
    assert found["density"] == pytest.approx(3 / 3)
    assert found["coverage"] == pytest.approx(1.0)


def test_a_copy_of_few_images_is_precise_and_covers_little():
    real = np.random.default_rng(0).normal(size=(200, 4))
    found = manifolds(real, real[:5].repeat(20, axis=0) + 1e-6)
    assert found["precision"] == 1.0
    assert found["recall"] < 0.1 and found["coverage"] < 0.2


def test_like_sets_cover_each_other_and_strangers_do_not():
    one, other = np.random.default_rng(0).normal(size=(2, 300, 4))
    like, strange = manifolds(one, other), manifolds(one, other + 100)
    assert min(like["precision"], like["recall"], like["coverage"]) > 0.9
    assert like["density"] == pytest.approx(1, abs=0.15)
    assert strange == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def plainly(real: np.ndarray, synthetic: np.ndarray, k: int) -> dict[str, float]:
    """The four measures by their definitions, pair by pair."""

    def apart(x, y):
        return float(np.sqrt(sum((x - y) ** 2)))

    def radius(x, others):
        return sorted(apart(x, y) for y in others)[k]  # the first is itself

    real_balls = [(x, radius(x, real)) for x in real]
    synthetic_balls = [(y, radius(y, synthetic)) for y in synthetic]
    return {
        "precision": np.mean([any(apart(x, y) < r for x, r in real_balls) for y in synthetic]),
        "recall": np.mean([any(apart(x, y) < r for y, r in synthetic_balls) for x in real]),
        "density": sum(apart(x, y) < r for x, r in real_balls for y in synthetic)
        / (k * len(synthetic)),
        "coverage": np.mean([min(apart(x, y) for y in synthetic) < r for x, r in real_balls]),
    }


@pytest.mark.parametrize("rows", [1024, 7])
def test_the_measures_are_their_definitions_however_many_rows_are_held(rows, monkeypatch):
    monkeypatch.setattr(neighbours, "ROWS", rows)
    rng = np.random.default_rng(1)
    real, synthetic = rng.normal(size=(40, 3)), 0.7 * rng.normal(size=(30, 3)) + 0.8
    expected = plainly(real, synthetic, 5)
    assert 0.1 < expected["recall"] < 0.9 and 0.1 < expected["coverage"] < 0.9
    assert manifolds(real, synthetic) == pytest.approx(expected)


def test_the_nearest_training_image_and_how_far_it_is():
    which, apart = nearest_of(line(0.4, 9), line(0, 1, 10))
    assert which.tolist() == [0, 2]
    assert apart == pytest.approx([0.4, 1])


def test_images_of_the_same_case_are_left_out():
    cases = np.array(["a", "c"]), np.array(["a", "b", "c"])
    which, apart = nearest_of(line(0.4, 9), line(0, 1, 10), cases)
    assert which.tolist() == [1, 1]
    assert apart == pytest.approx([0.6, 8])
    _, apart = nearest_of(line(0.4), line(0, 1), (np.array(["a"]), np.array(["a", "a"])))
    assert np.isinf(apart).all()


def shares(features: np.ndarray, training: np.ndarray, closest: float | None) -> float | None:
    rows = np.arange(len(features)), np.arange(len(training))
    return copies(features, training, closest, *rows)["copies"]


def test_copies_are_closer_than_real_images_of_other_cases():
    rows = np.array([7, 8, 9]), np.array([100, 200])
    found = copies(line(0, 0.4, 4), line(0, 1), 0.4, *rows)
    assert found["copies"] == pytest.approx(1 / 3) and found["closest_real"] == 0.4
    named = [[7, 100, 0], [8, 100, 0.4], [9, 200, 3]]
    np.testing.assert_allclose(found["closest_pairs"], named)
    assert shares(line(0, 0.4), line(0, 1), None) is None


def test_training_images_are_all_copies_of_themselves_and_noise_on_them_is_found():
    rng = np.random.default_rng(2)
    training, held_out, fresh = rng.normal(size=(3, 100, 16))
    closest = nearest_of(held_out, training)[1].min()
    assert shares(training, training, closest) == 1.0
    assert shares(training + 0.01, training, closest) == 1.0
    assert shares(fresh, training, closest) < 0.05
