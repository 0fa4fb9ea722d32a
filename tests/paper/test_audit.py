"""The audit: it finds what is wrong, plants included, and nothing where nothing is wrong."""

import copy
import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT

from workflow_src import make_audit
from workflow_src.diffusion.law import adaptive_weights
from workflow_src.paper import audit_costs, audit_method, audit_tables
from workflow_src.paper.audit import Study
from workflow_src.paper.saturation import region_weights, saturated_below
from workflow_src.study.synthesis import ControlNetRecipe

CHECKS = (*audit_tables.CHECKS, *audit_method.CHECKS, *audit_costs.CHECKS)


@pytest.fixture
def paper() -> dict:
    """The published numbers, to be changed at will."""
    return yaml.safe_load((ROOT / "config" / "published.yaml").read_text())


def places(findings: list, kind: str) -> set[str]:
    return {finding.place for finding in findings if finding.kind == kind}


def every(paper: dict, study: Study | None = None) -> list:
    return [finding for check in CHECKS for finding in check(paper, study or Study())]


def test_what_cannot_be_is_found_and_nothing_more(paper):
    assert places(every(paper), "impossible") == {
        "Table 2, real_law, polyps", "Table 2, real_law, kits19", "Table 3, order, polyps",
        "Table 5, order, polyps", "Table 6, order, polyps", "Table 6", "Eqs. 15 and 16, Table 3",
    }  # fmt: skip


def test_every_finding_shows_its_arithmetic_and_says_what_follows(paper):
    for finding in every(paper):
        assert re.search(r"\d|no row of", finding.arithmetic), finding
        if finding.kind != "right":
            assert finding.consequence and finding.action, finding


@pytest.mark.parametrize("iou", [75.1, 90.0, 59.0])
def test_a_planted_impossible_iou_is_caught(paper, iou):
    before = places(every(paper), "impossible")
    paper["3"]["rows"]["unext"]["polyps"] |= {"dice": 74.9, "iou": iou}
    assert places(every(paper), "impossible") - before == {"Table 3, unext, polyps"}


@pytest.mark.parametrize("iou", [74.9, 74.95, 59.9])
def test_rounding_is_granted(paper, iou):
    paper["3"]["rows"]["unext"]["polyps"] |= {"dice": 74.9, "iou": iou}
    assert "Table 3, unext, polyps" not in places(every(paper), "impossible")


def test_the_bounds_hold_for_all_masks():
    rng = np.random.default_rng(0)
    for _ in range(50):
        overlap = rng.random(20)
        dice, iou = 2 * overlap / (1 + overlap), overlap
        bound = dice.mean() / (2 - dice.mean())
        assert bound <= iou.mean() <= dice.mean()


def test_an_impossible_number_of_ours_is_caught(paper):
    rows = [["mkunet", "polyps", "dice", 80.0], ["mkunet", "polyps", "iou", 81.0]]
    table = pd.DataFrame(rows, columns=["row", "dataset", "column", "mean"])
    found = places(every(paper, Study(tables={"5": table})), "impossible")
    assert "This study's Table 5, mkunet, polyps" in found
    table.loc[1, "mean"] = 70.0
    found = places(every(paper, Study(tables={"5": table})), "impossible")
    assert not [place for place in found if place.startswith("This study")]


def test_parameters_of_table_6_by_trying_all_roundings(paper):
    (finding,) = audit_tables.stage_parameters(paper, Study())
    most = max(
        (50 + a) + (27 + b) - (38 + c) - (42 + d)
        for a, b, c, d in itertools.product((-0.5, 0.5), repeat=4)
    )
    assert most == -1.0 and "-1.0K" in finding.arithmetic and "-3K" in finding.arithmetic


def test_parameters_that_modules_can_have_pass(paper):
    for row, parts in {"order": 10, "order_23": 30, "order_34": 50, "order_all": 70}.items():
        paper["6"]["rows"][row]["polyps"]["parameters"] = 27000 + 1000 * parts
    (finding,) = audit_tables.stage_parameters(paper, Study())
    assert finding.kind == "right"  # p0 + p1 = 10, p2 + p3 = 30, p3 + p4 = 50: p2 = 10, p4 = 30


