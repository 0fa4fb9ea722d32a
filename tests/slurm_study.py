"""A small study under the tests' Slurm: calls of the literal command, and a training to disturb."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from slurm_cluster import Cluster, wait_for

STUDY = ["--configfile", "config/demo.yaml", "tests/study.yaml", "tests/slurm.yaml"]
# A real cluster is asked less often.
OFTEN = ["--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3"]
RESULTS = Path("results/smallest")
PLACE = RESULTS / "models/polyps/mkunet/seed0"
LOG = RESULTS / "logs/train_segmenter/polyps-mkunet-0.log"


class Study:
    """A checkout on a cluster."""

    def __init__(self, folder: Path, cluster: Cluster):
        self.folder, self.cluster = folder, cluster

    def start(self, *arguments: str) -> subprocess.Popen:
        """The literal command, with what only these tests add."""
        snakemake = [sys.executable, "-m", "snakemake", "--profile", "slurm"]
        return subprocess.Popen(
            [*snakemake, *arguments, *STUDY, *OFTEN], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the command: arguments in, exit code and printed text out."""
        return self.end(self.start(*arguments))

    def end(self, call: subprocess.Popen, seconds: float = 420) -> tuple[int, str]:
        """Wait for a call: its exit code and what it printed."""
        try:
            printed, _ = call.communicate(timeout=seconds)
        finally:
            call.kill()
        return call.returncode, printed

    def jobs(self, rule: str) -> list[dict]:
        """Slurm's jobs of a rule, the oldest first."""
        named = [job for job in self.cluster.jobs() if f"rule_{rule}" in job.get("Comment", "")]
        return sorted(named, key=lambda job: int(job["JobId"]))


class Training:
    """The first run's training of MK-UNet, made again under a disturbance."""

    def __init__(self, study: Study):
        self.study, self.place = study, study.folder / PLACE
        self.undisturbed = (self.place / "model.safetensors").read_bytes()

    def begin(self, *arguments: str) -> subprocess.Popen:
        """Start a call that makes it from nothing."""
        shutil.rmtree(self.place)
        return self.study.start(str(PLACE / "recipe.json"), *arguments)

    def held(self, call: subprocess.Popen) -> dict:
        """Its job in Slurm, stopped between two steps after a checkpoint."""

        def process():
            if call.poll() is not None:
                raise AssertionError(call.communicate()[0][-5000:])
            found = [p for p in psutil.process_iter(["cmdline"])
                     if {"workflow_src.train_segmenter", str(PLACE)} <= set(p.info["cmdline"] or [])
                     and "-c" not in p.info["cmdline"]]  # fmt: skip
            return found and list(self.place.glob(".state-*/checkpoint.pt")) and found[-1]

        wait_for(process, "a checkpoint", 180).send_signal(signal.SIGSTOP)
        (job,) = [j for j in self.study.jobs("train_segmenter") if j["JobState"] == "RUNNING"]
        return job

    def assert_resumed_and_the_same(self) -> None:
        assert "resumed from" in (self.study.folder / LOG).read_text()
        assert (self.place / "model.safetensors").read_bytes() == self.undisturbed
        assert [p.name for p in self.place.iterdir() if p.name.startswith(".")] == [".workflow"]
