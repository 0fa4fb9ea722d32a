"""Claims: verdicts from metrics on disk, and claims.yaml against the paper and the config."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT

from workflow_src import make_claims
from workflow_src.common.outputs import write_json
from workflow_src.paper.claims import (
    ABSENT,
    FAILS,
    HOLDS,
    OPEN,
    Claim,
    decide,
    effect_text,
    judge,
    published_effect,
    read_claims,
)
from workflow_src.paper.measured import TableSpec
from workflow_src.study.columns import COLUMNS

CLAIMS = read_claims(yaml.safe_load((ROOT / "config" / "claims.yaml").read_text()))
PAPER = yaml.safe_load((ROOT / "config" / "published.yaml").read_text())


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (2.0, 4.0, 0.01, HOLDS),
        (0.1, 4.0, 0.04, HOLDS),
        (0.1, 4.0, 0.06, OPEN),
        (-1.0, 4.0, 0.2, OPEN),
        (-1.0, 0.9, 0.5, FAILS),
        (0.1, 0.9, 0.001, FAILS),  # there, but smaller than what would matter
        (-4.0, -2.0, 0.001, FAILS),
        (float("nan"), float("nan"), 1.0, OPEN),
    ],
)
def test_a_verdict_follows_from_interval_and_test(low, high, p, verdict):
    assert decide(low, high, p, least=1.0) == verdict


def write_scores(folder: Path, level: float, images: int = 40, source: str = "A") -> None:
    """metrics.csv and metrics.json with noise that the rows share, so that they pair."""
    noise = np.random.default_rng(0).normal(0, 0.05, images)
    own = np.random.default_rng(round(1000 * level)).normal(0, 0.005, images)
    prefix = source.removeprefix("synthetic/") + "_" if "/" in source else ""
    table = pd.DataFrame({"stem": [f"{prefix}{i}" for i in range(images)], "source": source})
    table["case"] = [f"A/{i}" for i in range(images)]
    table["duplicate_of"] = ""
    table["dice"] = level + noise + own
    folder.mkdir(parents=True)
    table.to_csv(folder / "metrics.csv", index=False)
    write_json(folder / "metrics.json", {"all": {"images": images, "dice": table.dice.mean()}})


SEEDS = [f"seed{seed}.json" for seed in range(3)]


def files(folder: Path, rows: tuple[str, ...], *names: str) -> dict[str, dict[str, list[Path]]]:
    """Metrics files of the polyps by row."""
    return {"polyps": {row: [folder / row / name for name in names] for row in rows}}


@pytest.fixture
def spec(tmp_path) -> TableSpec:
    """Three models at one seed, their costs, and two methods' FIDs at three seeds."""
    for row, level in (("mkunet", 0.75), ("order", 0.80), ("twin", 0.7502)):
        write_scores(tmp_path / "score" / row / "seed0", level)
        parameters = 31_000_000 if row == "mkunet" else 42_442
        write_json(tmp_path / "cost" / f"{row}.json", {"parameters": parameters, "gflops": 0.5})
    for row, base in (("law", 52.0), ("uniform", 65.0)):
        write_scores(
            tmp_path / "faithfulness" / row / "seed0", base / 100, source=f"synthetic/{row}"
        )
        for seed in range(3):
            distance = base + seed + (seed == 2) * (row == "law") / 4
            facts = {"inception": {"extractor": "Inception", "resize": "", "distance": distance}}
            write_json(tmp_path / "fidelity" / row / f"seed{seed}.json", facts)
            stability = {"stable": row == "law", "because": [] if row == "law" else ["loss_spike"]}
            write_json(tmp_path / "stability" / row / f"seed{seed}.json", stability)
    names = ("mkunet", "order", "twin", "law", "uniform")
    models, methods = names[:3], names[3:]
    return TableSpec(
        rows={name: name for name in names},
        datasets={"polyps": "Polyps"},
        columns=["dice", "parameters", "fid", "stability", "faithfulness"],
        seeds=[0, 1, 2],
        files={
            "score": files(tmp_path / "score", models, "seed0/metrics.json"),
            "faithfulness": files(tmp_path / "faithfulness", methods, "seed0/metrics.json"),
            "cost": {"polyps": {row: [tmp_path / "cost" / f"{row}.json"] for row in models}},
            "fidelity": files(tmp_path / "fidelity", methods, *SEEDS),
            "stability": files(tmp_path / "stability", methods, *SEEDS),
        },
    )


def claim(column: str, row: str, is_: str, than: str | None = None, least: float = 1.0) -> Claim:
    return Claim("It is so", "Abstract", "3", "polyps", column, row, is_, than, least)


@pytest.mark.parametrize(
    ("column", "row", "is_", "than", "least", "verdict"),
    [
        ("dice", "order", "above", "mkunet", 1.0, HOLDS),
        ("dice", "order", "above", "mkunet", 9.0, FAILS),
        ("dice", "mkunet", "below", "order", 1.0, HOLDS),
        ("dice", "mkunet", "above", "order", 1.0, FAILS),
        ("dice", "twin", "above", "mkunet", 1.0, FAILS),
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
    result = judge(claim(column, row, is_, than, least), spec, {}, [])
    assert result["verdict"] == verdict, result
    assert bool(result["evidence"]) == (verdict != ABSENT)
    assert all(Path(path).is_file() for path in result["evidence"])


def test_the_effect_is_that_of_the_images(spec, tmp_path):
    result = judge(claim("dice", "order", "above", "mkunet"), spec, {}, [])
    ours, theirs = (
        pd.read_csv(tmp_path / "score" / row / "seed0" / "metrics.csv").dice
        for row in ("order", "mkunet")
    )
    assert result["effect"] == pytest.approx(100 * (ours - theirs).mean())
    assert result["interval"][0] < result["effect"] < result["interval"][1]


def test_too_few_cases_or_seeds_decide_nothing(spec, tmp_path):
    for row, level in (("a", 0.5), ("b", 0.9)):
        write_scores(tmp_path / "score" / row / "seed0", level, images=5)
        spec.rows[row] = row
        spec.files["score"]["polyps"][row] = [tmp_path / "score" / row / "seed0/metrics.json"]
    assert judge(claim("dice", "b", "above", "a"), spec, {}, [])["verdict"] == OPEN
    spec.seeds = [0]
    for row in ("law", "uniform"):
        del spec.files["fidelity"]["polyps"][row][1:]
    assert judge(claim("fid", "law", "below", "uniform"), spec, {}, [])["verdict"] == OPEN


def test_smaller_networks_judge_nothing(spec):
    result = judge(
        claim("parameters", "order", "about", None, 42000), spec, {}, ["order.parameters"]
    )
    assert result["verdict"] == ABSENT and "not as published" in result["test"]


def test_drawn_data_are_judged_beside_nothing_of_the_papers(spec):
    asked = claim("dice", "order", "above", "mkunet")
    assert judge(asked, spec, PAPER, [])["published"] == pytest.approx(6.0)
    spec.drawn = ["polyps"]
    result = judge(asked, spec, PAPER, [])
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
    assert claim.dataset in table["datasets"] and claim.column in table["columns"]
    assert claim.column in COLUMNS
    effect = published_effect(claim, PAPER)
    if claim.is_ in ("above", "below"):
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