def test_tables_that_disagree_are_found_until_they_agree(paper):
    def of_table_5(findings):
        return [f for f in findings if f.place == "Tables 5, 6" and "order_all" in f.claim]

    assert len(of_table_5(audit_tables.repeated_cells(paper, Study()))) == 2
    paper["5"]["rows"]["order_all"] = copy.deepcopy(paper["6"]["rows"]["order_all"])
    assert not of_table_5(audit_tables.repeated_cells(paper, Study()))


@pytest.mark.parametrize(
    ("value", "unit", "fits"),
    [
        (4.9, "%", {"points"}),
        (6, "%", {"relative"}),
        (5, "%", {"points"}),
        (7, "%", set()),
        (4.7, "%", set()),
    ],
)
def test_readings_of_a_stated_difference(paper, value, unit, fits):
    entry = {"value": value, "unit": unit, "of": ["2", "real_law", "polyps", "dice"],
             "than": ["2", "real", "polyps", "dice"]}  # fmt: skip
    assert audit_method.readings(entry, paper)[0] == fits


def test_a_difference_that_no_reading_gives_is_found(paper):
    assert "Section 4.3" not in places(audit_method.differences(paper, Study()), "contradiction")
    (entry,) = (e for e in paper["text"]["differences"] if e["value"] == 6.4)
    entry["value"] = 9.9
    assert "Section 4.3" in places(audit_method.differences(paper, Study()), "contradiction")


def test_steps_that_fit_epochs_and_batch_are_no_finding(paper):
    assert "Section 4.1" in places(audit_method.training_length(paper, Study()), "contradiction")
    paper["text"]["protocol"]["batch_size"] = 29
    found = audit_method.training_length(paper, Study())
    assert "Section 4.1" not in places(found, "contradiction")


@pytest.mark.parametrize("r", [0.0625, 0.1875, 0.25, 0.5])
@pytest.mark.parametrize("delta", [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_closed_forms_are_those_of_the_training(r, delta):
    mask = torch.zeros(1, 1, 8, 8)
    mask.view(-1)[: int(64 * r)] = 1
    maps = mask * delta[0] + (1 - mask) * delta[1]
    recipe = ControlNetRecipe(weighting="law", w_max=2.0, w_min=1e-3, gamma=0.2)
    weights = adaptive_weights(maps, mask, recipe)
    mu = [1 + 0.2 * (2 * d - 1) for d in delta]
    expected = region_weights(np.array([r]), *mu, bounds=(1e-3, 2.0))
    found = weights[mask > 0][0].item(), weights[mask == 0][0].item()
    assert found == pytest.approx([part.item() for part in expected], rel=1e-5)


def test_below_the_ratio_of_saturation_no_delta_matters():
    always, usually = saturated_below(0.2, 2.0)
    assert (always, usually) == pytest.approx((0.2, 0.25))
    for r, saturated in ((0.199, True), (0.201, False)):
        lesion, _ = region_weights(np.array([r]), 0.8, 1.2)
        assert (lesion.item() > 2.0) == saturated


def test_costs_are_compared_where_the_study_has_the_published_network(paper):
    costs = {
        "unext": {"parameters": 1_471_921, "gflops": 1.124, "size": 256},
        "order": {"parameters": 42_442, "gflops": 0.144, "size": 256},
    }
    found = audit_costs.costs(paper, Study(costs=costs, reduced=["order.gflops"]))
    assert [f.claim.split(":")[0] for f in found if f.kind == "measured"] == [
        "unext, parameters", "unext, gflops"
    ]  # fmt: skip
    assert [f.claim for f in found if f.kind == "right"] == ["order, parameters"]


def test_the_script_writes_text_and_data(tmp_path, polyps):
    published = ROOT / "config" / "published.yaml"
    make_audit.main(published, tmp_path / "audit", data={"P": polyps.folder / "index.csv"})
    findings = json.loads((tmp_path / "audit.json").read_text())
    text = (tmp_path / "audit.md").read_text()
    assert len(findings) > 25
    for finding in findings:
        assert finding["claim"] in text and finding["arithmetic"] in text
    assert "in this study's P" in text
