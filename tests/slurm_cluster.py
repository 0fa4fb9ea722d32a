"""A Slurm of three nodes on this machine, with accounting and devices in the place of GPUs.

Two nodes have devices, of two models; the third has none. Slurm's tools read one configuration
alone, /etc/slurm: it is written when the tests begin and taken away when they end.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest

CONFIG = Path("/etc/slurm")
OURS = "# Written by the workflow's tests.\n"
PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db")
NODES = ("node1", "node2", "node3")
DATABASE_PORT = 13306

SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# How long a requeued job waits before it starts again; the default is two minutes.
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
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
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment
# After how long without an answer a node counts as down, and its jobs start elsewhere.
SlurmdTimeout=30
ReturnToService=2
MinJobAge=3600
KillWait=5
GresTypes=gpu
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=DEFAULT CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=12000 State=UNKNOWN
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port=17001 Gres=gpu:a100:2 Feature=a100,infiniband
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port=17002 Gres=gpu:v100:2 Feature=v100
NodeName=node3 NodeHostname={host} NodeAddr=127.0.0.1 Port=17003
PartitionName=cpu Nodes=node3 Default=YES MaxTime=60 State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=gpu Nodes=node[1-2] MaxTime=120 State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=node[1-2] State=UP PriorityTier=10 PreemptMode=OFF
"""  # noqa: E501
GRES_CONF = """AutoDetect=off
NodeName=node1 Name=gpu Type=a100 File=/dev/tty[0-1]
NodeName=node2 Name=gpu Type=v100 File=/dev/tty[0-1]
"""
SLURMDBD_CONF = """
DbdHost=localhost
SlurmUser=root
AuthType=auth/munge
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""
DATABASE_SQL = """CREATE DATABASE slurm_acct_db;
CREATE USER slurm@'%' IDENTIFIED BY 'slurm';
GRANT ALL ON slurm_acct_db.* TO slurm@'%';
"""
# Who may use the cluster, and a QOS that grants a job one GPU and no more.
ACCOUNTS = (
    "add qos short MaxTRESPerJob=gres/gpu=1",
    "add account lab Description=lab Organization=lab",
    "add user root Account=lab QOS=normal,short DefaultQOS=normal",
)
# Notes of each task where it runs and what devices it sees.
TASK_PROLOG = """#!/bin/sh
echo "$SLURM_JOB_ID $SLURMD_NODENAME ${{CUDA_VISIBLE_DEVICES:-none}}" >> {folder}/tasks
"""


def ask(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def wait_for(found: Callable, what: str, seconds: float):
    """What a function returns once it is true.

    Raises:
        TimeoutError: if it is not in so many seconds.
    """
    end, said = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            if value := found():
                return value
        except subprocess.CalledProcessError as error:
            said = f": {error.stderr}"
        time.sleep(0.3)
    raise TimeoutError(f"{what}: not in {seconds} seconds{said}")


class Cluster:
    """A Slurm that is started and stopped with the tests.

    Args:
        folder: for its state and logs.
    """

    def __init__(self, folder: Path):
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing or os.getuid() != 0:
            pytest.skip(f"no Slurm can be started: missing {missing}, or not root")
        texts = {"slurm.conf": SLURM_CONF, "gres.conf": GRES_CONF, "slurmdbd.conf": SLURMDBD_CONF}
        self.files = {CONFIG / name: text for name, text in texts.items()}
        if any(f.exists() and not f.read_text().startswith(OURS) for f in self.files):
            pytest.skip(f"{CONFIG} configures a Slurm of this machine's own: it is left alone")
        if subprocess.run(["scontrol", "ping"], capture_output=True).returncode == 0:
            pytest.skip("a Slurm is running here already: it is left alone")
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen] = {}
        host = socket.gethostname().split(".")[0]
        for part in ("state", *(f"spool-{node}" for node in NODES)):
            (folder / part).mkdir()
        self.tasks = folder / "tasks"
        prolog = folder / "task_prolog"
        prolog.write_text(TASK_PROLOG.format(folder=folder))
        prolog.chmod(0o755)
        for file, text in self.files.items():
            file.write_text(OURS + text.format(host=host, folder=folder, port=DATABASE_PORT))
            file.chmod(0o600 if "dbd" in file.name else 0o644)

    def start(self) -> None:
        """Start the daemons, and wait until every node takes jobs."""
        if subprocess.run(["munge", "-n"], capture_output=True).returncode:
            munge = pwd.getpwnam("munge")
            Path("/run/munge").mkdir(exist_ok=True)
            os.chown("/run/munge", munge.pw_uid, munge.pw_gid)
            self._spawn("munged", "munged", "--foreground", user="munge")
        self._start_accounting()
        self.start_controller()
        for line in ACCOUNTS:  # now: the controller makes the cluster and its devices known
            ask("sacctmgr", "-i", *line.split())
        for node in NODES:
            self.start_node(node)
        self._wait_for_log("idle nodes", lambda: self.states() == dict.fromkeys(NODES, "idle"))

    def _start_accounting(self) -> None:
        database, sql = self.folder / "database", self.folder / "database.sql"
        sql.write_text(DATABASE_SQL)
        as_root = ("--no-defaults", f"--datadir={database}", "--user=root")
        ask("mariadb-install-db", *as_root, "--auth-root-authentication-method=normal",
            "--skip-test-db")  # fmt: skip
        self._spawn(
            "mariadbd", "mariadbd", *as_root, f"--socket={database}.sock", f"--init-file={sql}",
            f"--port={DATABASE_PORT}", "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900",
        )  # fmt: skip
        self._wait_for_log("the database", (database / "slurm_acct_db").exists)
        self._spawn("slurmdbd", "slurmdbd", "-D")
        self._wait_for_log("accounting", lambda: ask("sacctmgr", "-n", "list", "qos"))

    def start_controller(self) -> None:
        """Start slurmctld, with the jobs that an earlier one knew."""
        self._spawn("slurmctld", "slurmctld", "-D")
        self._wait_for_log("the controller", lambda: "UP" in ask("scontrol", "ping"))

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._spawn(node, "slurmd", "-D", "-N", node)

    def kill(self, name: str) -> None:
        """Kill a daemon, by its name or its node's."""
        daemon = self.daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def kill_node(self, node: str) -> None:
        """End all that runs on a node at once, as a power cut does."""
        numbers = {n for n, place, _ in self._prologs() if place == node}
        self.kill(node)
        steps = [
            process for process in psutil.process_iter(["cmdline"])
            if (found := re.match(r"slurmstepd: \[(\d+)", " ".join(process.info["cmdline"] or [])))
            and found[1] in numbers
        ]  # fmt: skip
        for step in steps:
            for process in [step, *step.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)

    def states(self) -> dict[str, str]:
        """Each node's state, such as idle, mixed or down*."""
        return dict(line.split() for line in set(ask("sinfo", "-hN", "-o", "%N %t").splitlines()))

    def _wait_for_log(self, what: str, found: Callable) -> None:
        def found_or_lost():
            ended = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
            if ended:
                raise TimeoutError(f"{what}: {', '.join(ended)} ended")
            return found()

        try:
            wait_for(found_or_lost, what, 90)
        except TimeoutError as error:
            said = [f"{f.name}: {f.read_text()[-1000:]}" for f in self.folder.glob("*.out")]
            raise RuntimeError("\n".join([f"Slurm did not come up: {error}", *said])) from error

    def _spawn(self, name: str, *command: str, user: str | None = None) -> None:
        with open(self.folder / f"{name}.out", "a") as out:
            self.daemons[name] = subprocess.Popen(command, user=user, stdout=out, stderr=out)

    def stop(self) -> None:
        """End what was started, and take its configuration away."""
        subprocess.run(["scancel", "--user", "root"], capture_output=True)
        with contextlib.suppress(TimeoutError):  # its jobs would outlive it
            wait_for(lambda: not ask("squeue", "-h"), "an empty queue", 15)
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        for file in self.files:
            file.unlink(missing_ok=True)

    def _prologs(self) -> Iterable[list[str]]:
        """Number, node and devices of every task that has begun."""
        lines = self.tasks.read_text().splitlines() if self.tasks.exists() else []
        return [line.split() for line in lines]

    def jobs(self) -> list[dict]:
        """What Slurm knows of every job, by the names of `scontrol show job`."""
        shown = ask("scontrol", "--oneliner", "--details", "show", "job")
        jobs = [dict(f.split("=", 1) for f in line.split() if "=" in f)
                for line in shown.splitlines() if line.startswith("JobId")]  # fmt: skip
        seen: dict[str, dict[str, set]] = {}
        for number, node, devices in self._prologs():
            there = seen.setdefault(number, {"nodes": set(), "devices": set()})
            there["nodes"].add(node)
            there["devices"].add(devices)
        nothing: dict[str, set] = {"nodes": set(), "devices": set()}
        return [job | seen.get(job["JobId"], nothing) for job in jobs]
