"""nnU-Net on real and synthetic images: cases, mixes, plans, and the variables that steer it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import blosc2
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from workflow_src import (
    measure_cost,
    plan_nnunet,
    preprocess_synthetic,
    train_nnunet,
)
from workflow_src.common.compilers import why_not_compile
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import SIGN
from workflow_src.data.prepared import PreparedSet, PreparedWriter, Record
from workflow_src.downstream import environment
from workflow_src.downstream.cases import dataset_json, write_raw
from workflow_src.measure_cost import MeasuredNetwork
from workflow_src.study.downstream import Mix, Network, NnunetRecipe

# What a user of nnU-Net has in the shell, here as bad as can be.
SHELL = {"nnUNet_raw": "/nowhere", "nnUNet_preprocessed": "/nowhere", "nnUNet_results": "/nowhere",
         "nnUNet_extTrainer": "/nowhere", "nnUNet_n_proc_DA": "0", "nnUNet_def_n_proc": "0",
         "nnUNet_compile": "t"}  # fmt: skip
STAGES = Network(features=(8, 16), patch_size=32, batch_size=4)


@pytest.fixture(scope="module", autouse=True)
def shell():
    """The user's variables before each call, and the tests' own environment afterwards."""
    before = dict(os.environ)
    os.environ.update(SHELL)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def plan(polyps, shell, tmp_path_factory) -> Path:
    """The plan of the 12 polyps that are not for testing, and their preprocessed cases."""
    folder = tmp_path_factory.mktemp("plan")
    plan_nnunet.main(polyps.folder, folder, "polyp", STAGES)
    return folder


@pytest.fixture(scope="module")
def synthetic_set(polyps, tmp_path_factory) -> PreparedSet:
    """14 images of noise with the real training masks."""
    folder = tmp_path_factory.mktemp("synthetic_set")
    rng = np.random.default_rng(0)
    records = [Record(f"s{i}", "synthetic/law", f"c{i}", "train", 32, 32) for i in range(14)]
    writer = PreparedWriter(folder, records, 3, 32)
    for number in range(14):
        noise = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        writer.put(number, noise, np.array(polyps.mask(number % 11)))
    writer.finish({})
    return PreparedSet(folder)


@pytest.fixture(scope="module")
def synthetic(synthetic_set, plan, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    preprocess_synthetic.main(synthetic_set.folder, plan, folder)
    return folder


def test_raw_cases_are_lossless_with_labels_0_and_1(polyps, tmp_path):
    rows = polyps.rows("train")[:3]
    names = write_raw(polyps, rows, "real", tmp_path)
    assert names == [f"real_{row:06d}" for row in rows]
    for row, name in zip(rows, names, strict=True):
        image = Image.open(tmp_path / "imagesTr" / f"{name}_0000.png")
        np.testing.assert_array_equal(np.asarray(image), polyps.image(row))
        label = np.asarray(Image.open(tmp_path / "labelsTr" / f"{name}.png"))
        assert set(np.unique(label)) == {0, 1}
        np.testing.assert_array_equal(label, polyps.mask(row))


def test_the_description_is_what_nnunet_wants(polyps):
    facts = dataset_json(polyps, 12, "polyp")
    assert facts["labels"] == {"background": 0, "polyp": 1}
    assert facts["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    assert (facts["numTraining"], facts["file_ending"]) == (12, ".png")


def read_case(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    image, label = (blosc2.open(str(folder / f"{name}{end}.b2nd"))[:] for end in ("", "_seg"))
    return image[:, 0], label[0, 0]


def test_preprocessed_cases_hold_each_image_z_scored_and_its_mask(polyps, plan):
    real = json.loads((plan / "plan.json").read_text())["cases"]
    assert {split: len(names) for split, names in real.items()} == {"train": 11, "val": 1}
    for name in (*real["train"], *real["val"]):
        row = int(name.removeprefix("real_"))
        assert polyps.index.split[row] in ("train", "val")
        image, label = read_case(plan / "cases", name)
        np.testing.assert_array_equal(label > 0, polyps.mask(row) > 0)
        assert set(np.unique(label)) <= {-1, 0, 1}  # -1 is nnU-Net's mark of black borders
        pixels = polyps.image(row).transpose(2, 0, 1).astype(float)
        mean, deviation = pixels.mean((1, 2), keepdims=True), pixels.std((1, 2), keepdims=True)
        np.testing.assert_allclose(image, (pixels - mean) / deviation, atol=1e-2)


def test_the_plan_has_the_network_that_was_asked_for_and_no_copies(plan):
    plans = json.loads((plan / "nnUNetPlans.json").read_text())
    assert list(plans["configurations"]) == ["2d"]
    settings = plans["configurations"]["2d"]
    assert (settings["patch_size"], settings["batch_size"]) == ([32, 32], 4)
    assert settings["architecture"]["arch_kwargs"]["features_per_stage"] == [8, 16]
    # The images stand there once: as preprocessed cases.
    assert not list(plan.rglob("*.png"))
    assert len(list(plan.rglob("*.b2nd"))) == 2 * 12


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
def resenc(plan, tmp_path_factory) -> Path:
    """The plan of a preset, its network as small as the default's."""
    network = json.dumps(STAGES.complete())
    return plan_resenc(plan, tmp_path_factory.mktemp("resenc"), "m", "--network", network)


