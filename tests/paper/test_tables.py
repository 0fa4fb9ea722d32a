"""The paper's tables: cells against per-image scores, gaps said, three formats that agree."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, hashed
from scipy import stats

from workflow_src import make_table, plot_accuracy_cost, plot_published
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.common.provenance import provenance
from workflow_src.metrics.crossed import Crossed
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


@pytest.fixture
def results(tmp_path) -> Path:
    """Scores of three models at three seeds, and what the models cost."""
    folder = tmp_path / "results"
    for row, level in (("mkunet", 0.6), ("order", 0.75), ("unext", 0.55)):
        for seed in range(3):
            write_scores(folder / "scores" / "polyps" / row / f"seed{seed}", seed, level)
        cost = {"parameters": 27384 if row == "mkunet" else 1_471_921, "gflops": 0.0991}
        write_json(folder / "cost" / "polyps" / f"{row}.json", cost)
    (tmp_path / "published.yaml").write_text(yaml.safe_dump(PAPER))
    return folder


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


def test_drawn_data_stand_beside_nothing_of_the_papers(results):
    cells, text, latex = make(results)
    assert {"published", "difference"} <= set(cells.columns) and "81.3" in text
    cells, text, latex = make(results, drawn=["polyps"])
    assert not {"published", "difference"} & set(cells.columns)
    assert set(cells.row) == set(ROWS)  # nor is there a row that only the paper has
    for number in ("81.3", "75.3", "31.00M", "27,000"):
        assert number not in text and number not in latex
    assert "Ours; in round brackets" not in text and "the paper's cost" not in text
    assert "Phantoms (Polyps): compared with nothing of the paper's." in text
    facts = json.loads((results.parent / "table3.json").read_text())
    assert not any("(" in cell["rest"] for row in facts["rows"] for cell in row["cells"])
    assert plot_published.panels({"3": results.parent / "table3.csv"}) == []


def test_scores_by_size_are_over_those_images_and_say_where_sizes_part(results):
    cells, text, _ = make(results, more=["dice_small", "dice_medium", "dice_large", "nsd"])
    tables = [
        pd.read_csv(results / "scores" / "polyps" / "order" / f"seed{seed}" / "metrics.csv")
        for seed in range(3)
    ]
    small = cell(cells, "order", "dice_small")
    assert small["mean"] == pytest.approx(100 * np.mean([t.dice[:4].mean() for t in tables]))
    assert small.images == 4 and small.low < small["mean"] < small.high
    medium = cell(cells, "order", "dice_medium")
    assert medium.images == 7  # one is a copy
    assert medium.gain == pytest.approx(
        medium["mean"] - cell(cells, "mkunet", "dice_medium")["mean"], abs=1e-9
    )
    assert cell(cells, "order", "dice_large").text == "no such lesion"
    assert "small below 2.1 % of the image, large from 8.64 %" in text
    assert "images: 4 small, 7 medium." in text and "Polyps: 11 test images." in text
    assert "in pixels; surface Dice at a tolerance of 2" in text
    assert "mDice, small" not in text.split("|\n\n")[0]  # in the csv alone


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


def read_latex(text: str) -> dict[str, dict[str, str]]:
    plain = text.replace(r"\%", "%").replace(r"$\uparrow$", "↑").replace(r"$\downarrow$", "↓")
    lines = [
        re.split(r"\s*&\s*", line.removesuffix(r"\\").strip())
        for line in plain.splitlines()
        if line.endswith(r"\\")
    ]
    return {line[0]: dict(zip(lines[0][1:], line[1:], strict=True)) for line in lines[1:]}


def per_image(results: Path, row: str, seeds=(0, 1, 2)) -> list[pd.DataFrame]:
    """The per-image scores of each seed without the repeated image."""
    files = (results / "scores" / "polyps" / row / f"seed{s}" / "metrics.csv" for s in seeds)
    return [pd.read_csv(file).iloc[:11] for file in files]


def test_means_and_intervals_are_those_of_trainings_and_images(results):
    cells, text, _ = make(results)
    for row in ROWS:
        for measure in ("dice", "iou", "iou_class_mean"):
            scores = 100 * np.array([table[measure] for table in per_image(results, row)])
            found = cell(cells, row, measure)
            assert found["mean"] == pytest.approx(scores.mean())
            low, high = Crossed([scores], np.arange(11)).estimate().interval()
            assert (found.low, found.high) == pytest.approx((low, high))
            assert (found.runs, found.cases) == (3, 11)
            assert found.interval_over == "trainings and cases"
    assert "95 % interval over trainings and cases." in text
    assert cell(cells, "mkunet", "parameters")["mean"] == 27384
    assert np.isnan(cell(cells, "mkunet", "parameters").low)


def test_a_single_training_has_an_interval_over_cases(results):
    cells, text, _ = make(results, seeds=[1])
    (table,) = per_image(results, "order", seeds=[1])
    found = cell(cells, "order", "dice")
    assert found.interval_over == "cases"
    interval = stats.ttest_1samp(100 * table.dice, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(interval)
    assert "95 % interval over cases." in text and "about one trained network" in text
    (line,) = (line for line in text.splitlines() if line.startswith("- ORDER, Polyps, mDice"))
    assert "one training each" in line and line.endswith("these two networks, not the methods).")
    assert "**" not in text


def test_gains_are_over_trainings_and_the_same_images(results):
    cells, text, _ = make(results)
    ours, theirs = (
        100 * np.array([table.iou for table in per_image(results, row)])
        for row in ("order", "mkunet")
    )
    found, expected = cell(cells, "order", "iou"), Crossed([ours, theirs], np.arange(11)).estimate()
    assert found.gain == pytest.approx((ours - theirs).mean())
    assert (found.gain_low, found.gain_high) == pytest.approx(expected.interval())
    assert found.gain_p == pytest.approx(expected.p())
    assert (found.gain_images, found.gain_decides) == (11, True)
    assert f"ORDER, Polyps, mIoU: {found.gain:+.1f}" in text
    assert "(3 and 3 trainings, 11 images of 11 cases, p < 0.001)" in text
    assert np.isnan(cell(cells, "mkunet", "iou").gain)


def test_published_figures_stand_beside_ours(results):
    cells, text, _ = make(results)
    found = cell(cells, "order", "dice")
    assert found.published == 81.3
    assert found.difference == pytest.approx(found["mean"] - 81.3)
    table = read_markdown(text)
    assert table["ORDER"]["mDice ↑"].endswith(f"] (81.3; {found.difference:+.1f})")
    assert table["MK-UNet"]["Params ↓"] == "27,384 (27,000; +384)"
    assert table["UNeXt"]["Params ↓"] == "1.47M"
    assert table["MK-UNet"]["GFLOPs ↓"] == "0.099 (0.150; -0.051)"
    assert "(" not in table["MK-UNet"]["mIoU with background ↑"]


def test_reasons_for_other_costs_are_given_for_the_rows_that_are_there(results):
    published = results.parent / "published.yaml"
    paper = yaml.safe_load(published.read_text())
    paper["3"]["why"] = {"unext": "counted otherwise.", "egeunet": "of a row not here."}
    published.write_text(yaml.safe_dump(paper))
    _, text, latex = make(results)
    for made in (text, latex):
        assert "UNeXt, the paper's cost: counted otherwise." in made
        assert "of a row not here" not in made


def test_rows_that_only_the_paper_has_are_said_not_to_have_run(results):
    cells, text, _ = make(results)
    assert cell(cells, "giant", "dice").text == "not run"
    table = read_markdown(text)
    assert table["giant"]["mDice ↑"] == "not run (85.7)"
    assert table["giant"]["Params ↓"] == "not run (31.00M)"
    assert table["giant"]["mIoU ↑"] == ""


def test_the_three_formats_say_the_same(results):
    cells, text, latex = make(results)
    markdown = read_markdown(text.replace("**", ""))
    assert markdown == read_latex(re.sub(r"\\textbf{([^}]*)}", r"\1", latex))
    titles = {"dice": "mDice ↑", "iou": "mIoU ↑", "gflops": "GFLOPs ↓"}
    for _, found in cells[cells["mean"].notna()].iterrows():
        if found.column in titles:
            numbers = re.findall(r"[+-]?[\d.]+", markdown[found.label][titles[found.column]])
            expected = [found["mean"], found.low, found.high, found.published, found.difference]
            expected = [value for value in expected if not np.isnan(value)]
            assert [float(n) for n in numbers] == pytest.approx(expected, abs=0.0501)
    for remark in (line[2:] for line in text.splitlines() if line.startswith("- ")):
        assert remark.replace("%", r"\%").replace("<", "$<$") in latex
    assert latex.count("{") == latex.count("}")
    assert r"\label{tab:3}" in latex


@pytest.mark.parametrize(
    "gone",
    ["scores/polyps/unext/seed1/metrics.json", "scores/polyps/mkunet/seed0/metrics.csv",
     "cost/polyps/order.json"],
)  # fmt: skip
def test_a_missing_file_is_an_error_and_no_table(results, gone):
    (results / gone).unlink()
    with pytest.raises((FileNotFoundError, InputError), match=re.escape(str(results / gone))):
        make(results)
    assert not list(results.parent.glob("table3*"))


def test_a_missing_file_ends_in_one_line(results):
    gone = results / "cost" / "polyps" / "order.json"
    gone.unlink()
    spec = {"rows": {"order": "ORDER"}, "datasets": {"polyps": "Polyps"}, "columns": ["gflops"],
            "seeds": [0], "files": {"cost": {"polyps": {"order": [str(gone)]}}}}  # fmt: skip
    command = [sys.executable, "-m", "workflow_src.make_table", "--name", "3",
               "--spec", json.dumps(spec), "--published", results.parent / "published.yaml",
               "--output", results.parent / "table3"]  # fmt: skip
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"error: {gone}: it does not exist: check the path, or make it first"
    )


def test_a_row_without_files_is_named(results):
    spec = TableSpec({"order": "ORDER"}, {"polyps": "Polyps"}, ["dice"], [0])
    with pytest.raises(InputError, match="no score metrics of order on polyps were given"):
        make_table.main("3", spec, results.parent / "published.yaml", results.parent / "table3")


def test_a_measure_that_is_null_was_not_run_and_the_rest_stands(results):
    for seed in range(3):
        path = results / "scores" / "polyps" / "unext" / f"seed{seed}" / "metrics.json"
        facts = json.loads(path.read_text())
        facts["all"]["dice"] = None
        write_json(path, facts)
    cells, text, _ = make(results)
    assert cell(cells, "unext", "dice").text == "not run"
    assert read_markdown(text)["UNeXt"]["mDice ↑"] == "not run"
    means = [100 * table.iou.mean() for table in per_image(results, "unext")]
    assert cell(cells, "unext", "iou")["mean"] == pytest.approx(np.mean(means))


def test_a_table_of_ones_own_has_a_name_a_title_and_nothing_of_the_papers(results):
    cells, text, latex = make(results, name="my_models", title="Small & fast")
    assert text.startswith("# Table my_models: Small & fast\n")
    assert r"\caption{Table my\_models: Small \& fast." in latex
    assert r"\label{tab:my_models}" in latex
    assert "published" not in cells and set(cells.row) == set(ROWS)
    assert "paper" not in text


def test_drawn_data_are_compared_with_nothing_of_the_papers(results):
    published = results.parent / "published.yaml"
    paper = yaml.safe_load(published.read_text())
    paper["3"]["why"] = {"mkunet": "counted otherwise."}
    published.write_text(yaml.safe_dump(paper))
    beside, *_ = make(results)
    cells, text, latex = make(results, drawn=["polyps"])
    assert not {"published", "difference"} & set(cells.columns) and "giant" not in set(cells.row)
    assert cells["mean"].tolist() == beside["mean"].dropna().tolist()
    assert "(27,000" not in text and "counted otherwise" not in text
    for made in (text, latex):
        assert "Phantoms (Polyps): compared with nothing of the paper's." in made


def test_guessed_and_shared_cases_are_said(results):
    assert "guessed" not in make(results)[1]
    for path in results.glob("scores/polyps/*/*/metrics.json"):
        facts = json.loads(path.read_text())
        write_json(path, facts | {"cases": {"count": 9, "guessed_images": 7, "shared": 2}})
    text = make(results)[1]
    assert "- Polyps: the cases of 7 test images are guessed from their likeness." in text
    assert "- Polyps: 2 cases have images among the training images too, which flatters." in text


def test_a_data_set_that_the_paper_lacks_is_tabled_and_drawn(results):
    for part in ("scores", "cost"):
        (results / part / "polyps").rename(results / part / "moles")
    cells, text, _ = make(results, dataset="moles")
    assert "(" not in read_markdown(text)["ORDER"]["mDice ↑"]
    assert cells["mean"].notna().all()
    figure = results.parent / "figure"
    plot_accuracy_cost.main(results.parent / "table3.csv", dataset="moles", output=figure)
    assert figure.with_suffix(".png").stat().st_size > 1000


def test_only_what_tests_support_is_bold(results):
    cells, text, _ = make(results)
    assert [(c.row, c.column) for c in cells.itertuples() if c.best is True] == [
        ("order", name) for name in ("dice", "iou", "iou_class_mean")
    ]
    assert text.count("**") == 2 * 3 and "Bold: better than every other row" in text
    copies = results / "scores" / "polyps"
    shutil.rmtree(copies / "unext")
    shutil.copytree(copies / "order", copies / "unext")  # two that are equally good
    cells, text, _ = make(results)
    assert "**" not in text and "Bold" not in text
    assert not [c for c in cells.itertuples() if c.best is True]


def test_a_changed_metric_changes_its_cells_alone(results):
    before, *_ = make(results)
    place = results / "scores" / "polyps" / "unext" / "seed1"
    shutil.rmtree(place)
    write_scores(place, 1, 0.3)
    after, *_ = make(results)
    changed = [
        (a.row, a.column)
        for a, b in zip(before.itertuples(), after.itertuples(), strict=True)
        if a.mean != b.mean and not (np.isnan(a.mean) and np.isnan(b.mean))
    ]
    assert changed == [("unext", name) for name in ("dice", "iou", "iou_class_mean")]


def test_the_caption_says_seeds_and_images(results):
    *_, latex = make(results)
    (caption,) = re.findall(r"\\caption{(.*)}", latex)
    assert caption == "Table 3: Segmentation. Seeds: 0, 1, 2. Polyps: 11 test images."


def test_every_cell_names_the_files_behind_it(results):
    make(results)
    facts = json.loads((results.parent / "table3.json").read_text())
    for cell in facts["cells"]:
        files = [Path(file["path"]) for file in cell["from"]]
        if cell["row"] == "giant":
            assert not files
            continue
        assert len(files) == (1 if cell["column"] in ("parameters", "gflops") else 3)
        for file, path in zip(cell["from"], files, strict=True):
            assert cell["row"] in str(path)
            assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_table_says_which_runs_data_and_environment_it_comes_from(results):
    make(results)
    facts = json.loads((results.parent / "table3.json").read_text())
    lock = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    assert lock.startswith(facts["provenance"]["lock"]) and facts["provenance"]["libraries"]
    (cell,) = [c for c in facts["cells"] if (c["row"], c["column"]) == ("order", "dice")]
    assert [file["weights"] for file in cell["from"]] == ["order 0", "order 1", "order 2"]
    assert len({file["data"] for file in cell["from"]}) == 1 and cell["from"][0]["data"]
    assert all(file["lock"] == facts["provenance"]["lock"] for file in cell["from"])
    config = facts["config"]
    write_json(results / "cost" / "polyps" / "unext.json", {"parameters": 1, "gflops": 2.0})
    make(results)
    assert json.loads((results.parent / "table3.json").read_text())["config"] == config


def test_latex_is_balanced_and_its_rows_are_as_wide_as_its_columns(results):
    *_, latex = make(results)
    opened = re.findall(r"\\(begin|end){(\w+)}", latex)
    stack = []
    for kind, name in opened:
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    (columns,) = re.findall(r"\\begin{tabular}{(\w+)}", latex)
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(columns)}
    bare = re.sub(r"\\[a-zA-Z]+|\\[%&_#$]|\$[^$]*\$", "", latex)
    assert not re.findall(r"[%_#$^~<>]", bare.replace("{%\n", "").replace("{>}", ""))
    assert not re.findall(r"[^\x00-\x7f]", bare)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles(results, tmp_path):
    make(results)
    shutil.copy(results.parent / "table3.tex", tmp_path / "table.tex")
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx}"
        "\\begin{document}\\input{table}\\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout and "undefined" not in done.stdout.lower()
