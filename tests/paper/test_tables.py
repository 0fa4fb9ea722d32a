"""The paper's tables whole: three formats that agree, captions, and where they come from."""

import hashlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import yaml
from conftest import ROOT
from table_cases import ROWS, make, read_markdown, three_models

from workflow_src import plot_accuracy_cost, plot_published
from workflow_src.common.outputs import write_json


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    return three_models(tmp_path_factory.mktemp("scored"))


@pytest.fixture
def results(scored, tmp_path):
    """A copy of the scores, to be changed at will."""
    shutil.copytree(scored.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / scored.name


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


def read_latex(text: str) -> dict[str, dict[str, str]]:
    plain = text.replace(r"\%", "%").replace(r"$\uparrow$", "↑").replace(r"$\downarrow$", "↓")
    lines = [
        re.split(r"\s*&\s*", line.removesuffix(r"\\").strip())
        for line in plain.splitlines()
        if line.endswith(r"\\")
    ]
    return {line[0]: dict(zip(lines[0][1:], line[1:], strict=True)) for line in lines[1:]}


def test_reasons_for_other_costs_are_given_for_the_rows_that_are_there(results):
    published = results.parent / "published.yaml"
    paper = yaml.safe_load(published.read_text())
    paper["3"]["why"] = {"unext": "counted otherwise.", "egeunet": "of a row not here."}
    published.write_text(yaml.safe_dump(paper))
    _, text, latex = make(results)
    for made in (text, latex):
        assert "UNeXt, the paper's cost: counted otherwise." in made
        assert "of a row not here" not in made


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


def test_a_data_set_that_the_paper_lacks_is_tabled_and_drawn(results):
    for part in ("scores", "cost"):
        (results / part / "polyps").rename(results / part / "moles")
    cells, text, _ = make(results, dataset="moles")
    assert "(" not in read_markdown(text)["ORDER"]["mDice ↑"]
    assert cells["mean"].notna().all()
    figure = results.parent / "figure"
    plot_accuracy_cost.main(results.parent / "table3.csv", dataset="moles", output=figure)
    assert figure.with_suffix(".png").stat().st_size > 1000


def test_the_caption_says_seeds_and_images(results):
    *_, latex = make(results)
    (caption,) = re.findall(r"\\caption{(.*)}", latex)
    assert caption == "Table 3: Segmentation. Seeds: 0, 1, 2. Polyps: 11 test images."


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
