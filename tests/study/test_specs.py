"""What tables and figures show of a study, and what their notes say of it."""

import copy

import pytest
from conftest import ROOT

from workflow_src.study.columns import COLUMNS, METRICS, columns_of
from workflow_src.study.configuration import validated
from workflow_src.study.figures import (
    FIGURES,
    copies_extractor,
    cost_table,
    delta_method,
    figures_of,
    fraction_table,
    law_settings,
    real_fractions,
    score_table,
    shown_segmenters,
)
from workflow_src.study.loading import load_study
from workflow_src.study.protocol import reduced_costs, reduced_networks, table_remarks
from workflow_src.study.table_specs import (
    cell_files,
    cost_files,
    files_of,
    label_of,
    read_by,
    spec_of,
    table_kinds,
    tables_in_order,
    target_of,
)


@pytest.fixture
def config() -> dict:
    """The paper's study, to change freely."""
    return load_study([])


def test_a_rows_label_is_the_tables_own_else_the_entrys_else_the_mixs(config):
    config["tables"]["3"]["labels"] = {"order": "Ours"}
    config["downstream"]["mixes"]["real"]["label"] = "Real"
    config["segmentation"]["models"]["mkunet"]["label"] = "MK"
    assert label_of(config, "3", "order") == "Ours"
    assert label_of(config, "5", "mkunet") == "MK"
    assert label_of(config, "3", "nnunet-real") == "nnU-Net, Real"


def located(config: dict, *names: str) -> dict[str, str]:
    """The files as a rule would have them."""
    return {path: path.replace("<results>", "results/x") for path in read_by(config, *names)}


def test_a_spec_holds_the_files_that_its_columns_need(config):
    config["tables"]["3"] |= {"columns": ["dice", "gflops"], "more": []}
    assert table_kinds(config, "3") == ["cost", "score"]
    files = files_of(config, "3", located(config, "3"))
    assert files["cost"]["polyps"]["order"] == ["results/x/cost/polyps/order.json"]
    assert files["score"]["polyps"]["order"] == [
        f"results/x/scores/polyps/order/seed{seed}/metrics.json" for seed in (0, 1, 2)
    ]
    assert list(spec_of(config, "3")["rows"]) == list(files["score"]["polyps"])


def test_a_rule_lists_what_a_step_reads_and_each_file_once(config):
    files = read_by(config, "3", "5", "6")
    assert len(files) == len(set(files))
    assert "<results>/scores/polyps/order/seed0/metrics.csv" in files  # for intervals and tests
    assert set(files) == {path for name in "356" for path in read_by(config, name)}


def test_rows_that_are_mixes_are_measured_by_the_nnunets_on_them(config):
    assert {file.path.split("/")[3] for file in cell_files(config, "2")} == {
        f"nnunet-{mix}" for mix in config["tables"]["2"]["rows"]
    }
    config["tables"]["2"]["columns"].append("gflops")
    assert cost_files(config)["nnunet-real"] == "<results>/cost/polyps/nnunet-real.json"


def test_phantoms_are_named_in_the_spec(config):
    config["datasets"]["kits19"]["phantom"] = {"kind": "kidneys"}
    assert spec_of(config, "1")["drawn"] == ["kits19"]
    assert spec_of(config, "3")["drawn"] == []


def test_a_table_of_any_name_and_kind_is_as_good_as_a_numbered_one(config):
    for name, number in (("my_gammas", "4"), ("my-mixes", "2"), ("10", "3")):
        config["tables"][name] = copy.deepcopy(config["tables"][number])
    validated(config)
    assert tables_in_order(config) == [*"123456", "10", "my-mixes", "my_gammas"]
    assert [target_of(name) for name in ("3", "10", "my_gammas")] == [
        "table3", "table10", "table_my_gammas"
    ]  # fmt: skip
    for name, number in (("my_gammas", "4"), ("my-mixes", "2"), ("10", "3")):
        assert cell_files(config, name) == cell_files(config, number)
        assert table_remarks(config, name) == table_remarks(config, number)
        assert spec_of(config, name) == spec_of(config, number)


def test_any_table_can_be_dropped(config):
    for name in list(config["tables"]):
        config["tables"][name] = None
        validated(config)
        assert name not in config["tables"]
        assert set(figures_of(config)) <= set(FIGURES)
        assert reduced_costs(config) == []
        models = {*config["segmentation"]["models"], "nnunet-real", "nnunet-real_resenc"}
        assert set(cost_files(config)) <= models
    assert config["tables"] == {}
    lost = {"accuracy_cost", "dice_sets", "segmenter_training"}
    lost |= {"dice_by_size", "mask_dice_by_size", "fractions", "published"}
    assert set(FIGURES) - set(figures_of(config)) == lost


