"""Power: against formulas and simulation, and the plans that follow from it."""

import math

import numpy as np
import pytest
from scipy import stats

from workflow_src.metrics.crossed import Crossed
from workflow_src.metrics.planning import MOST_SEEDS, POWER, Spread, needed, power, spread_of


def scores(trials, seeds, images, effect=0.0, training=0.4, seed=0):
    rng = np.random.default_rng(seed)
    return [
        shift
        + rng.normal(size=(trials, 1, images))
        + training * rng.normal(size=(trials, seeds, 1))
        + 0.5 * rng.normal(size=(trials, seeds, images))
        for shift in (effect, 0.0)
    ]


def test_the_spread_of_known_components():
    pairs = zip(*scores(300, 4, 60), strict=True)
    found = [spread_of(Crossed(pair, np.arange(60))) for pair in pairs]
    means = {name: np.mean([getattr(s, name) for s in found]) for name in ("seed", "case", "both")}
    assert means == pytest.approx({"seed": 0.16, "case": 2.0, "both": 0.25}, rel=0.1)
    assert (found[0].cases, found[0].evenness) == (60, 1)


def test_one_training_each_tells_nothing_of_trainings():
    ours, theirs = (row[0] for row in scores(1, 1, 40))
    assert math.isnan(spread_of(Crossed([ours, theirs], np.arange(40))).seed)


def test_power_without_images_is_students():
    spread, effect = Spread(seed=1.0), 2.0
    for seeds in (3, 8):
        freedom, shift = 2 * seeds - 2, effect / math.sqrt(2 / seeds)
        limit = stats.t.isf(0.025, freedom)
        assert power(spread, effect, seeds, 0, 0.05) == pytest.approx(
            stats.nct.sf(limit, freedom, shift), abs=0.03
        )


def test_power_is_how_often_the_test_finds_the_effect():
    rows = scores(3000, 3, 50, effect=1.2)
    low, _ = Crossed(rows, np.arange(50)).estimate().interval()
    spread = Spread(seed=0.16, case=2.0, both=0.25, cases=50)
    assert power(spread, 1.2, 3, 50, 0.05) == pytest.approx((low > 0).mean(), abs=0.03)


def test_what_is_needed_has_the_power_and_less_has_not():
    spread = Spread(seed=0.16, case=2.0, both=0.25, cases=200)
    seeds, cases = needed(spread, 0.8, 0.05)
    assert cases == 200 and 2 < seeds < MOST_SEEDS
    enough, less = (power(spread, 0.8, count, cases, 0.05) for count in (seeds, seeds - 1))
    assert enough >= POWER > less


def test_where_images_are_too_few_more_are_asked_for():
    spread = Spread(seed=0.01, case=4.0, both=0.1, cases=20)
    seeds, cases = needed(spread, 0.5, 0.05)
    assert seeds == MOST_SEEDS and 100 < cases < 200  # about 4 (1.96 + 0.84)^2 / 0.25
    assert needed(spread, 1e-4, 0.05) is None
    assert needed(Spread(seed=1.0), 0.1, 0.05) is None  # no images to add
