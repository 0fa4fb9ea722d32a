"""GPUs that a job asks for: found before it works, and shared with no other job."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from workflow_src.common import gpus
from workflow_src.common.errors import InputError

ARCHITECTURES = ["sm_75", "sm_80", "sm_90", "compute_90"]


@pytest.fixture
def machine(monkeypatch):
    """A function that lets PyTorch see GPUs of some compute capabilities."""

    def show(*capabilities: tuple[int, int], asked: int = 1, reason: str = "") -> None:
        def init():
            raise RuntimeError(reason)

        monkeypatch.setenv(gpus.ASKED, str(asked))
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(torch.cuda, "init", init)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(capabilities))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda n: capabilities[n])
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: "A GPU")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ARCHITECTURES)

    return show


OLD = "The NVIDIA driver on your system is too old (found version 12020). Please update it."


@pytest.mark.parametrize(
    ("capabilities", "asked", "reason", "words"),
    [
        ([], 1, OLD, "1 GPU(s) were asked for, but The NVIDIA driver on your system is too old"),
        ([(8, 0)], 2, "", "2 GPU(s) were asked for, but only 1 visible"),
        ([(7, 0)], 1, "", "no code for a A GPU (compute capability 7.0), only for sm_75, sm_80"),
        ([(9, 0), (6, 1)], 2, "", "compute capability 6.1"),
    ],
)
def test_what_is_not_there_or_too_old_ends_in_one_line(machine, capabilities, asked, reason, words):
    machine(*capabilities, asked=asked, reason=reason)
    with pytest.raises(InputError) as raised:
        gpus.require_gpus()
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_a_pytorch_for_cpus_is_named(machine, monkeypatch):
    machine()
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(InputError, match="is built for CPUs alone"):
        gpus.require_gpus()


def test_gpus_that_are_there_are_taken_as_they_are(machine):
    machine((8, 0), (9, 0), asked=2)
    gpus.require_gpus()
    machine(asked=0)
    gpus.require_gpus()  # none was asked for


@pytest.mark.parametrize(
    ("capability", "runs"),
    [((7, 0), False), ((7, 5), True), ((8, 9), True), ((9, 0), True), ((12, 0), True)],
)
def test_code_runs_on_later_models_of_its_generation_or_is_compiled(capability, runs):
    assert gpus.has_code_for(capability, ARCHITECTURES) == runs
    assert not gpus.has_code_for((10, 0), ["sm_75", "sm_80", "sm_90"])


@pytest.mark.parametrize("count", [1, 2])
def test_a_step_that_asked_for_gpus_does_not_begin_without(count, tmp_path):
    """The rules' command, on this machine without GPUs."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = subprocess.run(
        [sys.executable, "-m", "workflow_src.common.launch", "--gpus", str(count),
         "--processes", str(count), "-m", "workflow_src.train_segmenter",
         "--data", tmp_path, "--output", tmp_path / "out"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    assert done.stderr.startswith(f"error: {count} GPU(s) were asked for, but ")
    assert len(done.stderr.splitlines()) == 1


HOLD = """
import os, sys, time
from pathlib import Path
print(os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["WORKFLOW_GPUS"], flush=True)
while not Path(sys.argv[1]).exists():
    time.sleep(0.02)
"""


class Jobs:
    """Jobs started by the launcher on a machine of two GPUs, each until it is told to end."""

    def __init__(self, folder: Path):
        self.folder, self.running = folder, []
        smi = folder / "bin" / "nvidia-smi"
        smi.parent.mkdir()
        smi.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: GPU-a)'\necho 'GPU 1: A (UUID: GPU-b)'\n")
        smi.chmod(0o755)
        (folder / "hold.py").write_text(HOLD)

    def start(self, count: int, **environment: str) -> subprocess.Popen:
        environment = os.environ | {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(self.folder),
            "PYTHONPATH": f"{ROOT}:{self.folder}",
        } | environment  # fmt: skip
        end = self.folder / f"end{len(self.running)}"
        job = subprocess.Popen(
            [sys.executable, "-m", "workflow_src.common.launch", "--gpus", str(count),
             "-m", "hold", str(end)],
            env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.running.append((job, end))
        return job

    def end(self, job: subprocess.Popen) -> None:
        for other, end in self.running:
            if other is job:
                end.touch()
        job.wait(timeout=60)


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    jobs = Jobs(tmp_path)
    yield jobs
    for job, _ in jobs.running:
        jobs.end(job)
        job.stdout.close()
        job.stderr.close()


def test_two_jobs_get_different_gpus_and_a_third_waits_for_one(jobs):
    first, second = jobs.start(1), jobs.start(1)
    devices = [job.stdout.readline().split() for job in (first, second)]
    assert sorted(devices) == [["0", "1"], ["1", "1"]]  # the device, and how many were asked for
    third = jobs.start(1)
    assert "waiting for 1 free GPU(s) of 0, 1" in third.stderr.readline()
    first.kill()  # a kill gives it back, too
    assert third.stdout.readline().split() == devices[0]


def test_a_job_of_all_gpus_has_nothing_to_choose(jobs):
    assert jobs.start(2).stdout.readline().split() == ["None", "2"]


def test_a_job_chooses_among_those_that_it_may_see(jobs):
    environment = {"CUDA_VISIBLE_DEVICES": "GPU-x,GPU-y,GPU-z"}
    assert jobs.start(2, **environment).stdout.readline().split() == ["GPU-x,GPU-y", "2"]
    # A queue numbers the devices of each of its jobs anew: there is one, and it is this job's.
    assert jobs.start(1, CUDA_VISIBLE_DEVICES="0").stdout.readline().split() == ["0", "1"]


def test_what_a_step_is_given_arrives(tmp_path):
    (tmp_path / "show.py").write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    options = ["--recipe", '{"a": "b c"}', "--gpus", "3", "-m", "x"]
    done = subprocess.run(
        [sys.executable, "-m", "workflow_src.common.launch", "-m", "show", *options],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == options
