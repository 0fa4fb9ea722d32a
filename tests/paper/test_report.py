"""The report: whole, in one file, true to what it is made from, and opened in a real browser."""

import base64
import re
from html import unescape
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from conftest import ROOT

from workflow_src import make_audit, make_report
from workflow_src.common.outputs import write_json, write_text
from workflow_src.paper.style import plt, save

LONG = "Unstable (gradient_spike, loss_spike, weight_max, weight_mean)"
FILE = {"path": "results/mine/a.json", "sha256": "0" * 64, "script": "workflow_src.score",
        "code": "abc", "commit": "def", "hardware": None}  # fmt: skip
TABLE = {
    "name": "4",
    "title": "Table 4: Ablation of <LAW>",
    "notes": ["Study mine: 64² images.", "Seeds: 0, 1 & 2; p < 0.05."],
    "headings": ["FID ↓", "Stability"],
    "rows": [
        {"label": name, "cells": [
            {"ours": shown, "rest": " (52.28)", "best": best, "value": value},
            {"ours": LONG, "rest": " (Unstable)", "best": False, "value": None}]}
        for name, shown, value, best in (
            ("A", "60.50", 60.5, False), ("B", "9.10", 9.1, True), ("C", "not run", None, False))
    ],
    "cells": [{"row": "A", "dataset": "polyps", "column": "fid", "from": [FILE]}],
}  # fmt: skip
CLAIMS = {
    "first": {
        "says": "LAW > uniform", "place": "Table 1", "table": "4", "column": "FID",
        "dataset": "Polyps", "published": -13.3, "verdict": "holds", "effect": -9.0,
        "interval": [-11.0, -7.0], "over": "trainings", "p": 0.01,
        "test": "3 and 3 trainings", "evidence": ["results/mine/a.json"],
    },
    "open": {
        "says": "It helps", "place": "Table 2", "table": "4", "column": "FID",
        "dataset": "Polyps", "published": None, "verdict": "undecided",
        "because": "one training each", "test": "one training each", "evidence": [],
        "trainings": [1, 1], "images": 0, "data": "polyps", "rows": ["real", "law"],
        "plan": [{"for": "what would matter", "effect": 2.0, "level": 0.05, "at_least": True,
                  "seeds": 2, "images": 0, "gpu_hours": None}],
    },
    "second": {
        "says": "It is fast", "place": "Abstract", "table": "4", "column": "FID",
        "published": None, "verdict": "not run", "test": "no metrics", "evidence": [],
    },
}  # fmt: skip


@pytest.fixture
def report(tmp_path, monkeypatch):
    """A function that makes the report of a table and returns its path."""

    hours = {"4": {"polyps": {"real": 0.5, "law": 0.75}}}
    monkeypatch.setattr(make_report, "training_hours", lambda settings, benchmarks: hours)

    def write(table: dict = TABLE, phantom=None, seeds=(0, 1)) -> Path:
        write_json(tmp_path / "table4.json", table)
        write_json(tmp_path / "claims.json", CLAIMS)
        make_audit.main(ROOT / "config" / "published.yaml", tmp_path / "audit")
        figure, axis = plt.subplots(figsize=(12, 4))
        axis.plot([0, 1])
        save(figure, tmp_path / "figure6")
        times = "s\th:m:s\tmax_rss\n{}\t0:00:02\t{}\n"
        write_text(tmp_path / "benchmarks" / "train" / "a.tsv", times.format(2.5, 100.0))
        write_text(tmp_path / "benchmarks" / "train" / "b.tsv", times.format(4.0, "-"))
        write_text(tmp_path / "benchmarks" / "make_audit.tsv", times.format(1.0, 70.0))
        make_report.main(
            "mine",
            [tmp_path / "table4.json"],
            {"Figure 6: synthesis": tmp_path / "figure6.png"},
            tmp_path / "claims.json",
            tmp_path / "audit.json",
            tmp_path / "benchmarks",
            {"seeds": list(seeds), "datasets": {"polyps": {"label": "A < B", "phantom": phantom}}},
            tmp_path / "report.html",
        )
        return tmp_path / "report.html"

    return write


def text_of(html: str) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<(script|style).*?</\1>", "", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", body)).split())


