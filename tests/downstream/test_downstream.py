"""nnU-Net on real and synthetic images: cases, mixes, and the variables that steer it."""

import json
import os
from pathlib import Path

import blosc2
import numpy as np
import pytest
from PIL import Image
from small_models import SHELL

from workflow_src import preprocess_synthetic, train_nnunet
from workflow_src.common.compilers import why_not_compile
from workflow_src.common.errors import InputError
from workflow_src.data.prepared import PreparedSet, PreparedWriter, Record
from workflow_src.downstream import environment
from workflow_src.downstream.cases import dataset_json, write_raw
from workflow_src.study.downstream import Mix, NnunetRecipe

pytestmark = pytest.mark.usefixtures("hostile_shell")


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
def synthetic(synthetic_set, nnunet_plan, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    preprocess_synthetic.main(synthetic_set.folder, nnunet_plan, folder)
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


def test_preprocessed_cases_hold_each_image_z_scored_and_its_mask(polyps, nnunet_plan):
    real = json.loads((nnunet_plan / "plan.json").read_text())["cases"]
    assert {split: len(names) for split, names in real.items()} == {"train": 11, "val": 1}
    for name in (*real["train"], *real["val"]):
        row = int(name.removeprefix("real_"))
        assert polyps.index.split[row] in ("train", "val")
        image, label = read_case(nnunet_plan / "cases", name)
        np.testing.assert_array_equal(label > 0, polyps.mask(row) > 0)
        assert set(np.unique(label)) <= {-1, 0, 1}  # -1 is nnU-Net's mark of black borders
        pixels = polyps.image(row).transpose(2, 0, 1).astype(float)
        mean, deviation = pixels.mean((1, 2), keepdims=True), pixels.std((1, 2), keepdims=True)
        np.testing.assert_allclose(image, (pixels - mean) / deviation, atol=1e-2)


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
    nnunet_plan, synthetic, mix, real, made
):
    _, cases = train_nnunet.choose_cases(nnunet_plan, mix, synthetic)
    kinds = [name.split("_")[0] for name in cases["train"]]
    assert (kinds.count("real"), kinds.count("synthetic")) == (real, made)
    assert len(set(cases["train"])) == len(cases["train"])
    assert cases["val"] == json.loads((nnunet_plan / "plan.json").read_text())["cases"]["val"]
    assert not set(cases["val"]) & set(cases["train"])


def test_a_part_of_the_synthetic_images_is_spread_over_all_masks(nnunet_plan, synthetic):
    for ratio, expected in ((0.5, [0, 1, 3, 5, 7, 9]), (14 / 11, range(14))):
        mix = Mix(real_fraction=0, method="law", ratio=ratio)
        _, cases = train_nnunet.choose_cases(nnunet_plan, mix, synthetic)
        assert cases["train"] == [f"synthetic_{number:06d}" for number in expected]


@pytest.mark.parametrize(
    ("mix", "given", "words"),
    [
        (Mix(method="law"), False, ["law", "--synthetic"]),
        (Mix(method="law", ratio=2.0), True, ["14 synthetic images", "22", "per_mask"]),
        (
            Mix(method="law", ratio=0.01),
            True,
            ["ratio 0.01 of 11 images rounds to 0: raise `ratio`"],
        ),
        (Mix(real_fraction=0), True, ["the mix is empty"]),
    ],
)
def test_a_mix_that_cannot_be_made_is_refused(nnunet_plan, synthetic, mix, given, words):
    with pytest.raises(InputError) as error:
        train_nnunet.choose_cases(nnunet_plan, mix, synthetic if given else None)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.fixture
def assembled(nnunet_plan, synthetic, tmp_path):
    """Folders of two mixes as nnU-Net's training reads them."""
    folders = {}
    for name, mix in (("real", Mix()), ("both", Mix(method="law"))):
        folders[name] = tmp_path / name / "Dataset001_polyp"
        _, cases = train_nnunet.choose_cases(nnunet_plan, mix, synthetic)
        source = synthetic if mix.method else None
        train_nnunet.assemble(
            nnunet_plan, source, folders[name], cases, NnunetRecipe(epochs=2), seed=3
        )
    return folders


def test_all_mixes_are_trained_by_one_plan(assembled, nnunet_plan):
    real, both = (
        {file.name: file.read_bytes() for file in folder.glob("*.json")}
        for folder in assembled.values()
    )
    assert real.pop("splits_final.json") != both.pop("splits_final.json")
    assert real == both
    plans = json.loads(real["nnUNetPlans.json"])
    assert plans.pop("workflow")["seed"] == 3
    assert plans == json.loads((nnunet_plan / "nnUNetPlans.json").read_text())


def test_a_mix_links_its_cases_and_copies_none(assembled, nnunet_plan, synthetic):
    (split,) = json.loads((assembled["both"] / "splits_final.json").read_text())
    stored = assembled["both"] / "nnUNetPlans_2d"
    names = {file.name.split(".")[0] for file in stored.glob("*.pkl")}
    assert names == {*split["train"], *split["val"]}
    for file in stored.iterdir():
        source = (nnunet_plan if file.name.startswith("real") else synthetic) / "cases" / file.name
        assert file.samefile(source)
    assert len(list(stored.iterdir())) == 3 * (11 + 1 + 11)


def test_cases_are_copied_where_links_cannot_be_made(nnunet_plan, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    _, cases = train_nnunet.choose_cases(nnunet_plan, Mix(), None)
    train_nnunet.assemble(nnunet_plan, None, tmp_path / "mix", cases, NnunetRecipe(), seed=0)
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
