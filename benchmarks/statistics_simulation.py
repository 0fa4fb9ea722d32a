"""How often intervals hold the truth when trainings and cases both vary: methods side by side.

    python benchmarks/statistics_simulation.py                # minutes of one core
    python benchmarks/statistics_simulation.py --trials 500   # a first look

Two methods without a difference are trained and scored many times over. An image's score is the
sum of an image effect (the method's own on that image, half of its variance common to the images
of a case), a training's effect on all images, and a training's effect on that image, as large as
the image effect. Images' own difficulty is left out: both methods have it, so it is in no
difference. The training effect's deviation is none, half or twice that of the image effect, read in
two ways: of one image's, and of what all images leave in the mean, where both sources matter.

Printed are the share of trials whose 95 % interval holds the true difference (which is one minus
the share of false positives), and the power for a difference of three true standard errors, which a
test that knew all variances would find in 85 % of trials.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402
from tqdm import tqdm  # noqa: E402

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.metrics.crossed import Crossed  # noqa: E402

SEEDS, IMAGES, CASE_SIZES = (2, 3, 5), (40, 162, 800), (1, 10)
EFFECTS = (("none", 0.0), ("mean", 0.5), ("mean", 2.0), ("image", 0.5), ("image", 2.0))
RESAMPLES = 300
AT_ONCE = 500
CHOSEN = "Howe"


@dataclass(frozen=True)
class Design:
    """One cell of the simulation.

    Args:
        size: images of a case.
        seeds: trainings of each method.
        images: that all are scored on; a last case may be smaller.
        unit: what the training effect is relative to: "image", or "mean" of all images.
        ratio: deviation of the training effect in that unit.
        skewed: image effects are exponential, as scores near a limit are, of one method alone.
        uneven: the first method's trainings vary three times as much as the second's.
    """

    size: int
    seeds: int
    images: int
    unit: str
    ratio: float
    skewed: bool = False
    uneven: bool = False

    @property
    def cases(self) -> np.ndarray:
        return np.arange(self.images) // self.size

    def draw(self, trials: int, rng: np.random.Generator) -> tuple[list[np.ndarray], float]:
        """Scores (trials, S, N) of both methods, and the true standard error of their gap."""
        cases = self.cases
        count = cases[-1] + 1

        def effect(*shape: int, skewed: bool = False) -> np.ndarray:
            draw = (lambda s: rng.exponential(size=s) - 1) if skewed else rng.standard_normal
            if self.size == 1:
                return draw((*shape, count))
            return np.sqrt(0.5) * (draw((*shape, count))[..., cases] + draw((*shape, len(cases))))

        # The mean over images of an effect of unit variance on images varies by this.
        spread = (0.5 * (np.bincount(cases) ** 2).sum() + 0.5 * len(cases)) / len(cases) ** 2
        deviation = self.ratio
        if self.unit == "mean":
            deviation *= np.sqrt(spread * (1 + 1 / self.seeds) * self.seeds)
        rows, variance = [], 2 * spread * (1 + 1 / self.seeds)
        for number in range(2):
            own = deviation * (3.0 if self.uneven and number == 0 else 1.0)
            variance += own**2 / self.seeds
            rows.append(
                effect(trials, 1, skewed=self.skewed and number == 0)
                + own * rng.standard_normal((trials, self.seeds, 1))
                + effect(trials, self.seeds)
            )
        return rows, float(np.sqrt(variance))


def resampled_ends(
    rows: list[np.ndarray], cases: np.ndarray, seeds_too: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals (trials,) from resampled cases, of resampled trainings too if asked.

    All trials share their resamples, which changes nothing in the share that holds the truth.
    """
    count, sizes = cases[-1] + 1, np.bincount(cases)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    weights = drawn[:, cases] / (drawn @ sizes)[:, None]
    gap = 0.0
    for sign, row in zip((1, -1), rows, strict=True):
        means = row @ weights.T  # (trials, S, resamples)
        seeds = row.shape[1]
        chosen = np.full((seeds, RESAMPLES), 1.0)
        if seeds_too:
            chosen = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES).T
        gap = gap + sign * (means * chosen).sum(axis=1) / seeds
    low, high = np.percentile(gap, [2.5, 97.5], axis=1)
    return low, high


