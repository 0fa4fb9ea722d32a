"""A GPU is tried stage by stage: here at sizes that say nothing, on a CPU."""

import json
import math
import os
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from workflow_src import check_gpu
from workflow_src.common.errors import InputError
from workflow_src.common.trials import Ready, Trial
from workflow_src.readiness import gpu_check

TOY = ["--device=cpu", "--size=128", "--light=64", "--batch=2", "--micro_batches=[1, 2]",
       "--steps=2", "--width=0.1", "--rounds=1"]  # fmt: skip


def trial(error: float = 0.0, tolerance: float = 0.01) -> Trial:
    """A product of two matrices, of which the result is off by so much."""
    a = torch.eye(8)
    ready = Ready(step=lambda: a @ a, look=lambda: a * (1 + error))
    return Trial("product", 4, lambda device: ready, lambda: a, tolerance)


def test_a_stage_is_measured_and_set_beside_the_cpu():
    found = gpu_check.measured(trial(), "cpu", rounds=1, best=1.0)
    assert found["difference_from_cpu"] == 0 and found["wrong"] is None
    each = found["tera_operations_per_second"] / found["units_per_second"]
    assert each == pytest.approx(2 * 8**3 / 4 / 1e12)
    wrong = gpu_check.measured(trial(error=0.1), "cpu", rounds=1, best=1.0)
    assert wrong["wrong"] == "differs from the CPU by 0.1, more than 0.01"
    assert gpu_check.measured(trial(error=math.nan), "cpu", 1, 1.0)["wrong"]


def test_a_stage_that_fails_leaves_the_others_alone():
    def failing() -> dict:
        raise RuntimeError("no kernel image is available\nand more")

    def greedy() -> dict:
        return {"peak_gib": 12.0, "said_to_need_gib": 10.0}

    found = gpu_check.tried({"one": failing, "other": greedy, "fine": dict})
    assert gpu_check.problems(found) == [
        "one: RuntimeError: no kernel image is available",
        "other: takes 12.0 GiB, more than the 10.0 that are said",
    ]


def test_the_largest_batch_that_fits_is_found():
    def step_of(count: int):
        if count == 16:
            raise torch.OutOfMemoryError
        return lambda: None

    assert gpu_check.largest_that_runs(step_of, [4, 8, 16, 32]) == 8
    assert gpu_check.largest_that_runs(step_of, [16]) == 0


def test_a_machine_without_a_gpu_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr("workflow_src.common.gpus.why_no_gpu", lambda: "no GPU is visible")
    with pytest.raises(InputError, match="cannot check a GPU: no GPU is visible"):
        check_gpu.main(tmp_path)


@pytest.mark.slow
def test_every_stage_is_tried_and_right(tmp_path):
    """In a process of its own: accelerate keeps its precision."""
    command = [sys.executable, "-m", "workflow_src.check_gpu", f"--output={tmp_path}", *TOY]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=one_thread, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    facts = json.loads((tmp_path / "cpu, partly.json").read_text())
    stages = facts["stages"]
    assert not facts["problems"] and stages["largest micro_batch of LAW"] == {"micro_batch": 2}
    measured = ["controlnet", "controlnet, with a teacher", "sampling", "encoding", "mkunet",
                "order", "features", "nnunet"]  # fmt: skip
    for name in measured:
        assert stages[name]["tera_operations_per_second"] > 0
        assert stages[name]["difference_from_cpu"] <= stages[name]["tolerance"]
    assert stages["controlnet"]["difference_from_cpu"] > 0  # bf16 is not fp32
    assert stages["resume"]["loss"] == stages["resume"]["loss_undisturbed"]
    assert [line.split(" | ")[0] for line in done.stdout.splitlines()[2:10]] == [
        f"| {name}" for name in measured
    ]
