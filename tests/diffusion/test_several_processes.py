"""ControlNet training in two processes, started as the rule starts it: the result of one process,
also after a kill, beside another training on the same machine and whatever accelerate was told.
"""

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
from conftest import ROOT, changed
from safetensors.torch import load_file
from short_trainings import LAW, assert_same_result, step

from workflow_src import train_controlnet

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
    """A function that starts a training in two processes by the rules' launcher."""
    home = tmp_path_factory.mktemp("home")
    config = home / "accelerate" / "default_config.yaml"
    config.parent.mkdir()
    config.write_text(HOSTILE)
    launch = [sys.executable, "-m", "workflow_src.common.launch", "--processes", "2"]

    def run(output: Path, recipe=LONGER) -> subprocess.Popen:
        options = step(backbone, polyps.folder, latents, output, recipe)
        return subprocess.Popen(
            launch + options["args"], cwd=ROOT, env=options["env"] | {"HF_HOME": str(home)},
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
    """Two trainings that run at once; one is killed after a checkpoint, and started again."""
    folder = tmp_path_factory.mktemp("two")
    whole, killed = start(folder / "whole"), start(folder / "killed")
    while not list((folder / "killed").glob(".state-*/checkpoint.pt")) and killed.poll() is None:
        time.sleep(0.005)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL and not (folder / "killed/recipe.json").exists()
    killed.stdout.close()
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


def test_a_kill_of_both_changes_no_bit(unbroken_and_killed):
    assert_same_result(*unbroken_and_killed)


def test_more_passes_differ_in_the_order_of_sums_alone(backbone, polyps, latents, start, tmp_path):
    recipe = changed(LAW, micro_batch=1)
    train_controlnet.main(backbone, polyps.folder, latents, tmp_path / "one", recipe)
    end(start(tmp_path / "two", recipe))
    ours, theirs = (pd.read_csv(tmp_path / folder / "log.csv") for folder in ("one", "two"))
    assert list(ours.columns) == list(theirs.columns)
    np.testing.assert_allclose(theirs, ours, rtol=2e-3)
    one, two = (load_file(tmp_path / f / "decoder.safetensors") for f in ("one", "two"))
    # Adam moves each weight by up to the rate a step, in a direction that a rounding may turn.
    furthest = 2 * recipe.learning_rate * recipe.steps
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=furthest)
    moved = torch.cat([(one[n] - two[n]).flatten() for n in one])
    assert moved.abs().mean() < recipe.learning_rate / 100