def test_cells_are_shown_whole_and_only_the_best_is_bold(report):
    html = report().read_text()
    cells = re.findall(r'<td( class="best")?[^>]*><span class="ours">(.*?)</span>', html)
    assert [shown for _, shown in cells] == ["60.50", LONG, "9.10", LONG, "not run", LONG]
    assert [shown for best, shown in cells if best] == ["9.10"]


def test_what_looks_like_html_is_shown_as_text(report):
    html = report().read_text()
    assert "Ablation of &lt;LAW&gt;" in html and "<LAW>" not in html
    assert "Seeds: 0, 1 &amp; 2; p &lt; 0.05." in html
    assert "label: A &lt; B" in html


def test_verdicts_stand_with_effect_and_evidence(report):
    html = report().read_text()
    text = text_of(html)
    counts = "1holds 0holds, smaller than would matter 0does not hold 1undecided 1not run"
    assert counts in text.replace("> <", "")
    assert "It helps, Polyps (Table 2). Undecided: one training each." in text
    row = ["It helps (Polyps)", "what would matter, 2", "at least 2", "1 and 1", "none",
           "at least 1.2"]  # fmt: skip
    assert "".join(f"<td>{cell}</td>" for cell in row) in html
    shown = "FID -9.0 [-11.0, -7.0] over trainings (paper -13.3); 3 and 3 trainings."
    assert f"LAW > uniform, Polyps (Table 1). {shown}" in text
    assert "It is fast (Abstract). No metrics." in text
    links = set(re.findall(r'href="#([\w-]+)"', html))
    assert links <= set(re.findall(r'id="([\w-]+)"', html)) | {"verdict2", "verdict3", "verdict4"}


def test_audit_run_times_and_provenance_are_there(report):
    text = text_of(report().read_text())
    assert "Table 2, real_law, polyps: mDice 83.2, mIoU 84.5" in text
    assert "train 2 6 4 100" in re.sub(r"(?<=train)(\d)(\d)(\d)(\d+)", r" \1 \2 \3 \4", text)
    assert "workflow_src.scoreabcdefnot noted1" in text.replace(" ", "").replace(
        "notnoted", "not noted"
    )


def test_phantoms_and_single_seeds_are_said_and_only_where_they_are(report):
    assert 'class="warning"' not in report().read_text()
    said = "the paper's own figures stand in round brackets beside ours"
    assert said in text_of(report().read_text())
    text = text_of(report(phantom={"kind": "polyps"}, seeds=[0]).read_text())
    assert said not in text and "from metrics on disk." in text
    assert "This study runs on drawn phantoms" in text
    assert "The data are drawn phantoms." in text  # under the figure
    assert "One seed was run" in text


def test_pictures_are_within_the_file(report):
    html = report().read_text()
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert base64.b64decode(picture[1])[:4] == b"\x89PNG"
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A page of Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    page = Browser(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


def check_page(browser: Browser, page: Path) -> None:
    """No error, no request, every image there, and no sideways scrolling at phone width."""
    for width in (1280, 390):
        browser.open(page, width)
        assert not browser.problems()
        assert not browser.requests()
        assert browser.ask("document.images.length") > 0
        assert browser.ask("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        assert browser.ask("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_page_opens_in_a_browser(browser, report):
    check_page(browser, report())


def test_the_browser_test_sees_what_is_wrong(browser, tmp_path):
    page = tmp_path / "wrong.html"
    page.write_text(
        "<meta name=viewport content='width=device-width'><img src='data:image/png;base64,AA'>"
        "<img src='http://127.0.0.1:9/x.png'><div style='width:900px'>wide</div>"
        "<script>nonsense()</script>"
    )
    browser.open(page, 390)
    assert "nonsense is not defined" in " ".join(browser.problems())
    assert browser.requests() == ["http://127.0.0.1:9/x.png"]
    assert not browser.ask("[...document.images].some(i => i.naturalWidth > 0)")
    assert browser.ask("document.documentElement.scrollWidth > 390")


def test_a_click_on_a_heading_sorts_by_number_with_gaps_last(browser, report):
    browser.open(report(), 1280)
    rows = (
        "[...document.querySelector('#table4 + div tbody').rows].map(r => r.cells[0].textContent)"
    )
    click = "document.querySelectorAll('#table4 + div thead th')[1].click()"
    assert browser.ask(f"{rows}.join('')") == "ABC"
    browser.ask(click)
    assert browser.ask(f"{rows}.join('')") == "BAC"
    browser.ask(click)
    assert browser.ask(f"{rows}.join('')") == "ABC"
