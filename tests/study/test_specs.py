"""What tables and figures show of a study, and what their notes say of it."""

import copy

import pytest
import yaml
from conftest import ROOT

from workflow_src.study.figures import delta_method, law_settings
from workflow_src.study.protocol import reduced_costs, reduced_networks, table_remarks
from workflow_src.study.table_specs import (
    cost_files,
    label_of,
    metrics_pattern,
    spec_of,
    table_kinds,
)


@pytest.fixture
def config() -> dict:
    """The paper's study, to change freely."""
    return copy.deepcopy(yaml.safe_load((ROOT / "config/config.yaml").read_text()))


def test_a_rows_label_is_the_tables_own_else_the_entrys_else_the_mixs(config):
    config["tables"]["3"]["labels"] = {"order": "Ours"}
    config["downstream"]["mixes"]["real"]["label"] = "Real"
    config["segmentation"]["models"]["mkunet"]["label"] = "MK"
    assert label_of(config, "3", "order") == "Ours"
    assert label_of(config, "5", "mkunet") == "MK"
    assert label_of(config, "3", "nnunet-real") == "nnU-Net, Real"


def test_a_spec_holds_the_metrics_that_its_columns_need(config):
    config["tables"]["3"]["columns"] = ["dice", "gflops"]
    assert table_kinds(config, "3") == ["cost", "score"]
    files = spec_of(config, "3")["files"]
    assert files["cost"] == f"results/{config['study']}/cost/{{dataset}}/{{row}}.json"
    assert list(spec_of(config, "3")["rows"]) == config["tables"]["3"]["rows"]


def test_the_rows_of_table_2_are_scored_as_nnunets():
    assert "/nnunet-{row}/" in metrics_pattern("score", "2")
    assert "nnunet" not in metrics_pattern("score", "3")


def test_each_model_that_has_a_cost_is_counted_once(config):
    rows = {r for t in config["tables"].values() if "gflops" in t["columns"] for r in t["rows"]}
    files = cost_files(config)
    assert set(files) == rows
    assert files["order"] == "<results>/cost/polyps/order.json"


def test_the_published_networks_are_not_reduced(config):
    assert reduced_costs(config) == []
    assert not any(reduced_networks(config, number) for number in config["tables"])


def test_a_coarser_grid_is_noted_where_it_is_shown(config):
    config["segmentation"]["models"]["order"]["options"]["grid"] = 16
    assert "order.gflops" in reduced_costs(config)
    assert "mkunet.gflops" not in reduced_costs(config)
    assert "ORDER attends on a grid of 16², not 32²." in table_remarks(config, "3")
    assert reduced_networks(config, "1") == []


def test_a_small_nnunet_is_noted_where_it_is_shown(config):
    config["downstream"]["training"]["network"] = {"features": [8, 16], "patch_size": 64}
    assert {"nnunet-real.gflops", "nnunet-real.parameters"} <= set(reduced_costs(config))
    assert "[8, 16]" in reduced_networks(config, "2")[0]
    assert reduced_networks(config, "1") == []


def test_another_size_changes_every_count_of_operations(config):
    config["segmentation"]["cost_size"] = 64
    assert {"mkunet.gflops", "nnunet-real.gflops"} <= set(reduced_costs(config))
    assert not [cost for cost in reduced_costs(config) if cost.endswith("parameters")]


@pytest.mark.parametrize(
    ("number", "says"), [("1", "ControlNets"), ("2", "every mix"), ("3", "epochs; operations")]
)
def test_a_tables_note_tells_its_protocol(config, number, says):
    assert says in table_remarks(config, number)[0]


def test_the_delta_maps_are_laws_or_else_the_last_that_has_any(config):
    assert delta_method(config) == "law"
    del config["synthesis"]["methods"]["law"]
    config["synthesis"]["methods"] |= {"late": {"weighting": "law"}, "plain": {}}
    assert delta_method(config) == "late"


def test_laws_settings_are_those_of_the_first_method_that_clamps(config):
    config["synthesis"]["training"]["clamp"] = False
    config["synthesis"]["methods"] = {
        "open": {"gamma": 1.0},
        "first": {"clamp": True, "gamma": 2.0, "w_min": 0.5, "w_max": 3.0},
        "second": {"clamp": True, "gamma": 4.0},
    }
    assert law_settings(config) == {"gamma": 2.0, "w_min": 0.5, "w_max": 3.0}
    del config["synthesis"]["methods"]["first"], config["synthesis"]["methods"]["second"]
    assert law_settings(config) == {}
