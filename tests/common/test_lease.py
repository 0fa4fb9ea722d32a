"""One job at a time in an output folder, on whatever machine: leases."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT

from workflow_src.common import lease
from workflow_src.common.errors import InputError
from workflow_src.common.lease import Lease
from workflow_src.common.resumable import State

# Takes the lease of a folder, says so, and keeps it until a line comes in; then finishes, or not.
OWNER = """
import sys; from pathlib import Path
from workflow_src.common import lease
lease.BEAT, lease.LOOK, lease.SETTLING = 0.05, 0.01, 0.05
kept = lease.Lease(Path(sys.argv[1]), sys.argv[2])
print(kept.take(Path(sys.argv[1]) / "recipe.json"), flush=True)
if sys.stdin.readline() == "finish\\n":
    (Path(sys.argv[1]) / "recipe.json").write_text("{}")
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, seconds in {"BEAT": 0.05, "LOOK": 0.01, "SETTLING": 0.05}.items():
        monkeypatch.setattr(lease, name, seconds)


@pytest.fixture
def start(tmp_path):
    """A function that starts a job which has the lease of the folder."""
    started = []

    def run(key="same", **environment) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(tmp_path), key], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | environment,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def taking(folder, key="same") -> tuple[threading.Thread, list]:
    """A second job that asks for the lease, and what it was told once it was."""
    told = []
    ours = Lease(folder, key)
    thread = threading.Thread(target=lambda: told.append(ours.take(folder / "recipe.json")))
    thread.start()
    time.sleep(0.3)
    return thread, [told, ours]


def test_a_second_job_waits_and_takes_up_what_the_first_made(start, tmp_path):
    first = start()
    assert first.stdout.readline() == "True\n"
    thread, (told, _) = taking(tmp_path)
    assert thread.is_alive() and not told
    first.communicate("finish\n")
    thread.join(10)
    assert told == [False] and not (tmp_path / lease.NAME).exists()


@pytest.mark.parametrize("key, last", [("other", "finish\n"), ("same", "fail\n")])
def test_it_works_itself_if_the_first_made_something_else_or_nothing(start, tmp_path, key, last):
    first = start(key)
    first.stdout.readline()
    thread, (told, ours) = taking(tmp_path)
    first.communicate(last)
    thread.join(10)
    assert told == [True]
    assert json.loads((tmp_path / lease.NAME).read_text())["key"] == "same"
    ours.release()
    assert list(tmp_path.glob(".lease*")) == []


def test_a_killed_job_on_this_machine_is_not_waited_for(start, tmp_path):
    first = start()
    first.stdout.readline()
    first.kill()
    first.wait()
    assert Lease(tmp_path, "same").take(tmp_path / "recipe.json")


def test_one_on_another_machine_is_until_it_is_silent_for_long(start, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "PATIENCE", 0.5)
    first = start()
    first.stdout.readline()
    monkeypatch.setattr(lease, "host", lambda: "another machine")
    thread, (told, ours) = taking(tmp_path)
    time.sleep(1)  # twice what one waits for, but the first renews it
    assert thread.is_alive() and not told
    first.send_signal(signal.SIGSTOP)  # its machine hangs
    thread.join(10)
    assert told == [True]
    first.send_signal(signal.SIGCONT)  # and comes back: it finds its lease taken over, and ends
    assert first.wait(timeout=10) == 1
    ours.check()


def test_a_job_that_lost_its_lease_writes_nothing_more(tmp_path):
    state = State(tmp_path, "recipe.json", "workflow_src.common.lease", {})
    held = json.loads((tmp_path / lease.NAME).read_text())
    held |= {"owner": {"host": "another machine"}, "name": "job 7"}
    state.lease.release()
    (tmp_path / lease.NAME).write_text(json.dumps(held))
    with pytest.raises(InputError, match="taken over by job 7"):
        state.save({"step": 1})
    assert not state.checkpoint.exists()
    content = state.folder / "content"
    content.mkdir()
    (content / "recipe.json").write_text("{}")
    with pytest.raises(InputError, match="taken over by job 7"):
        state.finish(content)
    assert not (tmp_path / "recipe.json").exists()


def test_all_processes_of_a_job_share_its_lease(start, tmp_path):
    other = start(RANK="1")  # waits for the first
    time.sleep(0.3)
    assert not (tmp_path / lease.NAME).exists()
    first = start(RANK="0")
    assert first.stdout.readline() == "True\n" and other.stdout.readline() == "True\n"
    assert len(list(tmp_path.glob(".lease*"))) == 1
    other.communicate("finish\n")
    assert (tmp_path / lease.NAME).exists()  # given back by the first alone


def test_a_state_that_is_dropped_gives_the_lease_back(tmp_path):
    state = State(tmp_path, "recipe.json", "workflow_src.common.lease", {})
    assert (tmp_path / lease.NAME).exists()
    del state
    assert not (tmp_path / lease.NAME).exists()
