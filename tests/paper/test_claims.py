"""Claims: verdicts from metrics on disk, and claims.yaml against the paper and the config."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from claim_cases import add_lucky_and_unlucky, claim, models_and_methods, once
from conftest import ROOT
from scipy import stats

from workflow_src import make_claims
from workflow_src.common.outputs import write_json
from workflow_src.paper.claims import (
    ABSENT,
    FAILS,
    HOLDS,
    OPEN,
    SMALL,
    Claim,
    decide,
    effect_text,
    judge,
    judge_all,
    published_effect,
    read_claims,
    verdict_text,
)
from workflow_src.paper.measured import TableSpec
from workflow_src.study.columns import COLUMNS

CLAIMS = read_claims(yaml.safe_load((ROOT / "config" / "claims.yaml").read_text()))
PAPER = yaml.safe_load((ROOT / "config" / "published.yaml").read_text())


@pytest.mark.parametrize(
    ("effect", "p", "p_least", "verdict"),
    [
        (3.0, 0.01, 0.01, HOLDS),
        (2.0, 0.04, 0.5, HOLDS),
        (0.9, 0.04, 0.8, HOLDS),  # perhaps smaller than would matter, perhaps not
        (2.0, 0.06, 0.3, OPEN),
        (-0.1, 0.9, 0.2, OPEN),
        (-0.1, 0.9, 0.001, FAILS),  # what would matter is ruled out
        (0.45, 0.001, 0.001, SMALL),  # such as [0.3, 0.6]
        (-3.0, 0.001, 0.001, FAILS),  # the opposite
        (-3.0, 0.001, 0.06, FAILS),
    ],
)
def test_a_verdict_follows_from_the_two_tests(effect, p, p_least, verdict):
    assert decide(effect, p, p_least, least=1.0) == verdict


@pytest.fixture
def spec(tmp_path):
    return models_and_methods(tmp_path)


def verdict_on(asked: Claim, spec: TableSpec, published: dict | None = None) -> dict:
    """What is found of a single claim."""
    return judge_all({"one": asked}, {"3": spec}, published or {}, [])["one"]


@pytest.mark.parametrize(
    ("column", "row", "is_", "than", "least", "verdict"),
    [
        ("dice", "order", "above", "mkunet", 1.0, HOLDS),
        ("dice", "order", "above", "mkunet", 9.0, SMALL),
        ("dice", "mkunet", "below", "order", 1.0, HOLDS),
        ("dice", "mkunet", "above", "order", 1.0, FAILS),
        ("dice", "twin", "above", "mkunet", 1.0, FAILS),
        ("dice", "order", "above", "mkunet", 4.0, HOLDS),
        ("dice", "order", "above", "mkunet", 6.0, SMALL),
        ("dice", "unheard", "above", "mkunet", 1.0, ABSENT),
        ("iou", "order", "above", "mkunet", 1.0, ABSENT),
        ("faithfulness", "uniform", "above", "law", 1.0, HOLDS),
        ("fid", "law", "below", "uniform", 2.0, HOLDS),
        ("fid", "law", "above", "uniform", 2.0, FAILS),
        ("parameters", "order", "fewer", "mkunet", 730, HOLDS),
        ("parameters", "order", "fewer", "mkunet", 731, FAILS),
        ("parameters", "order", "about", None, 42000, HOLDS),
        ("parameters", "order", "about", None, 50000, FAILS),
        ("stability", "law", "stable", None, 0, HOLDS),
        ("stability", "uniform", "unstable", None, 0, HOLDS),
        ("stability", "uniform", "stable", None, 0, FAILS),
    ],
)
def test_verdicts(spec, column, row, is_, than, least, verdict):
    result = verdict_on(claim(column, row, is_, than, least), spec)
    assert result["verdict"] == verdict, result
    assert bool(result["evidence"]) == (verdict != ABSENT)
    assert all(Path(path).is_file() for path in result["evidence"])


def test_the_effect_is_that_of_the_images(spec, tmp_path):
    result = judge(claim("dice", "order", "above", "mkunet"), spec, {}, [])
    ours, theirs = (
        np.mean([pd.read_csv(tmp_path / "score" / row / s / "metrics.csv").dice
                 for s in ("seed0", "seed1", "seed2")], axis=0)
        for row in ("order", "mkunet")
    )  # fmt: skip
    assert result["effect"] == pytest.approx(100 * (ours - theirs).mean())
    assert result["interval"][0] < result["effect"] < result["interval"][1]
    assert "3 and 3 trainings, 40 images of 40 cases" in result["test"]
    assert effect_text(result).endswith("over trainings and cases")


def test_one_training_each_decides_nothing(spec):
    once(spec, "score")
    result = verdict_on(claim("dice", "order", "above", "mkunet"), spec)
    assert result["interval"][0] > 4  # far apart, these two networks
    assert verdict_text(result) == "undecided: one training each" and "p" not in result
    assert "these networks, not about the methods" in result["test"]
    assert effect_text(result).endswith("over cases")
    once(spec, "fidelity")
    result = verdict_on(claim("fid", "law", "below", "uniform"), spec)
    assert verdict_text(result) == "undecided: one training each" and "interval" not in result
    once(spec, "stability")
    result = verdict_on(claim("stability", "law", "stable"), spec)
    assert verdict_text(result) == "undecided: one training"


def test_lucky_trainings_are_no_effect_of_a_method(spec, tmp_path):
    """Equal methods whose trainings vary: images alone would tell them apart."""
    add_lucky_and_unlucky(spec, tmp_path)
    tables = [
        [pd.read_csv(path.with_name("metrics.csv")).dice for path in paths]
        for row, paths in spec.files["score"]["polyps"].items()
        if "lucky" in row
    ]
    ours, theirs = (np.mean(found, axis=0) for found in tables)
    assert stats.ttest_rel(ours, theirs).pvalue < 1e-6
    result = verdict_on(claim("dice", "lucky", "above", "unlucky"), spec)
    assert result["verdict"] == OPEN and result["p"] > 0.1


def test_verdicts_go_by_the_corrected_p(spec, tmp_path):
    for seed, fid in enumerate((63.0, 64.5, 65.2)):
        facts = {"inception": {"extractor": "Inception", "resize": "", "distance": fid}}
        write_json(tmp_path / "fidelity" / "law" / f"seed{seed}.json", facts)
    asked = claim("fid", "law", "below", "uniform", least=0.1)
    for seed, fid in enumerate((67.0, 66.0, 68.4)):
        facts = {"inception": {"extractor": "Inception", "resize": "", "distance": fid}}
        write_json(tmp_path / "fidelity" / "uniform" / f"seed{seed}.json", facts)
    alone = verdict_on(asked, spec)
    assert alone["verdict"] == HOLDS and alone["p"] == alone["p_holm"] < 0.05
    others = {str(n): claim("dice", "twin", "above", "mkunet") for n in range(4)}
    among = judge_all({"one": asked} | others, {"3": spec}, {}, [])["one"]
    assert among["p"] == alone["p"] and among["p_holm"] > 0.05 and among["verdict"] == OPEN
    assert "corrected" in among["test"]


def test_smaller_networks_judge_nothing(spec):
    result = judge(
        claim("parameters", "order", "about", None, 42000), spec, {}, ["order.parameters"]
    )
    assert result["verdict"] == ABSENT and "not as published" in result["test"]


def test_drawn_data_are_judged_beside_nothing_of_the_papers(spec):
    asked = claim("dice", "order", "above", "mkunet")
    assert judge(asked, spec, PAPER, [])["published"] == pytest.approx(6.0)
    spec.drawn = ["polyps"]
    result = verdict_on(asked, spec, PAPER)
    assert result["published"] is None and result["verdict"] == HOLDS
    assert "paper" not in effect_text(result)


def test_what_is_missing_or_not_measured_is_told_apart(spec, tmp_path):
    asked = claim("dice", "order", "above", "mkunet")
    metrics = tmp_path / "score" / "order" / "seed0" / "metrics.json"
    write_json(metrics, {"all": {"dice": None}})
    assert judge(asked, spec, {}, [])["test"] == "no metrics of order"
    metrics.unlink()
    with pytest.raises(FileNotFoundError):
        judge(asked, spec, {}, [])


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_what_the_paper_and_the_config_say(name):
    claim = CLAIMS[name]
    table = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["tables"][claim.table]
    assert {claim.row, claim.than} - {None} <= set(table["rows"])
    assert claim.dataset in table["datasets"]
    assert claim.column in (*table["columns"], *table.get("more", []))
    assert claim.column in COLUMNS
    effect = published_effect(claim, PAPER)
    if COLUMNS[claim.column].size:
        assert effect is None  # the paper has no figures by lesion size
    elif claim.is_ in ("above", "below"):
        assert (effect > 0) == (claim.is_ == "above") and abs(effect) >= claim.least
    elif claim.is_ == "fewer":
        assert effect >= claim.least
    elif claim.is_ == "about":
        assert effect == claim.least
    else:
        said = PAPER[claim.table]["rows"][claim.row][claim.dataset]["stability"]
        assert said.lower() == claim.is_


def test_the_script_judges_all(spec, tmp_path):
    claims, published = ROOT / "config" / "claims.yaml", ROOT / "config" / "published.yaml"
    make_claims.main(claims, published, {"3": spec}, tmp_path / "claims")
    text = (tmp_path / "claims.md").read_text()
    assert text.count("\n| ") == 1 + len(CLAIMS)
    assert "ORDER beats MK-UNet (Polyps) | Abstract, Table 3 | holds" in text
