"""Tables of synthesis: distances beside their floors, measures not run, verdicts on stability."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import hashed

from workflow_src.common.outputs import write_json
from workflow_src.metrics.stability import StabilityLimits, judge
from workflow_src.paper.best import mark_best
from workflow_src.paper.cells import make_cells
from workflow_src.paper.measured import TableSpec
from workflow_src.paper.tables import layout, notes, protocol, written

PAPER = {"rows": {"law": {"polyps": {"fid": 52.28, "clip_i": 0.893, "stability": "Stable"}}}}
ROWS = {"uniform": "Uniform", "law": "LAW"}
REAL = {"real_halves": "Real, halves", "real_test": "Real, test"}


def features(distance: float, by_images: dict, **more) -> dict:
    """What one extractor's features gave."""
    facts = {"extractor": "A network", "resize": "to 64", "dimensions": 100, "copies": 0.25}
    return facts | {"distance": distance, "by_images": by_images} | more


@pytest.fixture
def write(tmp_path):
    """A function that writes the metrics of two seeds; the second may be unstable."""

    def write_seeds(**verdict) -> Path:
        for seed in range(2):
            folder = tmp_path / f"seed{seed}"
            inception = features(60.0 + seed, {}, kernel_distance=None)
            clip = features(1.0, {}, similarity=0.9)
            write_json(folder / "fidelity.json", {"inception": inception, "clip": clip})
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


def test_the_papers_figures_stand_beside_those_of_the_same_extractor(write):
    cells, row, remarks = make(write())
    assert row["FID ↓"].endswith("(52.28; +8.22)") and row["CLIP-I ↑"].endswith("(0.893; +0.007)")
    assert cells["mean"].fid == 60.5 and cells.difference.fid == pytest.approx(8.22)
    assert "FID, CLIP-I: features of A network, to 64." in remarks
    assert "not FID" not in remarks


@pytest.fixture
def floors(tmp_path):
    """Two methods and the real images, by EfficientNet-Lite0's features."""
    found = {
        "uniform": features(70, {"4": [99, 99], "8": [80, 82]}),
        "law": features(50, {"4": [99, 99], "8": [60, 62]}),
        "real_halves": features(11, {"4": [20, 24], "8": [10, 13]}),
        "real_test": features(21, {"4": [20, 22]}),
    }
    for name, facts in found.items():
        images = 4 if name == "real_test" else 8
        write_json(tmp_path / f"{name}.json", {"lite0": facts | {"recall": 0.5}, "images": images})
    return TableSpec(
        rows=ROWS, real=REAL, datasets={"polyps": "Polyps"}, columns=["fd_lite0", "copies_lite0"],
        more=["recall_lite0"], seeds=[0],
        files={"fidelity": {"polyps": {name: [tmp_path / f"{name}.json"] for name in found}}},
    )  # fmt: skip


def test_real_images_are_rows_of_their_own_and_never_the_best(floors):
    cells = mark_best(make_cells(floors, {}), floors)
    table = written(layout(cells, floors), str, "*{}*")
    assert table[""].tolist() == [*ROWS.values(), *REAL.values()]
    assert table["FD, EfficientNet-Lite0 ↓"].tolist() == ["70.00", "50.00", "11.00", "21.00"]
    assert set(cells[cells.best_p.notna()].row) == {"uniform", "law"}


def test_a_column_of_the_csv_alone_is_not_shown(floors):
    cells = make_cells(floors, {})
    assert cells[cells.column == "recall_lite0"]["mean"].tolist() == [0.5] * 4
    assert layout(cells, floors)[0] == [
        "FD, EfficientNet-Lite0 ↓", "copies %, EfficientNet-Lite0 ↓"
    ]  # fmt: skip
    assert "recall" not in "\n".join(notes(cells, floors))


def test_the_protocol_counts_synthetic_images_alone(floors):
    assert "Polyps: 8 synthetic images." in protocol(make_cells(floors, {}), floors)


def test_distances_stand_beside_their_floor_at_as_many_images(floors):
    cells = make_cells(floors, {})
    law = cells[(cells.row == "law") & (cells.column == "fd_lite0")].iloc[0]
    assert (law.floor_images, law.floor, law.floor_low, law.floor_high) == (8, 11.5, 10, 13)
    assert (law.matched, law.matched_low, law.matched_high) == (61, 60, 62)
    test = cells[(cells.row == "real_test") & (cells.column == "fd_lite0")].iloc[0]
    assert (test.floor_images, test.floor, test.matched) == (4, 22, 21)
    assert cells[cells.column == "copies_lite0"].floor.isna().all()


def test_notes_say_what_is_not_a_difference_and_what_a_distance_rewards(floors):
    remarks = "\n".join(notes(make_cells(floors, {}), floors))
    assert (
        "Polyps, FD, EfficientNet-Lite0, at 8 images: halves of the real training images 10.00 to "
        "13.00 apart; Uniform 81.00, LAW 61.00. Less than 3.00 is not a difference."
    ) in remarks
    assert "fewer images than features (100)" in remarks
    assert "not FID, and compared with nothing of the paper's" in remarks
    assert "a method that copies these is rewarded" in remarks
    assert "Copies: images that lie closer" in remarks


def test_a_measure_that_is_null_was_not_run(write):
    assert make(write())[1]["KID ×10³ ↓"] == "not run"


def test_what_is_missing_is_an_error_and_not_a_gap(write):
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
        facts |= hashed(tmp_path / method, "metrics.csv")
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
    assert "(one training each, 30 images of 30 cases, p < 0.001: these two networks" in line


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