def test_a_preset_plans_another_network_for_the_same_cases(plan, resenc, tmp_path):
    default, small = (
        json.loads((folder / "nnUNetPlans.json").read_text()) for folder in (plan, resenc)
    )
    plan_resenc(plan, tmp_path / "l", "l")
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
    networks = [measure_cost.planned_network(folder) for folder in (plan, resenc)]
    assert len({type(network) for network in networks}) == 2
    assert sorted(path.name for path in resenc.glob("[!.]*")) == [
        "dataset.json", "nnUNetPlans.json", "plan.json"
    ]  # fmt: skip


def test_a_mix_trains_by_the_plan_of_its_preset_alone(plan, resenc, tmp_path):
    mix = Mix(resenc="m")
    facts, cases = train_nnunet.choose_cases(plan, mix, None, resenc)
    assert facts["plan"] == json.loads((resenc / "plan.json").read_text())["plans"]
    train_nnunet.assemble(plan, None, tmp_path, cases, NnunetRecipe(), seed=0, resenc=resenc)
    made = json.loads((tmp_path / "nnUNetPlans.json").read_text())
    made.pop("workflow")
    assert made == json.loads((resenc / "nnUNetPlans.json").read_text())
    for asked, given in ((Mix(resenc="l"), resenc), (Mix(), resenc), (mix, None)):
        with pytest.raises(InputError, match="was planned by"):
            train_nnunet.choose_cases(plan, asked, None, given)


def test_synthetic_cases_are_preprocessed_by_the_same_plan(synthetic, synthetic_set):
    made = json.loads((synthetic / "cases.json").read_text())["cases"]
    assert made == [f"synthetic_{row:06d}" for row in range(14)]
    for row, name in enumerate(made):
        np.testing.assert_array_equal(read_case(synthetic / "cases", name)[1] > 0,
                                      synthetic_set.mask(row) > 0)  # fmt: skip
    assert not list(synthetic.rglob("*.png"))


@pytest.mark.parametrize(
    ("mix", "real", "made"),
    [
        (Mix(), 11, 0),
        (Mix(method="law"), 11, 11),
        (Mix(method="law", ratio=0.5), 11, 6),
        (Mix(real_fraction=0, method="law", ratio=14 / 11), 0, 14),
    ],
)
def test_a_mix_has_the_counts_of_its_settings_and_validates_on_real_images(
    plan, synthetic, mix, real, made
):
    _, cases = train_nnunet.choose_cases(plan, mix, synthetic)
    kinds = [name.split("_")[0] for name in cases["train"]]
    assert (kinds.count("real"), kinds.count("synthetic")) == (real, made)
    assert len(set(cases["train"])) == len(cases["train"])
    assert cases["val"] == json.loads((plan / "plan.json").read_text())["cases"]["val"]
    assert not set(cases["val"]) & set(cases["train"])


