"""Scores of three models at three seeds, and the table that is made of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from conftest import hashed

from workflow_src import make_table
from workflow_src.common.outputs import write_json
from workflow_src.common.provenance import provenance
from workflow_src.metrics.summary import MEASURES, by_size, summarise
from workflow_src.paper.measured import TableSpec

ROWS = {"mkunet": "MK-UNet", "order": "ORDER", "unext": "UNeXt"}
PAPER = {
    "3": {
        "title": "Segmentation",
        "rows": {
            "mkunet": {"polyps": {"parameters": 27000, "gflops": 0.15, "dice": 75.3, "iou": 71.2}},
            "order": {"polyps": {"parameters": 42000, "dice": 81.3, "iou": 81.7}},
            "giant": {"polyps": {"parameters": 31000000, "dice": 85.7}},
        },
    }
}


def write_scores(folder: Path, seed: int, level: float) -> None:
    """metrics.csv and metrics.json of 12 images from two sets, one of them a copy of another."""
    rng = np.random.default_rng([seed, round(level * 100)])
    iou = np.clip(rng.normal(level, 0.1, 12), 0.01, 0.99)
    table = pd.DataFrame({"stem": [str(i % 6) for i in range(12)], "source": ["A"] * 6 + ["B"] * 6})
    table["case"] = table.source + "/" + table.stem
    table["duplicate_of"] = [""] * 11 + ["A/2"]
    table["lesion_fraction"] = 0.1
    table["lesion_size"] = ["small"] * 4 + ["medium"] * 8
    for measure in MEASURES:
        table[measure] = 2 * iou / (1 + iou) if measure.startswith("dice") else iou
    table["iou_class_mean"] = (iou + 1) / 2
    table["dice_class_mean"] = 2 * (iou + 1) / (iou + 3)
    folder.mkdir(parents=True)
    table.to_csv(folder / "metrics.csv", index=False)
    facts = {"model": f"{folder.parent.name} {seed}", "data": {"images.npy": "abc"}}
    facts["provenance"] = provenance("workflow_src.score_segmentation")
    facts |= {"by_size": by_size(table), "lesion_thirds": [0.021, 0.0864]}
    facts["boundary"] = {"tolerance": 2.0, "unit": "pixels"}
    facts |= hashed(folder, "metrics.csv")
    write_json(folder / "metrics.json", summarise(table, []) | facts)


def three_models(folder: Path) -> Path:
    """Scores of three models at three seeds, what the models cost, and the paper's figures."""
    results = folder / "results"
    for row, level in (("mkunet", 0.6), ("order", 0.75), ("unext", 0.55)):
        for seed in range(3):
            write_scores(results / "scores" / "polyps" / row / f"seed{seed}", seed, level)
        cost = {"parameters": 27384 if row == "mkunet" else 1_471_921, "gflops": 0.0991}
        write_json(results / "cost" / "polyps" / f"{row}.json", cost)
    (folder / "published.yaml").write_text(yaml.safe_dump(PAPER))
    return results


def make(results: Path, dataset="polyps", seeds=(0, 1, 2), name="3", **settings):
    """Make a table; returns its csv, its Markdown as text, and its LaTeX."""
    scores, costs = results / "scores" / dataset, results / "cost" / dataset
    spec = TableSpec(
        rows=ROWS,
        datasets={dataset: dataset.capitalize()},
        columns=["parameters", "gflops", "dice", "iou", "iou_class_mean"],
        seeds=list(seeds),
        files={
            "score": {
                dataset: {
                    r: [scores / r / f"seed{s}" / "metrics.json" for s in seeds] for r in ROWS
                }
            },
            "cost": {dataset: {row: [costs / f"{row}.json"] for row in ROWS}},
        },
        reference="mkunet",
        **settings,
    )
    output = results.parent / "table3"
    make_table.main(name, spec, results.parent / "published.yaml", output)
    cells = pd.read_csv(output.with_suffix(".csv"))
    return cells, output.with_suffix(".md").read_text(), output.with_suffix(".tex").read_text()


def cell(cells: pd.DataFrame, row: str, column: str) -> pd.Series:
    (found,) = (c for _, c in cells.iterrows() if (c.row, c.column) == (row, column))
    return found


def read_markdown(text: str) -> dict[str, dict[str, str]]:
    lines = [
        [part.strip() for part in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return {line[0]: dict(zip(lines[0][1:], line[1:], strict=True)) for line in lines[2:]}


def per_image(results: Path, row: str, seeds=(0, 1, 2)) -> list[pd.DataFrame]:
    """The per-image scores of each seed without the repeated image."""
    files = (results / "scores" / "polyps" / row / f"seed{s}" / "metrics.csv" for s in seeds)
    return [pd.read_csv(file).iloc[:11] for file in files]
