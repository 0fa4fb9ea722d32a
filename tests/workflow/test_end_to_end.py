"""A true run of the smallest study, through every rule but those of ELSEWHERE."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, Browser
from conftest import ROOT, SMALLEST
from PIL import Image

from workflow_src.common.outputs import SIGN

RULES = set(re.findall(r"^(?:use rule \w+ as|rule) (\w+)", "\n".join(
    path.read_text() for path in (ROOT / "rules").glob("*.smk")), re.M))  # fmt: skip
# What only other studies have: data and weights from the internet, Stable Diffusion's latents, a
# raw set of the user's own, an nnU-Net as judge of synthetic images, the paper's figures.
ELSEWHERE = {rule for rule in RULES if rule.startswith("fetch_")} | {
    "cache_latents", "locate_raw", "predict_synthetic_nnunet", "plot_published"
}  # fmt: skip


@pytest.fixture(scope="module")
def checkout(study):
    return study


@pytest.fixture(scope="module")
def finished(study):
    """The results of the smallest study."""
    return study / "results" / "smallest"


def test_every_rule_ran(finished):
    ran = {path.name for path in (finished / "benchmarks").iterdir()}
    ran |= {path.stem for path in (finished / "benchmarks").glob("*.tsv")}
    ran |= {"predict_synthetic_segmenter"} if "predict_synthetic" in ran else set()
    assert ran >= RULES - ELSEWHERE, RULES - ELSEWHERE - ran


def test_the_tables_are_whole(finished):
    for number in range(1, 7):
        for suffix in ("csv", "md", "tex"):
            assert (finished / f"tables/table{number}.{suffix}").stat().st_size > 100
    table = (finished / "tables/table3.md").read_text()
    assert "27,384" in table and "42,442" in table
    table = (finished / "tables/table1.md").read_text()
    assert "FD, EfficientNet-Lite0 ↓" in table and "Real images, half against half" in table


def test_a_cell_is_the_mean_of_the_scores_below_it(finished):
    table = pd.read_csv(finished / "tables/table5.csv")
    scores = pd.read_csv(finished / "scores/polyps/mkunet/seed0/metrics.csv")
    cell = table[(table.row == "mkunet") & (table.column == "dice")]
    assert cell["mean"].item() == pytest.approx(100 * scores.dice.mean(), abs=1e-9)


def test_the_figures_show_something(finished):
    names = [path.stem for path in (finished / "figures").glob("*.png")]
    assert len(names) == 14
    for name in names:
        picture = np.asarray(Image.open(finished / f"figures/{name}.png").convert("L"))
        assert picture.std() > 5, name
        assert (finished / f"figures/{name}.pdf").read_bytes()[:5] == b"%PDF-"


def test_the_report_is_one_file(finished):
    html = (finished / "report.html").read_text()
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", html)
    pictures = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", html)
    assert len(pictures) == 14
    assert all(base64.b64decode(p)[:4] == b"\x89PNG" for p in pictures)


def test_the_report_opens_in_a_browser(finished, tmp_path):
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    browser = Browser(tmp_path)
    try:
        for width in (1280, 390):
            browser.open(finished / "report.html", width)
            assert not browser.problems() and not browser.requests()
            assert browser.ask("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
            assert browser.ask("document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        browser.close()


def test_audit_and_claims_are_made(finished):
    findings = json.loads((finished / "audit.json").read_text())
    assert {"impossible", "contradiction", "measured", "right"} == {f["kind"] for f in findings}
    claims = json.loads((finished / "claims.json").read_text())
    verdicts = {name: claim["verdict"] for name, claim in claims.items()}
    assert verdicts["order_parameters"] == "holds"
    assert verdicts["order_small"] == verdicts["law_fid_polyps"] == "not run"


def test_snakemakes_own_report_has_categories_and_captions(finished, snakemake, tmp_path):
    code, printed = snakemake(*SMALLEST, "--report", tmp_path / "report.html")
    assert code == 0, printed[-3000:]
    html = (tmp_path / "report.html").read_text()
    for words in ("Audit and claims", "Tables", "Figure 8: delta maps", "over training."):
        assert words in html


def test_a_training_notes_where_it_comes_from(finished):
    recipe = json.loads((finished / "controlnet/polyps/law/seed0/recipe.json").read_text())
    assert recipe["provenance"]["libraries"]["torch"]
    assert recipe["recipe"]["weighting"] == "law"


def test_nothing_unfinished_is_left(finished):
    signs = {".snakemake_timestamp", SIGN}
    left = [path for path in finished.rglob(".*") if path.name not in signs]
    assert not left