def intervals(
    rows: list[np.ndarray], cases: np.ndarray, rng: np.random.Generator, every: bool
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Ends of each method's interval, each (trials,)."""
    crossed = Crossed(rows, cases)
    found = {CHOSEN: crossed.estimate().interval()}
    if not every:
        return found
    value, seeds, by_case, both = crossed.mean_squares()
    df, case_df = crossed.seed_freedom, crossed.case_freedom
    pair_df = df * (crossed.cases - 1)
    total = np.maximum.reduce([seeds + by_case - both, seeds, by_case])
    added = total**2 / (seeds**2 / df + by_case**2 / case_df + both**2 / pair_df)
    halves = {
        "Satterthwaite": stats.t.isf(0.025, added) * np.sqrt(total),
        "both tests": np.maximum(
            stats.t.isf(0.025, df) * np.sqrt(seeds), stats.t.isf(0.025, case_df) * np.sqrt(by_case)
        ),
        "mixed model": stats.norm.isf(0.025) * np.sqrt(total),
    }
    found |= {name: (value - half, value + half) for name, half in halves.items()}
    found["two-level bootstrap"] = resampled_ends(rows, cases, True, rng)
    found["images alone"] = resampled_ends(rows, cases, False, rng)
    return found


def measured(design: Design, trials: int, seed: int, every: bool) -> dict[str, tuple]:
    """Coverage and power of each method, in percent."""
    rng = np.random.default_rng(seed)
    held: dict[str, list[int]] = {}
    for start in range(0, trials, AT_ONCE):
        rows, error = design.draw(min(AT_ONCE, trials - start), rng)
        for name, (low, high) in intervals(rows, design.cases, rng, every).items():
            counts = held.setdefault(name, [0, 0])
            counts[0] += int(((low <= 0) & (high >= 0)).sum())
            counts[1] += int((low + 3 * error > 0).sum())  # the same draws, moved by the difference
    return {name: tuple(100 * c / trials for c in counts) for name, counts in held.items()}


def designs(**other: bool) -> Iterator[Design]:
    """All cells."""
    for size in CASE_SIZES:
        for seeds in SEEDS:
            for images in IMAGES:
                for unit, ratio in EFFECTS:
                    yield Design(size, seeds, images, unit, ratio, **other)


def to_markdown(results: dict[Design, dict[str, tuple]], name: str) -> str:
    """Coverage (and power) of one method: a row for each size of study, a column each effect."""
    heads = ["images a case", "seeds", "images"]
    heads += [unit if not ratio else f"{ratio:g} × {unit}" for unit, ratio in EFFECTS]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    rows: dict[tuple, list[str]] = {}
    for design, found in results.items():
        coverage, power = found[name]
        cells = rows.setdefault((design.size, design.seeds, design.images), [])
        cells.append(f"{coverage:.1f} ({power:.0f})")
    lines += [f"| {' | '.join([*map(str, key), *cells])} |" for key, cells in rows.items()]
    return "\n".join(lines)


def summary(results: dict[Design, dict[str, tuple]]) -> str:
    """A row for each number of seeds and method: range of coverage, cells out of bounds, power."""
    heads = ["seeds", "method", "coverage", "below 93 %", "above 97 %", "errors above 6 %", "power"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for seeds in SEEDS:
        cells = [found for design, found in results.items() if design.seeds == seeds]
        for name in cells[0]:
            coverage, power = np.array([found[name] for found in cells]).T
            counts = (coverage < 93).sum(), (coverage > 97).sum(), (coverage < 94).sum()
            lines.append(
                f"| {seeds} | {name} | {coverage.min():.1f} to {coverage.max():.1f} | "
                + " | ".join(f"{count} of {len(cells)}" for count in counts)
                + f" | {power.mean():.0f} |"
            )
    return "\n".join(lines)


def main(trials: int = 4000, seed: int = 0) -> None:
    """Simulate and print tables.

    Args:
        trials: of each cell; 4000 tell a coverage of 95 % to within 0.7 (two standard errors).
        seed: of all draws.
    """
    main_results = {d: measured(d, trials, seed, True) for d in tqdm(list(designs()))}
    print(summary(main_results))
    for name in main_results[next(iter(main_results))]:
        print(f"\n{name}\n\n{to_markdown(main_results, name)}")
    for title, other in (("skewed image effects", "skewed"), ("uneven trainings", "uneven")):
        found = {d: measured(d, trials, seed, False) for d in tqdm(list(designs(**{other: True})))}
        print(f"\n{CHOSEN}, {title}\n\n{summary(found)}\n\n{to_markdown(found, CHOSEN)}")


if __name__ == "__main__":
    run(main)
