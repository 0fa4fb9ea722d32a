"""nnU-Net's plans: the network that was asked for or a preset's, for the same cases."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from small_models import STAGES

from workflow_src import measure_cost, plan_nnunet, train_nnunet
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import SIGN
from workflow_src.measure_cost import MeasuredNetwork
from workflow_src.study.downstream import Mix, NnunetRecipe

pytestmark = pytest.mark.usefixtures("hostile_shell")


def test_the_plan_has_the_network_that_was_asked_for_and_no_copies(nnunet_plan):
    plans = json.loads((nnunet_plan / "nnUNetPlans.json").read_text())
    assert list(plans["configurations"]) == ["2d"]
    settings = plans["configurations"]["2d"]
    assert (settings["patch_size"], settings["batch_size"]) == ([32, 32], 4)
    assert settings["architecture"]["arch_kwargs"]["features_per_stage"] == [8, 16]
    # The images stand there once: as preprocessed cases.
    assert not list(nnunet_plan.rglob("*.png"))
    assert len(list(nnunet_plan.rglob("*.b2nd"))) == 2 * 12


# What of a plan preprocessing depends on.
PREPROCESSING = ("data_identifier", "preprocessor_name", "normalization_schemes",
                 "use_mask_for_norm", "spacing", "resampling_fn_data", "resampling_fn_seg",
                 "resampling_fn_data_kwargs", "resampling_fn_seg_kwargs")  # fmt: skip


def plan_resenc(plan: Path, output: Path, preset: str, *options: str) -> Path:
    """Plan by a preset, in a process of its own: nnU-Net reads its variables once."""
    command = [sys.executable, "-m", "workflow_src.plan_resenc", "--plan", plan]
    command += ["--output", output, "--preset", preset, *options]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="module")
def resenc(nnunet_plan, tmp_path_factory) -> Path:
    """The plan of a preset, its network as small as the default's."""
    network = json.dumps(STAGES.complete())
    return plan_resenc(nnunet_plan, tmp_path_factory.mktemp("resenc"), "m", "--network", network)


def test_a_preset_plans_another_network_for_the_same_cases(nnunet_plan, resenc, tmp_path):
    default, small = (
        json.loads((folder / "nnUNetPlans.json").read_text()) for folder in (nnunet_plan, resenc)
    )
    plan_resenc(nnunet_plan, tmp_path / "l", "l")
    large = json.loads((tmp_path / "l" / "nnUNetPlans.json").read_text())
    for plans in (small, large):
        settings = plans["configurations"]["2d"]
        assert settings["architecture"]["network_class_name"].endswith("ResidualEncoderUNet")
        for key in PREPROCESSING:
            assert settings[key] == default["configurations"]["2d"][key], key
        intensities = "foreground_intensity_properties_per_channel"
        assert plans[intensities] == default[intensities]
    kwargs = large["configurations"]["2d"]["architecture"]["arch_kwargs"]
    assert kwargs["n_blocks_per_stage"][:3] == [1, 3, 4]
    networks = [measure_cost.planned_network(folder) for folder in (nnunet_plan, resenc)]
    assert len({type(network) for network in networks}) == 2
    assert sorted(path.name for path in resenc.glob("[!.]*")) == [
        "dataset.json", "nnUNetPlans.json", "plan.json"
    ]  # fmt: skip


def test_a_mix_trains_by_the_plan_of_its_preset_alone(nnunet_plan, resenc, tmp_path):
    mix = Mix(resenc="m")
    facts, cases = train_nnunet.choose_cases(nnunet_plan, mix, None, resenc)
    assert facts["plan"] == json.loads((resenc / "plan.json").read_text())["plans"]
    train_nnunet.assemble(nnunet_plan, None, tmp_path, cases, NnunetRecipe(), seed=0, resenc=resenc)
    made = json.loads((tmp_path / "nnUNetPlans.json").read_text())
    made.pop("workflow")
    assert made == json.loads((resenc / "nnUNetPlans.json").read_text())
    for asked, given in ((Mix(resenc="l"), resenc), (Mix(), resenc), (mix, None)):
        with pytest.raises(InputError, match="was planned by"):
            train_nnunet.choose_cases(nnunet_plan, asked, None, given)


def test_the_planned_network_has_a_cost(nnunet_plan, capsys):
    measure_cost.main(
        {"mine": MeasuredNetwork(architecture="nnunet")}, plan=nnunet_plan, size=32, timed=False
    )
    facts = json.loads(capsys.readouterr().out)["mine"]
    # Two stages of one convolution and norm each, one in the decoder, the upsampling, the head.
    blocks = [(3, 8), (8, 16), (16, 8)]
    expected = sum(9 * a * b + b + 2 * b for a, b in blocks) + (4 * 16 * 8 + 8) + (8 * 2 + 2)
    assert facts["parameters"] == expected


def test_an_unfinished_plan_is_not_taken_for_one(polyps, tmp_path, monkeypatch):
    monkeypatch.setattr(plan_nnunet, "plan", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plan_nnunet.main(polyps.folder, tmp_path / "plan", "polyp", STAGES)
    assert [path.name for path in (tmp_path / "plan").iterdir()] == [SIGN]
    assert not list(tmp_path.glob(".*"))
