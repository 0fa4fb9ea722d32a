"""Training a ControlNet: kills, resumption, NaNs, the log, passes.

Everything here trains the same few steps of a tiny model; bits are compared on one thread.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate.state import AcceleratorState
from conftest import ROOT, changed
from safetensors.torch import load_file, save_file
from short_trainings import LAW, LOGGED, UNIFORM, assert_same_result, step

from workflow_src import train_controlnet
from workflow_src.common.hashing import file_sha256
from workflow_src.common.training import rows_of_step
from workflow_src.diffusion import controlnet, updating
from workflow_src.study.synthesis import ControlNetRecipe

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def train(backbone, polyps, latents):
    """A function that trains into a folder and returns the folder."""

    def run(output: Path, recipe: ControlNetRecipe, cache: Path = latents) -> Path:
        train_controlnet.main(backbone, polyps.folder, cache, output, recipe)
        return output

    return run


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> dict[str, Path]:
    """Where uninterrupted runs lie, once made."""
    return {"law": tmp_path_factory.mktemp("whole") / "law"}


@pytest.fixture
def law_run(train, whole_run) -> Path:
    """An uninterrupted training of LAW."""
    folder = whole_run["law"]
    return folder if (folder / "recipe.json").is_file() else train(folder, LAW)


def stop_at(monkeypatch, step: int) -> None:
    """Let the training fall over when it draws the batch of a step."""
    draw = controlnet.TrainingData.batch

    def batch(self, now, *rest):
        if now == step:
            raise KeyboardInterrupt
        return draw(self, now, *rest)

    monkeypatch.setattr(controlnet.TrainingData, "batch", batch)


def test_the_result_is_complete(law_run):
    assert {path.name for path in law_run.iterdir()} == {
        "controlnet", "decoder.safetensors", "law.safetensors", "log.csv", "recipe.json",
        ".workflow", "delta_000000.npz", "delta_000004.npz", "delta_000009.npz",
    }  # fmt: skip
    facts = json.loads((law_run / "recipe.json").read_text())
    assert facts["epochs"] == 9 * 4 / 11 and facts["recipe"]["gamma"] == 0.2
    first, last = np.load(law_run / "delta_000000.npz"), np.load(law_run / "delta_000009.npz")
    assert (first["delta"] == 0.5).all() and last["delta"].std() > 0
    assert np.array_equal(first["row"], last["row"])


def test_a_killed_run_ends_with_the_bits_of_one_that_was_not(
    law_run, train, backbone, polyps, latents, tmp_path
):
    output = tmp_path / "killed"
    options = step(backbone, polyps.folder, latents, output, LAW)
    process = subprocess.Popen(
        [sys.executable, *options["args"]], cwd=ROOT, env=options["env"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not list(output.glob(".state-*/checkpoint.pt")) and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL  # it was still at work
    assert not (output / "recipe.json").exists()
    train(output, LAW)
    assert_same_result(law_run, output)


def test_a_run_that_fell_over_goes_on_with_its_weight_average(train, tmp_path, monkeypatch, capsys):
    recipe = changed(UNIFORM, ema=0.9, warmup=6)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(patch, 6)
        train(tmp_path / "stopped", recipe)
    train(tmp_path / "stopped", recipe)
    assert "at step 6" in capsys.readouterr().out
    assert_same_result(train(tmp_path / "whole", recipe), tmp_path / "stopped")


def test_a_checkpoint_of_another_recipe_is_not_resumed(train, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(patch, 6)
        train(tmp_path / "out", UNIFORM)
    train(tmp_path / "out", changed(UNIFORM, weighting="ratio"))
    printed = capsys.readouterr().out
    assert "resumed from" not in printed and "another recipe or code: not resumed" in printed
    assert list(pd.read_csv(tmp_path / "out" / "log.csv").step) == LOGGED


@pytest.mark.parametrize(
    "moment",
    ["train_controlnet.write_json", "common.resumable.move_into", "common.resumable.shutil.rmtree"],
)
def test_a_run_that_fails_while_it_finishes_loses_nothing(
    law_run, train, tmp_path, monkeypatch, moment
):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(f"workflow_src.{moment}", full_disk)
        train(tmp_path / "out", LAW)
    train(tmp_path / "out", LAW)
    assert_same_result(law_run, tmp_path / "out")


def test_the_log_has_a_row_per_logged_step(law_run):
    log = pd.read_csv(law_run / "log.csv")
    assert list(log.step) == LOGGED
    assert log.notna().all().all()
    assert {"loss", "loss_max", "grad_norm", "weight_max", "delta_lesion"} <= set(log.columns)
    assert (log.loss_max >= log.loss).all()
    assert ((log.weight_min > 0.3) & (log.weight_max <= 2.0)).all()


def write_damaged(weights: dict, latents: Path, folder: Path) -> None:
    """Latents that were damaged before they were hashed."""
    save_file(weights, folder / "latents.safetensors")
    facts = json.loads((latents / "latents.json").read_text())
    facts["sha256"] = file_sha256(folder / "latents.safetensors")
    (folder / "latents.json").write_text(json.dumps(facts))


def test_a_nan_stops_with_the_step_and_the_rows_named(train, polyps, latents, tmp_path):
    # A latent of NaN, in a place of the order that the first steps do not reach.
    order = rows_of_step(0, 11, 11, seed=0)  # the first epoch
    damaged = {name: value.clone() for name, value in load_file(
        latents / "latents.safetensors").items()}  # fmt: skip
    damaged["mean"][order[9]] = float("nan")  # the ninth row (from 0) is of the third step of 4
    write_damaged(damaged, latents, tmp_path)
    recipe = changed(UNIFORM, log_every=1)
    with pytest.raises(FloatingPointError) as raised:
        train(tmp_path / "out", recipe, tmp_path)
    rows = polyps.rows("train")[rows_of_step(2, 4, 11, seed=0)].tolist()
    assert polyps.rows("train")[order[9]] in rows
    assert "step 3 is not finite ({'loss': nan" in str(raised.value)
    assert f"on data rows {rows}: lower the learning rate" in str(raised.value)
    (checkpoint,) = (tmp_path / "out").glob(".state-*/checkpoint.pt")
    kept = torch.load(checkpoint, weights_only=True)
    assert kept["step"] == 2
    assert all(v.isfinite().all() for v in kept["objective"].values())


def test_a_nan_is_never_saved(train, latents, tmp_path):
    # Rows are logged seldom: the check must come before the checkpoint all the same.
    damaged = load_file(latents / "latents.safetensors")
    damaged["mean"][:] = float("nan")
    write_damaged(damaged, latents, tmp_path)
    with pytest.raises(FloatingPointError, match="step 1 is not finite"):
        train(tmp_path / "out", changed(UNIFORM, log_every=100), tmp_path)
    assert not list((tmp_path / "out").glob(".state-*/checkpoint.pt"))


def test_accumulated_passes_make_the_same_result(law_run, train, tmp_path):
    train(tmp_path / "out", changed(LAW, micro_batch=4))
    assert_same_course(law_run, tmp_path / "out")


@pytest.fixture
def fp16_on_a_cpu(monkeypatch):
    """fp16 as accelerate sets it up on a GPU, with a scale that is far too large at first."""
    scalers = []

    class OnAGpu(updating.Accelerator):
        def __init__(self, **settings):
            super().__init__(**settings)
            assert self.mixed_precision == "fp16"
            self.native_amp = True
            self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, backoff_factor=2.0**-40)
            scalers.append(self.scaler)

    monkeypatch.setattr(updating, "Accelerator", OnAGpu)
    AcceleratorState._reset_state(True)  # its precision is set once in a process
    yield scalers
    AcceleratorState._reset_state(True)


def test_an_overflow_of_fp16_is_left_out_and_the_training_goes_on(train, tmp_path, fp16_on_a_cpu):
    train(tmp_path / "out", changed(UNIFORM, precision="fp16", log_every=1))
    log = pd.read_csv(tmp_path / "out" / "log.csv")
    assert len(log) == UNIFORM.steps and np.isfinite(log.to_numpy()).all()
    left_out = int((log.grad_norm == 0).sum())
    assert 1 <= left_out < UNIFORM.steps
    assert list(log.grad_norm[:left_out]) == [0] * left_out  # then the scale is small enough
    assert fp16_on_a_cpu[0].get_scale() == 2.0 ** (127 - 40 * left_out)


def assert_same_course(one: Path, other: Path) -> None:
    """The logs agree but for the order of sums, which Adam magnifies where gradients are tiny."""
    ours, theirs = (pd.read_csv(folder / "log.csv") for folder in (one, other))
    assert list(theirs.columns) == list(ours.columns) and list(theirs.step) == LOGGED
    # All but the means over lesion and background, which are taken within a pass.
    same = [c for c in ours if not c.endswith(("_lesion", "_background"))]
    np.testing.assert_allclose(theirs[same], ours[same], rtol=2e-3)
