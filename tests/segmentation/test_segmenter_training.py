"""Training a segmenter: kills, NaN, which weights are kept, what cannot be built."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, record_again
from safetensors.torch import load_file

from workflow_src import train_segmenter
from workflow_src.common.errors import InputError
from workflow_src.common.training import rows_of_step
from workflow_src.segmentation import training
from workflow_src.segmentation.batches import Batches
from workflow_src.study.segmentation import SegmenterRecipe

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(**settings) -> SegmenterRecipe:
    small = {"architecture": "mkunet", "epochs": 3, "batch_size": 6, "image_size": 32,
             "fit": "resize", "learning_rate": 1e-2, "checkpoint_minutes": 0}  # fmt: skip
    return SegmenterRecipe(**small | settings)


def weights_of(folder: Path) -> dict:
    return load_file(folder / "model.safetensors")


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("part", ["update", "validation_dice"])
def test_memory_that_is_too_small_names_the_batch_size(polyps, tmp_path, monkeypatch, part):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, part, full)
    with pytest.raises(InputError, match="too small for 6 images at once: lower `batch_size`"):
        train_segmenter.main(polyps.folder, tmp_path / "out", recipe())


@pytest.mark.slow
def test_a_killed_run_started_again_ends_as_an_unbroken_one(polyps, tmp_path, capsys):
    # ORDER with AdEMAMix, whose averages and warm-up must survive as well.
    settings = recipe(architecture="order", options={"grid": 8}, epochs=16)
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow_src.train_segmenter", "--data", str(polyps.folder),
         "--output", str(tmp_path / "killed"), "--recipe", json.dumps(settings.complete())],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not list(tmp_path.glob("killed/.state-*/checkpoint.pt")):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL  # it was still running
    assert not (tmp_path / "killed" / "recipe.json").exists()

    train_segmenter.main(polyps.folder, tmp_path / "killed", settings)
    resumed = re.search(r"resumed from .* at step (\d+)", capsys.readouterr().out)
    assert 0 < int(resumed[1]) < 32
    train_segmenter.main(polyps.folder, tmp_path / "unbroken", settings)
    assert "resumed" not in capsys.readouterr().out
    for name in ("model.safetensors", "log.csv", "validation.csv"):
        killed, unbroken = (tmp_path / run / name for run in ("killed", "unbroken"))
        assert killed.read_bytes() == unbroken.read_bytes(), name
    assert not list(tmp_path.glob("killed/.state-*"))


def test_another_seed_gives_other_weights_and_the_same_seed_the_same(polyps, tmp_path):
    for run, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_segmenter.main(polyps.folder, tmp_path / run, recipe(), seed)
    a, b, c = (weights_of(tmp_path / run) for run in "abc")
    assert same(a, b)
    assert not same(a, c)


def test_a_nan_stops_with_step_and_images_named_and_the_checkpoint_kept(
    polyps, tmp_path, monkeypatch
):
    batches, real = [], Batches.augmented

    def noted(self, drawn):
        batches.append(drawn)
        return real(self, drawn)

    def poisoned(logits, target):
        return training.dice_loss(logits, target) * (float("nan") if len(batches) == 4 else 1)

    monkeypatch.setattr(training, "dice_loss", training.LOSSES["bce_dice"], raising=False)
    monkeypatch.setitem(training.LOSSES, "bce_dice", poisoned)
    monkeypatch.setattr(Batches, "augmented", noted)
    with pytest.raises(FloatingPointError) as error:
        train_segmenter.main(polyps.folder, tmp_path / "run", recipe())
    rows = polyps.rows("train")
    rows = rows[rows_of_step(3, 6, len(rows), seed=0)].tolist()
    assert "step 4 is not finite" in str(error.value)
    assert str(rows) in str(error.value)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    (checkpoint,) = tmp_path.glob("run/.state-*/checkpoint.pt")
    kept = torch.load(checkpoint, weights_only=True)
    assert kept["step"] == 3
    assert all(value.isfinite().all() for value in kept["model"].values())


def changed_copy(prepared, folder: Path, split: str):
    """A copy of a prepared set where the images of a split are noise without a lesion."""
    shutil.copytree(prepared.folder, folder)
    for name in ("images", "masks"):
        array = np.load(folder / f"{name}.npy")
        for row in prepared.rows(split):
            noise = np.random.default_rng(row).integers(0, 256, array[row].shape)
            array[row] = noise if name == "images" else 0
        np.save(folder / f"{name}.npy", array)
    record_again(folder)
    return folder


def test_the_validation_images_pick_the_weights_and_the_test_images_nothing(polyps, tmp_path):
    for split in ("test", "val"):
        changed_copy(polyps, tmp_path / f"changed_{split}", split)
    found = {}
    for name, data in (("as_is", polyps.folder), ("test", tmp_path / "changed_test"),
                       ("val", tmp_path / "changed_val")):  # fmt: skip
        train_segmenter.main(data, tmp_path / name, recipe(epochs=5))
        found[name] = json.loads((tmp_path / name / "recipe.json").read_text())["outcome"]
    assert same(weights_of(tmp_path / "as_is"), weights_of(tmp_path / "test"))
    assert found["as_is"] == found["test"]
    assert found["as_is"] != found["val"]


def test_the_best_epoch_is_kept_and_not_the_last(polyps, tmp_path, monkeypatch):
    looks, scores = [], iter([0.2, 0.9, 0.9, 0.5])

    def look(model, held_out, recipe):
        looks.append({name: value.clone() for name, value in model.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(training, "validation_dice", look)
    train_segmenter.main(polyps.folder, tmp_path / "run", recipe(epochs=4))
    outcome = json.loads((tmp_path / "run" / "recipe.json").read_text())["outcome"]
    assert outcome == {"best_epoch": 2, "validation_dice": 0.9, "steps": 8}
    log = (tmp_path / "run" / "validation.csv").read_text().split()
    assert log == ["step,dice", "2,0.2", "4,0.9", "6,0.9", "8,0.5"]
    assert same(looks[1], weights_of(tmp_path / "run"))
    assert not same(looks[3], weights_of(tmp_path / "run"))


def test_without_validation_images_the_last_weights_are_kept(polyps, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(polyps.folder, folder)
    index = (folder / "index.csv").read_text().replace(",val,", ",train,")
    (folder / "index.csv").write_text(index)
    record_again(folder)
    train_segmenter.main(folder, tmp_path / "run", recipe())
    facts = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert facts["outcome"]["best_epoch"] == 3
    log = (tmp_path / "run" / "validation.csv").read_text().split()
    assert log == ["step,dice", "2,", "4,", "6,"]  # there is nothing to look at


def test_validation_dice_by_hand(polyps):
    held_out = Batches(polyps, polyps.rows("train")[:3], recipe(), "cpu")
    held_out.masks[2] = 0  # an image without a lesion

    class Says(torch.nn.Module):  # lesion on the upper half, for any image
        def forward(self, x):
            half = torch.where(torch.arange(32) < 16, 1.0, -1.0)[:, None]
            return half.expand(len(x), 1, 32, 32)

    true = held_out.masks[:2].float()
    expected = [2 * m[:, :16].sum() / (m.sum() + 512) for m in true] + [0]
    found = training.validation_dice(Says(), held_out, recipe(batch_size=2))
    assert found == pytest.approx(float(sum(expected)) / 3)


def test_rescaled_batches_train_at_rounded_sides(polyps):
    x, y = torch.zeros(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    y[..., :32] = 1
    for scale, side in ((0.6, 32), (1.0, 64), (1.4, 96)):
        images, masks = training._scaled(x, y, scale)
        assert images.shape[-1] == masks.shape[-1] == side
        assert masks.mean() == 0.5
        assert set(masks.unique().tolist()) == {0.0, 1.0}


def test_options_that_an_architecture_does_not_have_are_named(polyps, tmp_path):
    with pytest.raises(InputError, match="mkunet has no option 'stages'"):
        train_segmenter.main(polyps.folder, tmp_path / "run", recipe(options={"stages": [0]}))
