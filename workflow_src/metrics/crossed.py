"""Means and differences where trainings and cases both vary: intervals and tests.

A row of a table is S trainings, each scored on the same N images of K cases. Trainings and cases
are crossed, so the variance of the row's mean has three parts,

    var(training) / S + var(case) / K + var(training x case) / (S K),

and a difference of two rows has the trainings of both: they share nothing that lasts, a seed of one
being no partner of the same seed of the other. The mean squares between trainings and between cases
each hold the last part; it is taken off the former, so that the sum counts it once. The interval is
Howe's for a sum of two estimates (W. G. Howe, JASA 69, 1974),

    half width^2 = t(trainings)^2 var(trainings) + t(cases)^2 var(cases),

each part with Student's t at its own degrees of freedom; p is the level at which the interval ends
at the value tested. docs/statistics.md shows how this and other methods fare in a simulation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

SMALLEST = 1e-100  # the least p that is told from 0; a t of one degree of freedom still fits


@dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of two, and the variances that trainings and cases give it.

    Args:
        value: the estimate.
        seed_variance: of the estimate, from trainings.
        seed_freedom: its degrees of freedom; 0 with one training per row, which cannot show it.
        case_variance: of the estimate, from cases.
        case_freedom: its degrees of freedom; 0 with a single case, or none, as FID has none.
    """

    value: float
    seed_variance: float = 0.0
    seed_freedom: float = 0.0
    case_variance: float = 0.0
    case_freedom: float = 0.0

    def squared_half_width(self, tail: float):
        """Half of the interval's width, squared, with `tail` of probability beyond each end."""
        parts = (self.seed_variance, self.seed_freedom), (self.case_variance, self.case_freedom)
        return sum(stats.t.isf(tail, df) ** 2 * variance for variance, df in parts if df > 0)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Both ends; nan where neither trainings nor cases are repeated."""
        if self.seed_freedom <= 0 and self.case_freedom <= 0:
            return float("nan"), float("nan")
        half = np.sqrt(self.squared_half_width((1 - level) / 2))
        return self.value - half, self.value + half

    def p(self, than: float = 0.0) -> float:
        """Two-sided p of the test that the true value is `than`; nan where there is no interval."""
        if np.isnan(self.interval()[0]):
            return float("nan")
        squared = (self.value - than) ** 2
        if squared <= 1e-24:
            return 1.0

        def excess(logarithm: float) -> float:
            return self.squared_half_width(np.exp(logarithm) / 2) - squared

        least = np.log(SMALLEST)
        return float(np.exp(brentq(excess, least, 0.0))) if excess(least) > 0 else SMALLEST


class Crossed:
    """Scores of one row, or of two that are compared.

    Args:
        rows: one or two arrays (..., S, N): trainings, of which each row may have its own number,
            and images, the same in the same order. Leading axes are data sets of their own.
        cases: (N,) the case of each image.
    """

    def __init__(self, rows: Sequence[np.ndarray], cases: Sequence[str] | np.ndarray):
        self.rows = [np.asarray(row, float) for row in rows]
        self.seeds = [row.shape[-2] for row in self.rows]
        _, codes, counts = np.unique(np.asarray(cases), return_inverse=True, return_counts=True)
        self.images, self.cases = len(codes), len(counts)
        self._order = np.argsort(codes, kind="stable")
        self._starts = np.cumsum(counts) - counts
        self.seed_freedom = sum(self.seeds) - len(self.seeds)
        # Of cases that differ in size this many of one size would tell as much.
        self.case_freedom = self.images**2 / float((counts**2).sum()) - 1

    def estimate(self) -> Estimate:
        """The row's mean over images, or the first row's minus the second's."""
        value, seeds, cases, both = self.mean_squares()
        return Estimate(
            value,
            np.maximum(seeds - both, 0.0),
            self.seed_freedom,
            cases,
            self.case_freedom if self.cases > 1 else 0.0,
        )

    def mean_squares(self) -> tuple:
        """The estimate, and its variance as seen between trainings, between cases and in both.

        The first two each hold the third. What is not repeated has a variance of 0.
        """
        share = sum(1 / count for count in self.seeds)
        seeds = both = 0.0
        for row in self.rows:
            apart = row.mean(axis=-1, keepdims=True)
            apart = apart - apart.mean(axis=-2, keepdims=True)
            seeds = seeds + (apart**2).sum(axis=(-2, -1))
            rest = row - row.mean(axis=-2, keepdims=True) - apart
            both = both + (self._by_case(rest) ** 2).sum(axis=(-2, -1))
        seeds = seeds * share / max(self.seed_freedom, 1)
        pairs = self.seed_freedom * (self.cases - 1)
        both = both * share / max(pairs, 1) / self.cases
        first, *other = (row.mean(axis=-2) for row in self.rows)
        gap = first - other[0] if other else first
        value = gap.mean(axis=-1)
        cases = (self._by_case(gap - gap.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
        return value, seeds, cases / max(self.cases - 1, 1) / self.cases, both

    def _by_case(self, values: np.ndarray) -> np.ndarray:
        """Sums over each case's images (..., K), scaled to have the images' mean as their mean."""
        sums = np.add.reduceat(values[..., self._order], self._starts, axis=-1)
        return sums * (self.cases / self.images)


def over_seeds(rows: Sequence[Sequence[float]]) -> Estimate:
    """A mean, or a difference of two, of values without images, such as FID.

    Args:
        rows: one or two lists with a value per training.
    """
    values = [np.asarray(row, float) for row in rows]
    freedom = sum(map(len, values)) - len(values)
    squares = sum(((row - row.mean()) ** 2).sum() for row in values)
    variance = squares / max(freedom, 1) * sum(1 / len(row) for row in values)
    first, *other = (float(row.mean()) for row in values)
    return Estimate(first - other[0] if other else first, float(variance), freedom)


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of estimates of one training on cases of their own, such as those of test sets.

    Their variances add, with Satterthwaite's degrees of freedom; one without cases leaves none.
    """
    count = len(estimates)
    value = sum(estimate.value for estimate in estimates) / count
    if any(estimate.case_freedom <= 0 for estimate in estimates):
        return Estimate(value)
    parts = [estimate.case_variance / count**2 for estimate in estimates]
    total = sum(parts)
    spread = sum(v**2 / e.case_freedom for v, e in zip(parts, estimates, strict=True))
    freedom = total**2 / spread if spread else sum(e.case_freedom for e in estimates)
    return Estimate(value, case_variance=total, case_freedom=freedom)


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's corrected p of tests made together; nan stays nan and counts for none."""
    raw = np.asarray(p, float)
    tested = np.flatnonzero(~np.isnan(raw))
    order = tested[np.argsort(raw[tested], kind="stable")]
    corrected = np.full(raw.shape, np.nan)
    steps = raw[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
