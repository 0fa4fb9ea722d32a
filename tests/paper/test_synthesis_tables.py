"""Tables of synthesis: stand-in features said, measures not run, verdicts on stability."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workflow_src.common.outputs import write_json
from workflow_src.metrics.stability import StabilityLimits, judge
from workflow_src.paper.cells import make_cells
from workflow_src.paper.measured import TableSpec
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
        files={
            kind: {"polyps": {"law": [folder / f"seed{seed}" / f"{kind}.json" for seed in (0, 1)]}}
            for kind in ("fidelity", "stability")
        },
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


def test_what_is_missing_is_no_gap_but_an_error(write):
    folder = write()
    (folder / "seed1" / "fidelity.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"seed1/fidelity\.json"):
        make(folder)


def test_methods_are_paired_by_mask_with_their_reference(tmp_path):
    """Their images are named after them, so that no two names are equal."""
    for method, level in (("uniform", 0.5), ("law", 0.6)):
        noise = np.random.default_rng(0).normal(0, 0.05, 30)  # of the masks, which both share
        own = np.random.default_rng(round(100 * level)).normal(0, 0.01, 30)
        table = pd.DataFrame({"stem": [f"{method}_A_{i}" for i in range(30)]})
        table["source"], table["case"] = f"synthetic/{method}", [f"A/{i}" for i in range(30)]
        table["duplicate_of"], table["dice"] = "", level + noise + own
        (tmp_path / method).mkdir()
        table.to_csv(tmp_path / method / "metrics.csv", index=False)
        facts = {"all": {"images": 30, "dice": table.dice.mean()}}
        write_json(tmp_path / method / "metrics.json", facts)
    files = {m: [tmp_path / m / "metrics.json"] for m in ("uniform", "law")}
    spec = TableSpec(
        rows={"uniform": "Uniform", "law": "LAW"}, datasets={"polyps": "Polyps"},
        columns=["faithfulness"], seeds=[0], files={"faithfulness": {"polyps": files}},
        reference="uniform",
    )  # fmt: skip
    cells = make_cells(spec, {}).set_index("row")
    assert cells.gain_images.law == 30 and np.isnan(cells.gain.uniform)
    assert cells.gain.law == pytest.approx(cells["mean"].law - cells["mean"].uniform)
    assert cells.gain_low.law < cells.gain.law < cells.gain_high.law and cells.gain_p.law < 0.01
    (line,) = (text for text in notes(make_cells(spec, {}), spec) if "against Uniform" in text)
    assert "paired over 30 images" in line


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
