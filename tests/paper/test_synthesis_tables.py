"""Tables of synthesis: stand-in features said, measures not run, verdicts on stability."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from workflow_src.common.outputs import write_json
from workflow_src.metrics.stability import StabilityLimits, judge
from workflow_src.paper.cells import TableSpec, make_cells
from workflow_src.paper.tables import layout, notes, written

PAPER = {"rows": {"law": {"polyps": {"fid": 52.28, "clip_i": 0.893, "stability": "Stable"}}}}
STAND_IN = "stand-in: random features"


@pytest.fixture
def write(tmp_path):
    """A function that writes the metrics of two seeds; the second may be unstable."""

    def write_seeds(extractor: str = "true features", **verdict) -> Path:
        for seed in range(2):
            folder = tmp_path / f"seed{seed}"
            names = {kind: {"extractor": extractor} for kind in ("inception", "clip")}
            fidelity = {"fid": 60.0 + seed, "kid": None, "clip_i": 0.9, **names}
            write_json(folder / "fidelity.json", fidelity)
            figures = {"not_finite": 0, "loss_spike": 3.0 + seed, "gradient_spike": 2.0,
                       "weight_max": 5.0, "weight_mean": 0.9 - seed / 10}  # fmt: skip
            facts = {"stable": True, "because": []} | figures | (verdict if seed else {})
            write_json(folder / "stability.json", facts)
        return tmp_path

    return write_seeds


def make(folder: Path) -> tuple[pd.DataFrame, pd.Series, str]:
    """Cells by column, the one row of the table as read, and the notes."""
    spec = TableSpec(
        rows={"law": "LAW"},
        datasets={"polyps": "Polyps"},
        columns=["fid", "kid", "clip_i", "stability"],
        seeds=[0, 1],
        files={kind: f"{folder}/seed{{seed}}/{kind}.json" for kind in ("fidelity", "stability")},
    )
    cells = make_cells(spec, PAPER)
    row = written(layout(cells, spec), str, "{}").iloc[0]
    return cells.set_index("column"), row, "\n".join(notes(cells, spec))


def test_stand_in_features_are_named_in_the_heading(write):
    cells, row, remarks = make(write(STAND_IN))
    assert row[f"FID ↓ [{STAND_IN}]"].endswith("(52.28)")
    assert row[f"CLIP-I ↑ [{STAND_IN}]"].endswith("(0.893)")
    assert cells["mean"].fid == 60.5
    assert "cannot be compared with the paper's" in remarks


def test_true_features_need_no_such_warning(write):
    _, row, remarks = make(write())
    assert "FID ↓" in row
    assert not [text for text in (*row.index, *row, remarks) if "stand-in" in text.lower()]


def test_a_measure_that_is_null_was_not_run(write):
    assert make(write())[1]["KID ×10³ ↓"] == "not run"


def test_what_is_missing_was_not_run(write):
    folder = write()
    (folder / "seed1" / "fidelity.json").unlink()
    cells, row, _ = make(folder)
    assert row["FID ↓"] == "60.00 (52.28; +7.72)"  # one seed has no interval
    assert cells.runs.fid == 1
    shutil.rmtree(folder / "seed0")
    shutil.rmtree(folder / "seed1")
    _, row, _ = make(folder)
    assert row.tolist() == ["LAW", "not run (52.28)", "not run", "not run (0.893)",
                            "not run (Stable)"]  # fmt: skip


def test_a_method_is_stable_if_all_its_seeds_are(write):
    assert make(write())[1]["Stability"] == "Stable (Stable)"
    cells, row, _ = make(write(stable=False, because=["weight_max"], weight_max=500.0))
    assert row["Stability"] == "Unstable (weight_max) (Stable)"
    worst = cells.loc["stability"]
    assert (worst.weight_max, worst.weight_mean, worst.loss_spike) == (500, 0.8, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_makes_a_training_unstable(value):
    names = ("loss", "loss_max", "grad_norm", "grad_norm_max", "weight_max", "weight_mean")
    log = pd.DataFrame({name: [1.0] * 5 for name in names})
    assert judge(log, StabilityLimits())["stable"]
    log.loc[3, "grad_norm"] = value
    assert judge(log, StabilityLimits())["because"] == ["not_finite"]