def test_a_part_of_the_synthetic_images_is_spread_over_all_masks(plan, synthetic):
    for ratio, expected in ((0.5, [0, 1, 3, 5, 7, 9]), (14 / 11, range(14))):
        mix = Mix(real_fraction=0, method="law", ratio=ratio)
        _, cases = train_nnunet.choose_cases(plan, mix, synthetic)
        assert cases["train"] == [f"synthetic_{number:06d}" for number in expected]


@pytest.mark.parametrize(
    ("mix", "given", "words"),
    [
        (Mix(method="law"), False, ["law", "--synthetic"]),
        (Mix(method="law", ratio=2.0), True, ["14 synthetic images", "22", "per_mask"]),
        (Mix(method="law", ratio=0.01), True, ["ratio 0.01 of 11 images is none"]),
        (Mix(real_fraction=0), True, ["the mix is empty"]),
    ],
)
def test_a_mix_that_cannot_be_made_is_refused(plan, synthetic, mix, given, words):
    with pytest.raises(InputError) as error:
        train_nnunet.choose_cases(plan, mix, synthetic if given else None)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.fixture
def assembled(plan, synthetic, tmp_path):
    """Folders of two mixes as nnU-Net's training reads them."""
    folders = {}
    for name, mix in (("real", Mix()), ("both", Mix(method="law"))):
        folders[name] = tmp_path / name / "Dataset001_polyp"
        _, cases = train_nnunet.choose_cases(plan, mix, synthetic)
        source = synthetic if mix.method else None
        train_nnunet.assemble(plan, source, folders[name], cases, NnunetRecipe(epochs=2), seed=3)
    return folders


def test_all_mixes_are_trained_by_one_plan(assembled, plan):
    real, both = (
        {file.name: file.read_bytes() for file in folder.glob("*.json")}
        for folder in assembled.values()
    )
    assert real.pop("splits_final.json") != both.pop("splits_final.json")
    assert real == both
    plans = json.loads(real["nnUNetPlans.json"])
    assert plans.pop("workflow")["seed"] == 3
    assert plans == json.loads((plan / "nnUNetPlans.json").read_text())


def test_a_mix_links_its_cases_and_copies_none(assembled, plan, synthetic):
    (split,) = json.loads((assembled["both"] / "splits_final.json").read_text())
    stored = assembled["both"] / "nnUNetPlans_2d"
    names = {file.name.split(".")[0] for file in stored.glob("*.pkl")}
    assert names == {*split["train"], *split["val"]}
    for file in stored.iterdir():
        source = (plan if file.name.startswith("real") else synthetic) / "cases" / file.name
        assert file.samefile(source)
    assert len(list(stored.iterdir())) == 3 * (11 + 1 + 11)


def test_cases_are_copied_where_links_cannot_be_made(plan, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    _, cases = train_nnunet.choose_cases(plan, Mix(), None)
    train_nnunet.assemble(plan, None, tmp_path / "mix", cases, NnunetRecipe(), seed=0)
    assert len(list((tmp_path / "mix" / "nnUNetPlans_2d").glob("*.b2nd"))) == 2 * 12


@pytest.mark.parametrize(("threads", "workers"), [(1, "0"), (4, "3")])
def test_the_users_own_variables_never_leak_in(tmp_path, monkeypatch, threads, workers):
    for name in [n for n in os.environ if n.startswith("nnUNet")]:
        monkeypatch.delenv(name)
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    environment.set_environment(tmp_path, threads)
    found = {name: value for name, value in os.environ.items() if name.startswith("nnUNet")}
    assert "/nowhere" not in found.values()
    assert found.get("nnUNet_compile") == ("f" if why_not_compile(on_gpu=True) else None)
    assert found["nnUNet_raw"] == str(tmp_path / "raw")
    assert found["nnUNet_n_proc_DA"] == workers
    assert found["nnUNet_def_n_proc"] == str(threads)
    assert (Path(found["nnUNet_extTrainer"]) / "nnUNetTrainerWorkflow.py").is_file()


def test_the_planned_network_has_a_cost(plan, capsys):
    measure_cost.main(
        {"mine": MeasuredNetwork(architecture="nnunet")}, plan=plan, size=32, timed=False
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
