"""A Slurm of one node on this machine, with two devices in the place of GPUs, for the tests."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

CONFIG = Path("/etc/slurm")
OURS = "# Written by the workflow's tests.\n"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "sinfo", "squeue")

SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# How long a requeued job waits before it starts again; the default is two minutes.
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
TaskProlog={folder}/task_prolog
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
# There being no control groups here, nothing else holds a job to its memory.
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=5
AccountingStorageType=accounting_storage/none
ReturnToService=2
MinJobAge=3600
KillWait=5
GresTypes=gpu
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=16000 Gres=gpu:a100:2 State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=gpu Nodes=ALL State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF
"""  # noqa: E501
GRES_CONF = "AutoDetect=off\nNodeName={host} Name=gpu Type=a100 File=/dev/tty[0-1]\n"
# Notes of each task where it runs and what devices it sees.
TASK_PROLOG = """#!/bin/sh
echo "$SLURM_JOB_ID $SLURM_JOB_PARTITION ${{CUDA_VISIBLE_DEVICES:-none}}" >> {folder}/tasks
"""


class Cluster:
    """A Slurm that is started and stopped with the tests.

    Args:
        folder: for its state and logs.
    """

    def __init__(self, folder: Path):
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing or os.getuid() != 0:
            pytest.skip(f"no Slurm can be started: missing {missing}, or not root")
        files = [CONFIG / "slurm.conf", CONFIG / "gres.conf"]
        if any(f.exists() and not f.read_text().startswith(OURS) for f in files):
            pytest.skip(f"{CONFIG} configures a Slurm of this machine's own: it is left alone")
        if subprocess.run(["scontrol", "ping"], capture_output=True).returncode == 0:
            pytest.skip("a Slurm is running here already: it is left alone")
        self.folder, self.daemons = folder, []
        host = socket.gethostname().split(".")[0]
        for part in ("state", "spool"):
            (folder / part).mkdir()
        self.tasks = folder / "tasks"
        prolog = folder / "task_prolog"
        prolog.write_text(TASK_PROLOG.format(folder=folder))
        prolog.chmod(0o755)
        for file, text in zip(files, (SLURM_CONF, GRES_CONF), strict=True):
            file.write_text(OURS + text.format(host=host, folder=folder))

    def start(self) -> None:
        """Start the daemons, and wait until the node takes jobs."""
        if subprocess.run(["munge", "-n"], capture_output=True).returncode:
            munge = pwd.getpwnam("munge")
            Path("/run/munge").mkdir(exist_ok=True)
            os.chown("/run/munge", munge.pw_uid, munge.pw_gid)
            self._spawn("munged", "--foreground", user="munge")
        self._spawn("slurmctld", "-D")
        self._spawn("slurmd", "-D")
        for _ in range(60):
            time.sleep(1)
            found = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True)
            if found.stdout.split()[:1] == ["idle"]:
                return
        logs = (self.folder / "slurmctld.log").read_text() + (
            self.folder / "slurmd.log"
        ).read_text()
        raise RuntimeError(f"Slurm did not come up: {found.stderr}\n{logs[-3000:]}")

    def _spawn(self, *command: str, user: str | None = None) -> None:
        with open(self.folder / f"{command[0]}.out", "w") as out:
            self.daemons.append(subprocess.Popen(command, user=user, stdout=out, stderr=out))

    def stop(self) -> None:
        """End what was started, and take its configuration away."""
        subprocess.run(["scancel", "--user", "root"], capture_output=True)
        for _ in range(15):  # its jobs would outlive it
            if not subprocess.run(["squeue", "-h"], capture_output=True).stdout:
                break
            time.sleep(1)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        for name in ("slurm.conf", "gres.conf"):
            (CONFIG / name).unlink(missing_ok=True)

    def jobs(self) -> list[dict[str, str]]:
        """What Slurm knows of every job, by the names of `scontrol show job`."""
        shown = subprocess.run(
            ["scontrol", "--oneliner", "--details", "show", "job"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        jobs = [dict(f.split("=", 1) for f in line.split() if "=" in f)
                for line in shown.splitlines() if line.startswith("JobId")]  # fmt: skip
        devices = {}
        for line in self.tasks.read_text().splitlines() if self.tasks.exists() else []:
            number, _, seen = line.split()
            devices.setdefault(number, set()).add(seen)
        return [job | {"devices": devices.get(job["JobId"], set())} for job in jobs]
