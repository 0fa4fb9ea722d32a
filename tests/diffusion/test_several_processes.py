"""ControlNet training in two and four processes, started as the rule starts it: the result of one
process, also after a kill, beside another training on the same machine and whatever accelerate was
told.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from conftest import ROOT, changed
from diffusers import DDPMScheduler
from safetensors.torch import load_file
from short_trainings import LAW, assert_same_result, step

from workflow_src import train_controlnet
from workflow_src.diffusion.backbone import backbone_folder
from workflow_src.diffusion.controlnet import TrainingData
from workflow_src.diffusion.latents import load_latents

pytestmark = pytest.mark.usefixtures("one_thread")

LONGER = changed(LAW, steps=30)
# What `accelerate config` may have left: it would wait for a second machine.
HOSTILE = """
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_CPU
machine_rank: 1
main_process_ip: 192.0.2.1
main_process_port: 29500
num_machines: 2
num_processes: 8
"""


@pytest.fixture(scope="module")
def start(backbone, polyps, latents, tmp_path_factory):
    """A function that starts a training in several processes by the rules' launcher."""
    home = tmp_path_factory.mktemp("home")
    config = home / "accelerate" / "default_config.yaml"
    config.parent.mkdir()
    config.write_text(HOSTILE)
    launch = [sys.executable, "-m", "workflow_src.common.launch", "--processes"]

    def run(output: Path, recipe=LONGER, processes: int = 2) -> subprocess.Popen:
        options = step(backbone, polyps.folder, latents, output, recipe)
        return subprocess.Popen(
            [*launch, str(processes), *options["args"]], cwd=ROOT,
            env=options["env"] | {"HF_HOME": str(home)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    return run


def end(process: subprocess.Popen) -> str:
    """Wait for a training that must succeed: what it printed out."""
    printed, _ = process.communicate(timeout=900)
    assert process.returncode == 0, printed[-3000:]
    return printed


@pytest.fixture(scope="module")
def unbroken_and_killed(start, tmp_path_factory) -> tuple[Path, Path]:
    """Two trainings that run at once; of one, a process is killed after a checkpoint: the job ends,
    and is started again.
    """
    folder = tmp_path_factory.mktemp("two")
    whole, killed = start(folder / "whole"), start(folder / "killed")
    while not list((folder / "killed").glob(".state-*/checkpoint.pt")) and killed.poll() is None:
        time.sleep(0.005)
    workers = [process for process in psutil.Process(killed.pid).children()
               if process.environ().get("RANK")]  # fmt: skip
    (second,) = (worker for worker in workers if worker.environ()["RANK"] == "1")
    second.send_signal(signal.SIGKILL)
    printed, _ = killed.communicate(timeout=120)
    assert killed.returncode == 1, printed[-3000:]
    assert len(workers) == 2 and not any(worker.is_running() for worker in workers)
    assert not (folder / "killed/recipe.json").exists()
    again = start(folder / "killed")
    end(whole)
    assert end(again).count("resumed from") == 2
    return folder / "whole", folder / "killed"


@pytest.fixture(scope="module")
def alone(backbone, polyps, latents, tmp_path_factory) -> Path:
    """The same training in one process."""
    output = tmp_path_factory.mktemp("alone")
    train_controlnet.main(backbone, polyps.folder, latents, output, LONGER)
    return output


def test_two_processes_make_the_result_of_one_to_the_bit(alone, unbroken_and_killed):
    # A pass of each is what two passes of one are, and a sum of two has one order.
    assert_same_result(alone, unbroken_and_killed[0])


def test_a_kill_of_one_process_ends_the_job_and_changes_no_bit(unbroken_and_killed):
    assert_same_result(*unbroken_and_killed)


def test_four_processes_differ_in_the_order_of_sums_alone(
    backbone, polyps, latents, start, tmp_path
):
    recipe = changed(LAW, micro_batch=1, log_every=1)
    four = start(tmp_path / "four", recipe, processes=4)
    for name, seed in (("one", 0), ("other", 1)):
        train_controlnet.main(backbone, polyps.folder, latents, tmp_path / name, recipe, seed)
    end(four)
    ours, theirs, other = (pd.read_csv(tmp_path / n / "log.csv") for n in ("one", "four", "other"))
    assert list(ours.columns) == list(theirs.columns)
    np.testing.assert_allclose(theirs, ours, rtol=2e-3)
    # A step's rows show in its loss, by far more than the order of sums does.
    assert ((other["loss"] - ours["loss"]).abs() > 4e-3 * ours["loss"]).all()
    one, many = (load_file(tmp_path / f / "decoder.safetensors") for f in ("one", "four"))
    # Adam moves each weight by up to the rate a step, in a direction that a rounding may turn.
    furthest = 2 * recipe.learning_rate * recipe.steps
    for name in one:
        torch.testing.assert_close(many[name], one[name], rtol=0, atol=furthest)
    moved = torch.cat([(one[n] - many[n]).flatten() for n in one])
    assert moved.abs().mean() < recipe.learning_rate / 100


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_shares_of_several_processes_are_the_batch_of_one_in_its_order(
    backbone, polyps, latents, processes
):
    data = TrainingData(polyps, load_latents(latents), "cpu")
    schedule = DDPMScheduler.from_pretrained(backbone_folder(backbone) / "scheduler")
    whole = data.batch(3, LAW, schedule, 0, slice(None))
    length = LAW.batch_size // processes
    shares = [
        data.batch(3, LAW, schedule, 0, slice(number * length, (number + 1) * length))
        for number in range(processes)
    ]
    for name, value in whole.items():
        assert torch.equal(torch.cat([share[name] for share in shares]), value), name
