"""The configuration: each study is valid; a wrong one ends in one line that says what to do."""

import copy
import re

import pytest
from conftest import ROOT

from workflow_src.common.errors import InputError
from workflow_src.common.yaml_files import read_yaml
from workflow_src.study.configuration import (
    merged,
    method_settings,
    model_settings,
    validated,
)
from workflow_src.study.fitting import check_backbone, check_method, check_mix
from workflow_src.study.resources import Resources
from workflow_src.study.table_specs import models_of

STUDIES = ["demo", "small"]


def study(name: str = "config") -> dict:
    """A study as Snakemake sees it: the paper's, overlaid."""
    base = read_yaml(ROOT / "config/config.yaml")
    return base if name == "config" else merged(base, read_yaml(ROOT / f"config/{name}.yaml"))


@pytest.mark.parametrize("name", ["config", *STUDIES])
def test_each_study_is_valid(name):
    config = validated(study(name))
    for method in config["synthesis"]["methods"]:
        check_method(config, method)
    for mix in config["downstream"]["mixes"]:
        check_mix(config, mix)


def put(config: dict, key: str, value) -> dict:
    """A copy with one key changed; dots separate the levels."""
    config = copy.deepcopy(config)
    *above, last = key.split(".")
    place = config
    for name in above:
        place = place.setdefault(name, {})
    place[last] = value
    return config


