"""Figures that show numbers: they are drawn, and from the numbers they should be drawn from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import hashed
from PIL import Image

from workflow_src import (
    plot_dice_sets,
    plot_fractions,
    plot_imbalance,
    plot_lesion_sizes,
    plot_published,
    plot_segmenter_training,
    plot_weight_maps,
)
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.paper.measured import TableSpec


def check_drawn(output: Path) -> None:
    """A pdf, and a png that shows something."""
    assert output.with_suffix(".pdf").read_bytes()[:5] == b"%PDF-"
    assert np.asarray(Image.open(output.with_suffix(".png")).convert("L")).std() > 5


def test_imbalance_is_drawn_from_the_training_images(polyps, tmp_path):
    plot_imbalance.main({"Polyps": polyps.folder / "index.csv"}, tmp_path / "figure1")
    check_drawn(tmp_path / "figure1")
    before = (tmp_path / "figure1.png").read_bytes()
    index = pd.read_csv(polyps.folder / "index.csv")
    index.loc[index.split != "train", "lesion_fraction"] = 0.9
    index.to_csv(tmp_path / "index.csv", index=False)
    write_json(tmp_path / "meta.json", {"sha256": hashed(tmp_path, "index.csv")["files"]})
    plot_imbalance.main({"Polyps": tmp_path / "index.csv"}, tmp_path / "figure1")
    assert (tmp_path / "figure1.png").read_bytes() == before
    index.loc[index.split == "train", "lesion_fraction"] = 0.4
    index.to_csv(tmp_path / "index.csv", index=False)
    write_json(tmp_path / "meta.json", {"sha256": hashed(tmp_path, "index.csv")["files"]})
    plot_imbalance.main({"Polyps": tmp_path / "index.csv"}, tmp_path / "figure1")
    assert (tmp_path / "figure1.png").read_bytes() != before


def test_dice_is_drawn_by_set(tmp_path):
    folder = tmp_path / "scores" / "a" / "seed0"
    folder.mkdir(parents=True)
    table = pd.DataFrame({"stem": range(6), "source": list("AAABBB"), "case": range(6)})
    table["duplicate_of"], table["dice"] = "", np.linspace(0.2, 0.9, 6)
    table.to_csv(folder / "metrics.csv", index=False)
    write_json(folder / "metrics.json", {"all": {"dice": 0.5}} | hashed(folder, "metrics.csv"))
    spec = TableSpec(
        rows={"a": "A"}, datasets={"polyps": "Polyps"}, columns=["dice"], seeds=[0],
        files={"score": {"polyps": {"a": [folder / "metrics.json"]}}},
    )  # fmt: skip
    plot_dice_sets.main(spec, "polyps", tmp_path / "figure")
    check_drawn(tmp_path / "figure")


@pytest.fixture
def sized(tmp_path) -> TableSpec:
    """Two models whose Dice grows with the lesion, scored in two trainings each."""
    rng = np.random.default_rng(0)
    files = {}
    for row, level in (("a", 0.9), ("b", 0.7)):
        files[row] = []
        for seed in (0, 1):
            folder = tmp_path / row / f"seed{seed}"
            folder.mkdir(parents=True)
            table = pd.DataFrame({"stem": range(120), "source": "A", "case": range(120)})
            sizes = np.geomspace(0.002, 0.6, 120)
            table["duplicate_of"], table["lesion_fraction"] = "", np.where(sizes > 0.5, 0, sizes)
            rise = level * sizes / (sizes + 0.01)
            table["dice"] = np.clip(rise + rng.normal(0, 0.08, 120), 0, 1)
            table.to_csv(folder / "metrics.csv", index=False)
            facts = {"all": {"dice": table.dice.mean()}, "lesion_thirds": [0.01, 0.08]}
            write_json(folder / "metrics.json", facts | hashed(folder, "metrics.csv"))
            files[row].append(folder / "metrics.json")
    return TableSpec(
        rows={"a": "Model A", "b": "Model B"}, datasets={"polyps": "Polyps"}, columns=["dice"],
        seeds=[0, 1], files={"score": {"polyps": files}},
    )  # fmt: skip


def test_dice_is_drawn_against_lesion_size(sized, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plot_lesion_sizes, "save", lambda figure, _: drawn.append(figure))
    plot_lesion_sizes.main(sized, "dice", "polyps", tmp_path / "figure")
    (axis,) = drawn[0].axes
    dots, line = axis.lines[:2]
    tables = [
        pd.read_csv(path.with_name("metrics.csv")) for path in sized.files["score"]["polyps"]["a"]
    ]
    lesions = tables[0].lesion_fraction > 0
    assert not lesions.all()
    averaged = (tables[0].dice + tables[1].dice)[lesions] / 2
    assert np.sort(dots.get_ydata()) == pytest.approx(np.sort(averaged * 100))
    assert len(line.get_ydata()) == 8
    assert np.mean(line.get_ydata()) == pytest.approx(averaged.mean() * 100, abs=1)
    assert {text.get_text() for text in axis.texts} == {"small", "medium", "large"}
    assert axis.get_ylabel() == "Dice of an image (%)"
    monkeypatch.undo()
    plot_lesion_sizes.main(sized, "dice", "polyps", tmp_path / "figure")
    check_drawn(tmp_path / "figure")


def test_dice_is_drawn_against_the_part_of_the_real_images(sized, tmp_path, monkeypatch):
    files = sized.files["score"]["polyps"]
    rows = {"a": "All", "b": "Half", "c": "Half + LAW", "d": "LAW only"}
    files |= {"c": files["a"][::-1], "d": files["b"]}
    spec = TableSpec(rows, sized.datasets, ["dice"], [0, 1], sized.files)
    alone, law = "real images alone", "+ 1x LAW"
    parts = {
        row: plot_fractions.Part(fraction, series)
        for row, fraction, series in zip(
            "abcd", (1, 0.5, 0.5, 0), (alone, alone, law, law), strict=True
        )
    }
    drawn = []
    monkeypatch.setattr(plot_fractions, "save", lambda figure, _: drawn.append(figure))
    plot_fractions.main(spec, parts, "polyps", tmp_path / "figure")
    (axis,) = drawn[0].axes
    lines = {bars.get_label(): bars.lines[0] for bars in axis.containers}
    means = {
        row: 100 * np.mean([pd.read_csv(f.with_name("metrics.csv")).dice.mean() for f in found])
        for row, found in files.items()
    }
    assert lines[alone].get_ydata() == pytest.approx([means["b"], means["a"]])
    assert lines[law].get_ydata() == pytest.approx([means["d"], means["c"]])
    assert lines[law].get_xdata() == pytest.approx([0, 50], abs=0.5)
    monkeypatch.undo()
    plot_fractions.main(spec, parts, "polyps", tmp_path / "figure")
    check_drawn(tmp_path / "figure")


def test_fewer_images_than_bins_are_a_bin_each():
    scores = pd.DataFrame({"lesion_fraction": [0.3, 0.1], "value": [0.9, 0.2]})
    assert plot_lesion_sizes.binned(scores).value.tolist() == [0.2, 0.9]
    assert plot_lesion_sizes.binned(scores[:0]).empty


def test_published_numbers_are_drawn_where_ours_can_be_compared(tmp_path):
    rows = [["LAW", "polyps", "dice", 80.0, 83.2, -3.2], ["LAW", "polyps", "fid", 0.9, 52.3, None],
            ["LAW", "polyps", "parameters", 42442, 42000, 442]]  # fmt: skip
    names = ["label", "dataset", "column", "mean", "published", "difference"]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "table1.csv", index=False)
    pd.DataFrame(rows, columns=names).drop(columns="difference").to_csv(
        tmp_path / "table2.csv", index=False
    )
    tables = {name: tmp_path / f"table{name}.csv" for name in "12"}
    ((title, cells),) = plot_published.panels(tables)
    assert title == "Table 1, polyps\nmDice"
    assert cells.published.tolist() == [83.2]
    plot_published.main(tables, tmp_path / "figure")
    check_drawn(tmp_path / "figure")
    plot_published.main({"2": tables["2"]}, tmp_path / "nothing")
    check_drawn(tmp_path / "nothing")


def test_training_curves_of_segmenters_mark_the_weights_that_are_kept(tmp_path, monkeypatch):
    logs, looks, drawn = {}, {}, []
    for name, dice in (("A", [0.2, 0.7, 0.7, 0.5]), ("without validation", [None, None])):
        steps = np.arange(1, len(dice) + 1) * 10
        logs[name], looks[name] = tmp_path / name / "log.csv", tmp_path / name / "validation.csv"
        (tmp_path / name).mkdir()
        pd.DataFrame({"step": steps, "loss": 1 / steps}).to_csv(logs[name], index=False)
        pd.DataFrame({"step": steps, "dice": dice}).to_csv(looks[name], index=False)
        marker = hashed(tmp_path / name, "log.csv", "validation.csv")
        write_json(tmp_path / name / "recipe.json", marker)
    monkeypatch.setattr(plot_segmenter_training, "save", lambda figure, _: drawn.append(figure))
    plot_segmenter_training.main(logs, looks, tmp_path / "figure")
    losses, dices = (axis.lines for axis in drawn[0].axes)
    assert losses[0].get_ydata() == pytest.approx([0.1, 0.05, 1 / 30, 0.025])
    assert dices[0].get_ydata() == pytest.approx([20, 70, 70, 50])
    assert [list(dots.get_xdata()) for dots in (dices[1], dices[3])] == [[20], []]
    monkeypatch.undo()
    plot_segmenter_training.main(logs, looks, tmp_path / "figure")
    check_drawn(tmp_path / "figure")


def test_weight_maps_are_drawn_of_the_images_that_they_belong_to(polyps, tmp_path):
    masks = np.stack([np.asarray(polyps.mask(row)) for row in (0, 1)])
    recipe = {"weighting": "law", "normalise": True, "clamp": True}
    (tmp_path / "law").mkdir()
    np.savez(tmp_path / "law" / "delta_000004.npz", mask=masks, row=np.array([0, 1]),
             delta=np.full((2, 8, 8), 0.5, np.float32))  # fmt: skip
    facts = {"recipe": recipe} | hashed(tmp_path / "law", "delta_000004.npz")
    write_json(tmp_path / "law" / "recipe.json", facts)
    write_json(tmp_path / "recipe.json", {"files": {}})
    plot_weight_maps.main(tmp_path / "law", polyps.folder, tmp_path / "weights")
    check_drawn(tmp_path / "weights")
    with pytest.raises(InputError, match="not trained with LAW"):
        plot_weight_maps.main(tmp_path, polyps.folder, tmp_path / "weights")
