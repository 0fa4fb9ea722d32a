"""Make report.html: one self-contained file with the tables, the figures and their provenance."""

import base64
import json
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader

from workflow_src.command import run
from workflow_src.runs import provenance, write_text

CAPTIONS = {
    "figure6": "Figure 6. The same masks and the same noise for every method; the yellow outline "
    "is the conditioning mask.",
    "figure7": "Figure 7. Best, median and worst test cases by Dice.",
    "figure8": "Figure 8. LAW's δ maps (Eq. 4) of the masks above, over training.",
    "training": "Training of the compared methods: losses, gradients and weights against steps.",
    "accuracy_cost": "Accuracy against cost: our points and the paper's.",
}


def read_table(path: Path) -> dict:
    """Title, body and notes of a table, from its Markdown."""
    lines = path.read_text().splitlines()
    cells = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]
    frame = pd.DataFrame(cells[2:], columns=cells[0])
    return {
        "number": path.stem.removeprefix("table"),
        "title": lines[0].removeprefix("# "),
        "html": frame.to_html(index=False, border=0),
        "notes": [line.removeprefix("- ") for line in lines if line.startswith("- ")],
    }


def read_figure(path: Path) -> dict:
    """Name, caption and picture of a figure."""
    caption = CAPTIONS.get(path.stem, path.stem)
    return {
        "name": path.stem,
        "title": caption.split(".")[0] if caption.startswith("Figure") else caption.split(":")[0],
        "caption": caption,
        "png": base64.b64encode(path.read_bytes()).decode(),
    }


def main(
    study: str, tables: list[Path], figures: list[Path], settings: dict[str, Any], output: Path
) -> None:
    """Make the report.

    Args:
        study: name of the study.
        tables: the tables' Markdown files.
        figures: the figures' png files.
        settings: the study's configuration.
        output: the html file.
    """
    read = [read_table(path) for path in sorted(tables)]
    warnings = []
    if any("stand-in" in table["html"] for table in read):
        warnings.append(
            "FID, KID and CLIP-I here come from stand-in features (random convolutions), because "
            "the weights of Inception and CLIP were not at hand. They compare the methods of this "
            "study with each other and say nothing about the paper's numbers."
        )
    if any(dataset.get("phantom") for dataset in settings["datasets"].values()):
        warnings.append(
            "This study runs on drawn phantoms, at a size that ends in minutes: it shows that the "
            "workflow works, not what the methods are worth."
        )
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "paper"), autoescape=True
    )
    for table in read:
        table["html"] = _safe(table["html"])
    html = templates.get_template("report.html.j2").render(
        study=study,
        warnings=warnings,
        tables=read,
        figures=[read_figure(path) for path in figures],
        provenance=json.dumps(provenance("workflow_src.make_report"), indent=2),
        config=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True),
    )
    write_text(output, html)


def _safe(html: str):
    from markupsafe import Markup

    return Markup(html)  # pandas has escaped the cells


if __name__ == "__main__":
    run(main)