def test_the_figures_take_the_first_table_that_shows_what_they_draw(config):
    assert (cost_table(config), score_table(config)) == ("3", "3")
    config["tables"] = dict(reversed(config["tables"].items()))  # as another file lays them
    assert (cost_table(config), score_table(config)) == ("3", "3")
    assert shown_segmenters(config) == ["unext", "egeunet", "mkunet", "order"]
    del config["tables"]["3"]
    assert (cost_table(config), score_table(config)) == ("6", "5")
    config["figures"]["dataset"] = "kits19"
    assert (cost_table(config), score_table(config)) == (None, None)


def test_a_column_belongs_to_methods_or_to_models():
    of_methods, of_models = columns_of("methods"), columns_of("models")
    assert columns_of("mixes") == of_models and sorted(of_methods + of_models) == sorted(COLUMNS)
    assert "fid" in of_methods and "dice" in of_models
    for column in COLUMNS.values():
        assert not column.per_image or METRICS[column.kind].per_image


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("parameters", 27384.0, "27,384"), ("parameters", 1_471_921, "1.47M"),
     ("gflops", 0.0991, "0.099"), ("dice", 81.25, "81.2"), ("fid", 52.283, "52.28")],
)  # fmt: skip
def test_a_value_is_written_as_its_column_says(name, value, text):
    assert COLUMNS[name].written(value) == text


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


def test_an_nnunet_planned_for_phantoms_is_not_the_published_one(config):
    config["datasets"]["polyps"]["phantom"] = {"kind": "polyps"}
    assert {"nnunet-real.gflops", "nnunet-real.parameters"} <= set(reduced_costs(config))
    assert not [cost for cost in reduced_costs(config) if cost.startswith("order")]


def test_another_size_changes_every_count_of_operations(config):
    config["segmentation"]["cost_size"] = 64
    assert {"mkunet.gflops", "nnunet-real.gflops"} <= set(reduced_costs(config))
    assert not [cost for cost in reduced_costs(config) if cost.endswith("parameters")]


@pytest.mark.parametrize(
    ("number", "says"), [("1", "ControlNets"), ("2", "every mix"), ("3", "epochs; operations")]
)
def test_a_tables_note_tells_its_protocol(config, number, says):
    assert says in table_remarks(config, number)[0]


def test_mixes_of_a_part_of_the_real_images_are_drawn_where_a_table_has_them():
    config = load_study([ROOT / "config" / "recipes" / "fractions.yaml"])
    assert fraction_table(config) == "fractions" and "fractions" in figures_of(config)
    found = real_fractions(config)
    assert found["real"] == {"real_fraction": 1.0, "series": "real images alone"}
    assert found["real_25"] == {"real_fraction": 0.25, "series": "real images alone"}
    assert found["real_25_law"] == {"real_fraction": 0.25, "series": "+ 1x LAW"}
    assert found["law_only"] == {"real_fraction": 0.0, "series": "+ 1x LAW"}
    assert found["real_law_found"]["series"] == "+ 1x LAW, masks found"
    config["figures"]["dataset"] = "kits19"
    assert fraction_table(config) is None and "fractions" not in figures_of(config)


def test_no_table_of_the_papers_has_a_part_of_the_real_images(config):
    assert fraction_table(config) is None and "fractions" not in figures_of(config)
    assert real_fractions(config) == {}


def test_the_delta_maps_are_laws_or_else_the_last_that_has_any(config):
    assert delta_method(config) == "law"
    del config["synthesis"]["methods"]["law"]
    config["synthesis"]["methods"] |= {"late": {"weighting": "law"}, "plain": {}}
    assert delta_method(config) == "late"
    config["synthesis"]["methods"] = {"plain": {}}
    assert delta_method(config) is None
    assert {"figure8", "weights"}.isdisjoint(figures_of(config))


def test_copies_are_shown_by_the_first_extractor_in_use_whose_copies_a_table_has(config):
    assert copies_extractor(config) == "dinov2"
    config["tables"]["my_copies"] = {**config["tables"]["1"], "more": ["copies_clip"]}
    for tables in (config["tables"], dict(reversed(config["tables"].items()))):
        config["tables"] = tables
        assert copies_extractor(config) == "clip"
    config["tables"] = {}
    assert copies_extractor(config) == "inception"


def test_drawn_data_have_no_figure_beside_the_papers():
    drawn = load_study([ROOT / "config" / "demo.yaml"])
    assert "published" not in figures_of(drawn)
    drawn["datasets"]["kits19"]["phantom"] = None
    assert "published" in figures_of(drawn)


def test_laws_settings_are_those_of_the_first_method_that_clamps(config):
    config["synthesis"]["methods"] = {
        "ratio": {"weighting": "ratio", "gamma": 0.9},
        "open": {"weighting": "law", "clamp": False, "gamma": 0.7},
        "first": {"weighting": "law", "gamma": 0.5, "w_min": 0.5, "w_max": 3.0},
        "second": {"weighting": "law", "gamma": 0.4},
    }
    assert law_settings(config) == {"gamma": 0.5, "w_min": 0.5, "w_max": 3.0}
    del config["synthesis"]["methods"]["first"], config["synthesis"]["methods"]["second"]
    assert law_settings(config) == {}