def own_set(root) -> dict:
    """The least that a data set of one's own says."""
    reading = {"format": "photographs", "test_fraction": 0.2}
    return {"label": "Mine", "lesion": "polyp", "prompt": "x", "root": root, "reading": reading}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        # an unknown key, with the one that was meant
        ("sedes", [0], ["sedes is not a known key; did you mean seeds? Allowed: study, seeds"]),
        ("synthesis.training.step", 5, ["synthesis.training.step", "did you mean steps?"]),
        ("synthesis.methods.law.gama", 0.1, ["methods.law.gama", "did you mean gamma?"]),
        # a missing brace, as Snakemake hands it on: as text
        ("datasets", "{polyps: {root: /x}", ["datasets is text", "{polyps: {root: /x}", "braces"]),
        ("seeds", "[0, 1", ["seeds is text that YAML cannot read, '[0, 1'", "brackets"]),
        ("seeds", "2024-13-45", ["seeds is text that YAML cannot read, '2024-13-45'"]),
        ("figures", "&a {dataset: *a}", ["figures is text that YAML cannot read"]),
        # a wrong type
        ("datasets", "polyps", ["datasets is 'polyps' (str)", "allowed: object"]),
        ("datasets.polyps.label", None, ["datasets.polyps.label is None", "string"]),
        ("seeds", "none", ["seeds is 'none' (str)", "allowed: array"]),
        ("synthesis.training.steps", 1.5, ["synthesis.training.steps is 1.5", "integer"]),
        ("downstream.training.mirror", "perhaps", ["downstream.training.mirror", "boolean"]),
        # an impossible value
        ("seeds", [], ["seeds is []", "at least 1 entries"]),
        ("seeds", [1, 1], ["seeds is [1, 1]", "no entry twice"]),
        ("synthesis.image_size", 100, ["synthesis.image_size is 100", "a multiple of 8"]),
        ("synthesis.training.steps", 0, ["synthesis.training.steps is 0", "at least 1"]),
        ("synthesis.methods.law.gamma", 1.0, ["methods.law.gamma is 1.0", "below 1"]),
        ("backbone.kind", "sdxl", ["backbone.kind is 'sdxl'", "stable-diffusion, small"]),
        ("backbone.revision", "main", ["backbone.revision is 'main'", "[0-9a-f]"]),
        ("study", "a/b", ["study is 'a/b'", "text like"]),
        ("datasets.kits19.reading.window", [9, 2], ["datasets.kits19.reading.window", "rising"]),
        # names that point at nothing, or in a circle
        ("synthesis.methods.law.extends", "lwa", ["methods.law.extends is 'lwa'", "allowed: "]),
        ("synthesis.methods.distillation.extends", "law", ["extends itself", " -> "]),
        ("tables.1.rows", ["lwa"], ["tables.1.rows has 'lwa'", "allowed: uniform"]),
        ("downstream.mixes.real_law.method", "lwa", ["mixes.real_law.method has 'lwa'"]),
        ("figures.segmenter", "unet", ["figures.segmenter has 'unet'", "nnunet-real"]),
        ("tables.3.columns", ["dice", "fid"], ["tables.3.columns has 'fid'", "dice_256"]),
        ("tables.1.columns", ["dice"], ["tables.1.columns has 'dice'", "allowed: fid, kid"]),
        ("tables.2.columns", ["gflops", "stability"], ["tables.2.columns has 'stability'"]),
        ("segmentation.models.mine", {"label": "x"}, ["models.mine lacks an architecture"]),
        # members of the registries, and their options
        ("synthesis.methods.law.weighting", "lwa", ["law.weighting is 'lwa'", "uniform, ratio"]),
        ("segmentation.models.order.architecture", "oder", ["architecture is 'oder'", "mkunet"]),
        ("datasets.polyps.reading.format", "photos", ["format is 'photos'", "photographs"]),
        ("synthesis.methods.min_snr.weighting_options", {"gama": 5.0},
         ["methods.min_snr.weighting_options: min_snr has no option 'gama'; allowed: gamma"]),
        ("segmentation.models.order.options.stage", [0],
         ["models.order.options: order has no option 'stage'; allowed: stages, width"]),
        ("datasets.polyps.reading.options", {"plain": "x"},
         ["polyps.reading.options: photographs has no option 'plain'"]),
        ("metrics.extractors.lite0.options", {"size": 96},
         ["extractors.lite0.options: lite0 has no option 'size'; allowed: side"]),
        ("resources.train_contrlnet", {"gpu": 2}, ["did you mean train_controlnet?"]),
        # numbers that are none, and names that cannot be part of a path
        ("synthesis.training.steps", 1.0, ["synthesis.training.steps is 1.0 (float)", "integer"]),
        ("synthesis.training.steps", "1.0", ["synthesis.training.steps is 1.0", "integer"]),
        ("synthesis.training.steps", True, ["synthesis.training.steps is True", "integer"]),
        ("seeds", [0, 1.0], ["seeds.1 is 1.0", "integer"]),
        ("synthesis.training.learning_rate", float("inf"), ["is inf", "a finite number"]),
        ("synthesis.sampling.guidance", ".nan", ["guidance is nan", "a finite number"]),
        ("study", "demo\n", ["study is 'demo\\n'", "text like"]),
        ("resources.train_segmenter.gpu", 2, ["resources.train_segmenter.gpu is 2", "at most 1"]),
        ("study", "x" * 300, ["study is 'xxx", "...", "at most 60 characters"]),
        ("datasets.a b", own_set(None), ["datasets has 'a b' as a name", "text like"]),
        ("datasets.polyps.label", "two\nlines", ["label is 'two\\nlines'", "a line of text"]),
        ("datasets.polyps.label", "", ["label is ''", "a line of text"]),
        ("datasets.polyps.reading.test_sets", ["all"], ["test_sets.0 is 'all'", "other than all"]),
        ("datasets.polyps.reading.test_sets", ["../x"], ["test_sets.0 is '../x'", "a folder"]),
        ("datasets.polyps.root", ".", ["datasets.polyps.root is '.'", "results/"]),
        ("datasets.polyps.root", "/", ["datasets.polyps.root is '/'", "results/"]),
        ("datasets.polyps.root", "/nowhere", ["root is '/nowhere'", "not a folder here"]),
    ],
)  # fmt: skip
def test_a_wrong_configuration_ends_in_one_line(key, value, words):
    with pytest.raises(InputError) as raised:
        validated(put(study(), key, value))
    message = str(raised.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("key", "value", "check", "name", "words"),
    [
        ("resources.train_controlnet.gpu", 3, check_method, "law",
         "not a multiple of micro_batch 4 x 3 GPUs"),
        ("synthesis.training.micro_batch", 5, check_method, "law",
         "not a multiple of micro_batch 5"),
        ("synthesis.training.hint_channels", [16, 32], check_method, "uniform",
         "hint_channels has 2 entries; allowed: 4"),
        ("downstream.mixes.real_law.ratio", 2.0, check_mix, "real_law",
         "mixes.real_law.ratio is 2.0; allowed: at most 1.0, which is .*per_mask"),
        ("downstream.mixes.real", {"label": "x", "real_fraction": 0}, check_mix, "real",
         "mixes.real is empty"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_fit_are_refused_where_they_are_used(key, value, check, name, words):
    config = validated(put(study(), key, value))
    with pytest.raises(InputError, match=words):
        check(config, name)


def test_a_given_small_backbone_must_have_every_data_set_that_is_used(tmp_path):
    config = validated(put(study("small"), "backbone.path", str(tmp_path)))
    (tmp_path / "polyps").mkdir()
    (tmp_path / "polyps" / "backbone.json").touch()
    check_backbone(config, "polyps")
    check_method(put(config, "synthesis.training.hint_channels", [8, 8]), "law")  # seen later
    with pytest.raises(InputError, match=r"lacks kits19/backbone\.json; allowed: a folder with"):
        check_backbone(config, "kits19")


def test_a_missing_key_is_named():
    config = study()
    del config["backbone"]
    with pytest.raises(InputError, match="the top level lacks backbone"):
        validated(config)


def test_numbers_that_arrive_as_text_become_numbers():
    config = put(study(), "synthesis.training.learning_rate", "1e-5")
    config = put(config, "seeds", ["3", "4"])
    config = put(config, "downstream.mixes.real.real_fraction", "1")
    validated(config)
    assert config["synthesis"]["training"]["learning_rate"] == 1e-5
    assert config["seeds"] == [3, 4]
    assert config["downstream"]["mixes"]["real"]["real_fraction"] == 1


@pytest.mark.parametrize(
    "key",
    ["datasets.polyps.root", "backbone.path", "metrics.extractors.clip.path", "tables.2.reference",
     "downstream.mixes.real.method", "datasets.kits19.reading.test_fraction"],
)  # fmt: skip
@pytest.mark.parametrize("text", ["null", "~"])
def test_null_that_arrives_as_text_becomes_null(key, text):
    config = put(study(), key, text)
    assert validated(config) == validated(put(study(), key, None))


def test_text_that_may_not_be_null_stays_text():
    config = put(study(), "datasets.polyps.label", "null")
    validated(config)
    assert config["datasets"]["polyps"]["label"] == "null"


def test_a_key_that_is_not_text_is_named():
    config = study()
    config["tables"][4] = {"rows": ["law"]}
    with pytest.raises(InputError, match='tables has 4 as a key, which is not text: write "4"'):
        validated(config)


def test_resources_are_of_the_rules_that_ask_for_them():
    texts = [file.read_text() for file in (ROOT / "rules").glob("*.smk")]
    asking = {rule for text in texts for rule in re.findall(r'\b(?:ask|growing)\("(\w+)"', text)}
    assert set(Resources.model_fields) == asking | {"default"}


def test_a_data_set_of_ones_own_needs_a_root_alone(tmp_path):
    config = put(study(), "datasets.mine", own_set(str(tmp_path)))
    validated(config)
    assert config["datasets"]["mine"]["phantom"] is None
    assert config["datasets"]["mine"]["download"] == {}


@pytest.mark.parametrize(
    ("given", "lacking"),
    [({}, "archives, sha256"), ({"archives": {"a": "x"}}, "sha256")],
)
def test_a_data_set_from_nowhere_is_named(given, lacking):
    config = put(study(), "datasets.mine", own_set(None) | {"download": given})
    with pytest.raises(InputError, match=f"datasets.mine has no root .* lacks {lacking}: give"):
        validated(config)


def test_extending_takes_over_what_is_not_named():
    config = validated(put(study(), "synthesis.training.steps", 7))
    law = method_settings(config, "law")
    assert law.steps == 7
    assert (law.teacher, law.normalise, law.clamp, law.lambda_dice) == (True, True, True, 1.0)
    assert method_settings(config, "law_delta").clamp is False
    order = model_settings(config, "order_34")
    assert order.options == {"stages": [3, 4], "grid": 32}


def test_models_are_the_light_ones_and_nnunet_on_each_mix():
    config = study()
    light, mixes = config["segmentation"]["models"], config["downstream"]["mixes"]
    assert models_of(config) == [*light, *(f"nnunet-{mix}" for mix in mixes)]
    assert {"order_34", "nnunet-real", "nnunet-real_law"} <= set(models_of(config))
