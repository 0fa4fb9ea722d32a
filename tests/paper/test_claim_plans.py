"""What would decide a claim that is open: trainings, images and GPU-hours."""

import pytest
from claim_cases import add_lucky_and_unlucky, claim, models_and_methods, once

from workflow_src.paper.claims import judge_all
from workflow_src.paper.plans import plan_claims, plan_rows, plans_text


@pytest.fixture
def spec(tmp_path):
    return models_and_methods(tmp_path)


def test_open_claims_say_what_would_decide_them(spec, tmp_path):
    """Trainings that vary, three of each: more are needed, and each takes GPU-hours."""
    add_lucky_and_unlucky(spec, tmp_path)
    asked = claim("dice", "lucky", "above", "unlucky", least=3.0)
    results = judge_all({"one": asked}, {"3": spec}, {}, [])
    plan_claims(results, {"3": {"polyps": {"lucky": 2.0, "unlucky": 1.0}}})
    (plan,) = results["one"]["plan"]
    assert plan["for"] == "what would matter" and not plan["at_least"]
    assert plan["seeds"] > 3 and plan["images"] == 400
    assert plan["gpu_hours"] == 3.0 * (plan["seeds"] - 3)
    assert f"{plan['seeds']} trainings each" in plans_text(results["one"])
    (row,) = plan_rows(results)
    assert row["trainings each"] == str(plan["seeds"]) and row["so far"] == "3 and 3"
    once(spec, "score")
    results = judge_all({"one": asked}, {"3": spec}, {}, [])
    plan_claims(results, {})
    (plan,) = results["one"]["plan"]
    assert plan["at_least"] and plan["gpu_hours"] is None
    assert "at least" in plans_text(results["one"])


def test_a_claim_that_is_decided_has_no_plan(spec):
    results = judge_all({"one": claim("dice", "order", "above", "mkunet")}, {"3": spec}, {}, [])
    plan_claims(results, {})
    assert "plan" not in results["one"] and plans_text(results["one"]) == ""
