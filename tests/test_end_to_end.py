"""A true run of the smallest study, through every rule, and what a second call would do."""

import base64
import json
import os
import re

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, Browser
from conftest import ROOT
from PIL import Image

CONFIG = ["--configfile", "config/demo.yaml", "tests/study.yaml"]
RULES = set(re.findall(r"^rule (\w+):", "\n".join(
    path.read_text() for path in (ROOT / "rules").glob("*.smk")), re.M))  # fmt: skip
# What only other studies have: data and weights from the internet, Stable Diffusion's latents, a
# raw set of the user's own, an nnU-Net as judge of synthetic images.
ELSEWHERE = {rule for rule in RULES if rule.startswith("fetch_")} | {
    "cache_latents", "locate_raw", "predict_synthetic_nnunet"
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(snakemake, checkout):
    """The results of the smallest study."""
    code, printed = snakemake(*CONFIG, "--show-failed-logs")
    assert code == 0, printed[-6000:]
    return checkout / "results" / "smallest"


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
    assert "stand-in" in (finished / "tables/table1.md").read_text()


def test_a_cell_is_the_mean_of_the_scores_below_it(finished):
    table = pd.read_csv(finished / "tables/table5.csv")
    scores = pd.read_csv(finished / "scores/polyps/mkunet/seed0/metrics.csv")
    cell = table[(table.row == "mkunet") & (table.column == "dice")]
    assert cell["mean"].item() == pytest.approx(scores.dice.mean(), abs=1e-9)


def test_the_figures_show_something(finished):
    names = [path.stem for path in (finished / "figures").glob("*.png")]
    assert len(names) == 9
    for name in names:
        picture = np.asarray(Image.open(finished / f"figures/{name}.png").convert("L"))
        assert picture.std() > 5, name
        assert (finished / f"figures/{name}.pdf").read_bytes()[:5] == b"%PDF-"


def test_the_report_is_one_file(finished):
    html = (finished / "report.html").read_text()
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", html)
    pictures = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", html)
    assert len(pictures) == 9
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
    code, printed = snakemake(*CONFIG, "--report", tmp_path / "report.html")
    assert code == 0, printed[-3000:]
    html = (tmp_path / "report.html").read_text()
    for words in ("Audit and claims", "Tables", "Figure 8: delta maps", "over training."):
        assert words in html


def test_a_training_notes_where_it_comes_from(finished):
    recipe = json.loads((finished / "controlnet/polyps/law/seed0/recipe.json").read_text())
    assert recipe["provenance"]["libraries"]["torch"]
    assert recipe["recipe"]["weighting"] == "law"


def test_nothing_unfinished_is_left(finished):
    left = [path for path in finished.rglob(".*") if path.name != ".snakemake_timestamp"]
    assert not left


def jobs_of(printed: str) -> set[str]:
    """Outputs of the planned jobs, as a dry-run prints them."""
    return set(re.findall(r"^    output: (\S+?),?(?: |$)", printed, re.M))


def test_a_second_call_finds_nothing_to_do(finished, snakemake):
    code, printed = snakemake(*CONFIG)
    assert code == 0 and "Nothing to be done" in printed


def test_comments_and_dates_rerun_nothing(finished, snakemake, checkout):
    for script in (checkout / "workflow_src").rglob("*.py"):
        script.write_text("# A remark.\n" + script.read_text())
    _, printed = snakemake(*CONFIG, "-n")
    assert "Nothing to be done" in printed


def test_one_ablation_reruns_alone(finished, snakemake):
    models = "segmentation={models: {order_34: {learning_rate: 0.002}}}"
    _, printed = snakemake(*CONFIG, "-n", "--config", models)
    made = {path.split("/", 2)[2] for path in jobs_of(printed)}
    assert made == {
        "models/polyps/order_34/seed0/recipe.json",
        "predictions/polyps/order_34/seed0/predictions.json",
        "scores/polyps/order_34/seed0/metrics.json",
        "tables/table6.csv",
        "claims.md",
        "audit.md",
        "figures/published.pdf",
        "report.html",
    }


def test_a_changed_metric_remakes_what_shows_it_alone(finished, snakemake):
    metrics = finished / "scores/polyps/order_34/seed0/metrics.json"
    before, dates = metrics.read_text(), metrics.stat()
    metrics.write_text(before.replace('"dice"', '"dice" '))
    _, printed = snakemake(*CONFIG, "-n", "report")
    metrics.write_text(before)
    os.utime(metrics, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    made = {path.split("/", 2)[2] for path in jobs_of(printed)}
    assert "tables/table6.csv" in made and "claims.md" in made
    others = {f"tables/table{number}.csv" for number in range(1, 6)}
    assert not made & others and not [path for path in made if "/seed" in path]


def test_another_seed_plans_that_seed_alone(finished, snakemake):
    _, printed = snakemake(*CONFIG, "-n", "--config", "seeds=[0,1]")
    made = {path for path in jobs_of(printed) if "/seed" in path}
    assert made and not [path for path in made if "/seed0/" in path]


def test_changed_code_plans_what_it_made(finished, snakemake, checkout):
    code = checkout / "workflow_src/segmentation/order.py"
    before = code.read_text()
    code.write_text(before + "\nCHANGED = 1\n")
    _, printed = snakemake(*CONFIG, "-n")
    code.write_text(before)
    made = jobs_of(printed)
    assert any("models/polyps/order_34/" in path for path in made)
    assert not [path for path in made if "controlnet" in path or "/nnunet/" in path]
