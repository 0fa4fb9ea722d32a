"""How many trainings and images a comparison needs to be decided: power from variances seen."""

from dataclasses import dataclass

import numpy as np

from workflow_src.metrics.crossed import Crossed, Estimate

DRAWS = 4000
POWER = 0.8
MOST_SEEDS = 20
MOST_TIMES = 1000  # as many images as there are, at most


@dataclass(frozen=True)
class Spread:
    """What the difference of two rows varies by.

    Args:
        seed: variance between trainings of a row; nan if neither was trained twice.
        case: variance of the difference between cases.
        both: variance of a training from case to case beyond these.
        cases: that it was seen on; 0 for a value without images, as FID.
        evenness: degrees of freedom of the cases, a case: below 1 where cases differ in size.
    """

    seed: float
    case: float = 0.0
    both: float = 0.0
    cases: int = 0
    evenness: float = 1.0


def spread_of(crossed: Crossed) -> Spread:
    """The spread of two rows' difference, from their scores."""
    _, seeds, cases, both = crossed.mean_squares()
    share = sum(1 / count for count in crossed.seeds)
    repeated = crossed.seed_freedom > 0
    rest = both * crossed.cases / share
    return Spread(
        seed=max(seeds - both, 0.0) / share if repeated else float("nan"),
        case=max(cases - both, 0.0) * crossed.cases,
        both=rest,
        cases=crossed.cases,
        evenness=(crossed.case_freedom + 1) / crossed.cases,
    )


def power(spread: Spread, effect: float, seeds: int, cases: int, level: float) -> float:
    """Probability that a true effect is found at a level, by drawing what a study would see.

    Args:
        spread: of the difference; an unknown variance of trainings counts as none.
        effect: the true difference.
        seeds: trainings of each row, at least 2.
        cases: that all are scored on; 0 for a value without images.
        level: of the two-sided test.
    """
    rng = np.random.default_rng(0)
    freedom = 2 * (seeds - 1)
    both = spread.both * 2 / (seeds * cases) if cases else 0.0
    by_seed = np.nan_to_num(spread.seed) * 2 / seeds + both
    seen = by_seed * rng.chisquare(freedom, DRAWS) / freedom
    by_case, case_freedom = np.zeros(1), 0.0
    total = by_seed
    if cases:
        case_freedom = max(spread.evenness * cases - 1, 1e-3)
        by_case = (spread.case / cases + both) * rng.chisquare(case_freedom, DRAWS) / case_freedom
        pairs = freedom * (cases - 1)
        seen = np.maximum(seen - both * rng.chisquare(pairs, DRAWS) / pairs, 0.0)
        total += spread.case / cases
    value = effect + np.sqrt(total) * rng.standard_normal(DRAWS)
    estimate = Estimate(0.0, seen, freedom, by_case, case_freedom)  # type: ignore[arg-type]
    found = np.abs(value) > np.sqrt(estimate.squared_half_width(level / 2))
    return float((found & (np.sign(value) == np.sign(effect))).mean())


def needed(spread: Spread, effect: float, level: float) -> tuple[int, int] | None:
    """Fewest trainings of each row, and cases, that find an effect with a power of 80 %.

    Cases are those at hand, unless MOST_SEEDS trainings are not enough; then the fewest cases that
    are enough with MOST_SEEDS. None where MOST_TIMES as many cases are not enough either.

    Args:
        spread: of the difference.
        effect: the true difference.
        level: of the two-sided test.
    """

    def enough(seeds: int, cases: int) -> bool:
        return power(spread, effect, seeds, cases, level) >= POWER

    for seeds in range(2, MOST_SEEDS + 1):
        if enough(seeds, spread.cases):
            return seeds, spread.cases
    low, high = spread.cases, spread.cases * MOST_TIMES
    if not spread.cases or not enough(MOST_SEEDS, high):
        return None
    while high - low > max(1, low // 50):  # power is drawn: finer steps would say nothing
        middle = (low + high) // 2
        low, high = (low, middle) if enough(MOST_SEEDS, middle) else (middle, high)
    return MOST_SEEDS, high
