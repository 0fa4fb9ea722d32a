"""Table 4's verdict on a training, from its log."""

import json

import pandas as pd
import pytest
from conftest import hashed

from workflow_src import score_stability
from workflow_src.common.outputs import write_json
from workflow_src.metrics.stability import StabilityLimits, judge


def log_of(**changed) -> pd.DataFrame:
    """A calm training of five rows, with columns changed."""
    calm = {
        "step": [10, 20, 30, 40, 50],
        "loss": [1.0, 0.9, 0.8, 0.7, 0.6],
        "loss_max": [1.5, 1.2, 1.1, 1.0, 0.9],
        "grad_norm": [2.0, 1.0, 1.0, 1.0, 1.0],
        "grad_norm_max": [3.0, 2.0, 2.0, 2.0, 2.0],
        "weight_max": [2.0] * 5,
        "weight_mean": [0.6] * 5,
    }
    return pd.DataFrame(calm | changed)


def test_a_calm_training_is_stable():
    verdict = judge(log_of(), StabilityLimits())
    assert verdict["stable"] and verdict["because"] == []
    assert verdict["loss_spike"] == pytest.approx(1.5 / 0.8)  # the largest over the median
    assert verdict["gradient_spike"] == 3.0


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"loss_max": [1.0, 1.0, 17.0, 1.0, 1.0]}, "loss_spike"),
        ({"grad_norm_max": [1.0, 1.0, 1.0, 21.0, 1.0]}, "gradient_spike"),
        ({"weight_max": [2.0, 2.0, 2.0, 101.0, 2.0]}, "weight_max"),
        ({"weight_mean": [0.6, 0.6, 0.04, 0.6, 0.6]}, "weight_mean"),
        ({"loss": [1.0, 0.9, 0.8, None, 0.6]}, "not_finite"),
    ],
)
def test_each_limit_makes_a_training_unstable_alone(changed, because):
    verdict = judge(log_of(**changed), StabilityLimits())
    assert not verdict["stable"] and verdict["because"] == [because]


def test_the_limits_are_kept_with_the_verdict(tmp_path):
    log_of().to_csv(tmp_path / "log.csv", index=False)
    write_json(tmp_path / "recipe.json", hashed(tmp_path, "log.csv"))
    limits = StabilityLimits(loss_spike=1.2)
    score_stability.main(tmp_path / "log.csv", tmp_path / "stability.json", limits)
    verdict = json.loads((tmp_path / "stability.json").read_text())
    assert verdict["because"] == ["loss_spike"] and verdict["limits"]["loss_spike"] == 1.2
