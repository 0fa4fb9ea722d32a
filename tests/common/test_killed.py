"""After `kill -9` of Snakemake: its jobs end too, and its lock does not block the next call."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT

from workflow_src.common.errors import InputError
from workflow_src.common.jobs import SNAKEMAKE, end_with_snakemake
from workflow_src.common.stale_lock import drop_stale_lock

# A Snakemake of two lines: it names itself to a script, which it starts through a shell.
STARTER = """
import subprocess, sys
from pathlib import Path
from workflow_src.common.jobs import steer_scripts
steer_scripts(Path.cwd())
subprocess.run(["bash", "-c", sys.executable + " -c '" + sys.argv[1] + "'; true"])
"""
SCRIPT = """
import subprocess, sys, time
from workflow_src.common.command_line import run
def main():
    worker = subprocess.Popen(["sleep", "60"])
    print(worker.pid, flush=True)
    time.sleep(60)
run(main)
"""


def test_a_job_and_its_workers_end_with_their_snakemake():
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, SCRIPT],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    worker = psutil.Process(int(starter.stdout.readline()))
    job = worker.parent()
    time.sleep(1)
    assert job.is_running() and worker.is_running()
    starter.kill()
    _, alive = psutil.wait_procs([job, worker], timeout=10)
    for process in alive:
        process.kill()
    assert not alive


def test_a_job_whose_snakemake_died_before_it_began_ends_at_once(monkeypatch):
    code = "import os, sys; from pathlib import Path;"
    code += "from workflow_src.common import jobs as steering;"
    code += "steering.steer_scripts(Path.cwd()); print(os.environ[steering.SNAKEMAKE])"
    died = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    monkeypatch.setenv(SNAKEMAKE, died.stdout.strip())
    with pytest.raises(SystemExit, match="is gone"):
        end_with_snakemake()
    monkeypatch.setenv(SNAKEMAKE, f"elsewhere {died.stdout.strip()}")
    end_with_snakemake()  # another host's numbers say nothing


def start(folder, here=True) -> subprocess.Popen:
    """A call that takes the lock of a folder, in a process of its own, and does not end."""
    code = (
        "import sys, time; from pathlib import Path;"
        "from workflow_src.common.stale_lock import drop_stale_lock;"
        f"kept = drop_stale_lock(Path(sys.argv[1]), {here}); print(1, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    (folder / "locks").mkdir(exist_ok=True)
    (folder / "locks" / "0.output.lock").write_text("results/x\n")
    return process


def test_the_lock_of_a_killed_call_is_dropped_as_its_jobs_died_too(tmp_path, capsys):
    first = start(tmp_path)
    first.kill()
    first.wait()
    drop_stale_lock(tmp_path, here=True).close()
    assert not (tmp_path / "locks").exists()
    assert "the last call was killed" in capsys.readouterr().err


def test_the_lock_of_a_call_at_work_stays(tmp_path):
    first, second = start(tmp_path), start(tmp_path)
    try:
        first.kill()
        first.wait()
        drop_stale_lock(tmp_path, here=True).close()  # the second one still works
        assert (tmp_path / "locks").exists()
    finally:
        second.kill()
        second.wait()
    drop_stale_lock(tmp_path, here=True).close()
    assert not (tmp_path / "locks").exists()


def test_the_lock_of_another_host_stays(tmp_path, monkeypatch):
    start(tmp_path).send_signal(signal.SIGKILL)
    time.sleep(0.5)
    monkeypatch.setattr("workflow_src.common.stale_lock.platform.node", lambda: "elsewhere")
    drop_stale_lock(tmp_path, here=True).close()
    assert (tmp_path / "locks").exists()
    assert os.path.getsize(tmp_path / "calls") > 0


def test_where_nothing_can_be_written_there_is_no_check(tmp_path):
    (tmp_path / "file").touch()
    assert drop_stale_lock(tmp_path / "file" / ".snakemake", here=True) is None


@pytest.mark.parametrize(
    "answer, dropped",
    [("true", True), ("echo '8||{here}'; echo '9|rule_train|/elsewhere'", True), ("exit 1", False)],
    ids=["empty", "others' jobs", "silent"],
)
def test_the_lock_of_a_killed_call_is_dropped_if_the_queue_has_none_of_its_jobs(
    left_in_queue, capsys, answer, dropped
):
    folder = left_in_queue(answer)
    drop_stale_lock(folder, here=False).close()
    assert (folder / "locks").exists() != dropped
    assert ("its lock is removed" in capsys.readouterr().err) == dropped


def test_jobs_of_a_killed_call_that_live_on_are_named(left_in_queue):
    folder = left_in_queue("echo '7|rule_train_wildcards_a|{here}'")
    with pytest.raises(InputError, match=r"scancel 7\)"):
        drop_stale_lock(folder, here=False)
    assert (folder / "locks").exists()


@pytest.fixture
def left_in_queue(tmp_path, monkeypatch):
    """A function that takes what squeue answers: the folder of a call that was killed."""

    def kill(answer: str):
        folder, commands = tmp_path / ".snakemake", tmp_path / "bin"
        folder.mkdir()
        commands.mkdir()
        (commands / "squeue").write_text(f"#!/bin/sh\n{answer.format(here=tmp_path)}\n")
        (commands / "squeue").chmod(0o755)
        monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
        call = start(folder, here=False)
        call.kill()
        call.wait()
        return folder

    return kill
