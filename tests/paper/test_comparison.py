"""Two result folders compared: what is equal is said to be, what differs is tested."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import hashed

from workflow_src import compare_results
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.paper.comparison import compare_cells, compare_settings, flat

SHOWN = ["row", "label", "dataset", "column", "mean", "text"]


def write_results(folder: Path, levels: dict[str, float], parameters: int, steps: int) -> None:
    """A table of two models at two seeds, with scores, costs, a recipe and a claim."""
    rows, cells = [], []
    for row, level in levels.items():
        means, files = [], {"dice": [], "parameters": [folder / "cost" / f"{row}.json"]}
        for seed in range(2):
            scores = folder / "scores" / "polyps" / row / f"seed{seed}"
            scores.mkdir(parents=True)
            noise = np.random.default_rng(0).normal(0, 0.05, 40)
            own = np.random.default_rng([seed, round(1e4 * level)]).normal(0, 0.005, 40)
            table = pd.DataFrame({"stem": range(40), "source": "A", "case": range(40)})
            table["duplicate_of"], table["dice"] = "", level + noise + own
            table.to_csv(scores / "metrics.csv", index=False)
            facts = {"all": {"dice": table.dice.mean()}} | hashed(scores, "metrics.csv")
            write_json(scores / "metrics.json", facts)
            means.append(100 * table.dice.mean())
            files["dice"].append(scores / "metrics.json")
        write_json(folder / "cost" / f"{row}.json", {"parameters": parameters})
        values = {"dice": np.mean(means), "parameters": parameters}
        for column, value in values.items():
            rows.append([row, row.upper(), "polyps", column, value, None])
            paths = [Path("results/other", *p.relative_to(folder).parts) for p in files[column]]
            cells.append({"row": row, "dataset": "polyps", "column": column,
                          "from": [{"path": str(path)} for path in paths]})  # fmt: skip
    rows.append(["gone", "GONE", "polyps", "dice", None, "not run"])
    cells.append({"row": "gone", "dataset": "polyps", "column": "dice", "from": []})
    write_json(folder / "tables" / "table3.json", {"name": "3", "cells": cells})
    pd.DataFrame(rows, columns=SHOWN).to_csv(folder / "tables" / "table3.csv", index=False)
    write_json(folder / "models" / "a" / "recipe.json", {"recipe": {"steps": steps, "loss": "l2"}})
    verdict = "holds" if levels["a"] > 0.7 else "does not hold"
    claim = {"says": "A is good", "place": "Table 3", "verdict": verdict}
    write_json(folder / "claims.json", {"claim": claim})


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """Two studies: a is worse in the second, b as good but not the same, networks grew."""
    first, second = tmp_path / "one", tmp_path / "two"
    write_results(first, {"a": 0.80, "b": 0.60}, 100, 5)
    write_results(second, {"a": 0.60, "b": 0.6001}, 120, 7)
    return first, second


def test_cells_are_paired_by_image_and_judged(folders):
    cells = compare_cells(*folders).set_index(["label", "column"])
    assert cells.verdict.to_dict() == {
        ("A", "dice"): "differs", ("A", "parameters"): "differs",
        ("B", "dice"): "no difference shown", ("B", "parameters"): "differs",
    }  # fmt: skip
    worse = cells.loc[("A", "dice")]
    assert worse.difference == pytest.approx(-20, abs=0.5)
    assert worse.low < worse.difference < worse.high < 0
    assert worse.over == "2 and 2 trainings, 40 images of 40 cases"


def test_one_training_each_tells_networks_apart_not_methods(folders):
    for folder in folders:
        for metrics in folder.glob("scores/*/*/seed1/metrics.json"):
            metrics.unlink()
    cells = compare_cells(*folders).set_index(["label", "column"])
    worse = cells.loc[("A", "dice")]
    assert worse.verdict == "undecided: one training" and np.isnan(worse.p)
    assert worse.low < worse.high < 0


def test_a_folder_is_the_same_as_its_copy(folders, tmp_path, capsys):
    shutil.copytree(folders[0], tmp_path / "copy")
    assert set(compare_cells(folders[0], tmp_path / "copy").verdict) == {"same"}
    compare_results.main(folders[0], tmp_path / "copy")
    printed = capsys.readouterr().out
    assert "4 cells: 4 same." in printed
    assert printed.count("None") == 3


def test_settings_that_differ_are_named_with_their_place(folders):
    assert compare_settings(*folders) == {("recipe.steps", "5", "7"): ["models/a"]}
    assert flat({"a": {"b": 1, "c": {"d": 2}}}) == {"a.b": 1, "a.c.d": 2}


def test_the_text_says_it_all(folders, tmp_path, capsys):
    compare_results.main(*folders, output=tmp_path / "compared.md")
    text = (tmp_path / "compared.md").read_text()
    assert text in capsys.readouterr().out
    assert "- A is good (Table 3): holds → does not hold" in text
    assert "- recipe.steps: 5 → 7 (models/a)" in text
    (line,) = (line for line in text.splitlines() if "| A " in line and "mDice" in line)
    assert "2 and 2 trainings, 40 images of 40 cases, p < 0.001" in line


def test_without_seeds_or_images_no_test_is_claimed(folders):
    for folder in folders:
        for scores in folder.glob("scores/*/*/*/metrics.csv"):
            table = pd.read_csv(scores)
            table["source"] = folder.name  # other images
            table.to_csv(scores, index=False)
            marker = scores.with_name("metrics.json")
            write_json(marker, json.loads(marker.read_text()) | hashed(scores.parent, scores.name))
    cells = compare_cells(*folders)
    scored_apart = "not tested: scored on no image in common"
    assert set(cells[cells.column == "dice"].verdict) == {scored_apart}


def test_where_metrics_were_removed_that_is_said(folders):
    shutil.rmtree(folders[1] / "scores" / "polyps" / "a")
    cells = compare_cells(*folders).set_index(["label", "column"])
    assert cells.loc[("A", "dice")].verdict == (
        "not tested: the metrics files behind it are not there"
    )
    assert cells.loc[("B", "dice")].verdict == "no difference shown"


def test_a_folder_without_claims_is_refused(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="snakemake report"):
        compare_results.main(folders[0], tmp_path / "empty")


def test_a_row_run_in_one_folder_only_differs(folders):
    first, second = folders
    table = pd.read_csv(second / "tables" / "table3.csv").astype({"text": object})
    table.loc[table.row == "b", ["mean", "text"]] = None, "not run"
    table.to_csv(second / "tables" / "table3.csv", index=False)
    cells = compare_cells(first, second)
    found = cells[(cells.label == "B") & (cells.column == "dice")]
    assert found.verdict.tolist() == ["differs"]
    assert json.loads((first / "claims.json").read_text())
