"""Output folders: what a step did not write is refused, and no two calls write into one."""

import importlib
import inspect
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from workflow_src.common import outputs
from workflow_src.common.command_line import claiming
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import OutputFolder, whole_file, whole_folder, write_text

STEPS = sorted(
    path.stem for path in (ROOT / "workflow_src").glob("*.py") if "run(main)" in path.read_text()
)


def output_folder(step: str) -> str | None:
    """The name of a step's option for its output folder; None if it writes files."""
    main = importlib.import_module(f"workflow_src.{step}").main
    parameters = inspect.signature(main).parameters.items()
    return next((name for name, given in parameters if given.annotation is OutputFolder), None)


WRITERS = [step for step in STEPS if output_folder(step)]


@pytest.mark.parametrize("step", STEPS)
def test_what_is_called_a_folder_is_claimed(step):
    main = importlib.import_module(f"workflow_src.{step}").main
    described = re.search(r"^        (output|out): ((?:.|\n {12})*)", main.__doc__, re.M)
    a_folder = bool(described) and re.match("folder|root of", described[2]) is not None
    assert a_folder == bool(output_folder(step))


@pytest.mark.parametrize("step", WRITERS)
def test_a_step_refuses_a_folder_of_the_users_before_anything_else(step, tmp_path):
    main = claiming(importlib.import_module(f"workflow_src.{step}").main)
    given = dict.fromkeys(inspect.signature(main).parameters)
    theirs = tmp_path / "theirs"
    for name in ("controlnet/config.json", "index.csv", "masks/1.png"):
        write_text(theirs / name, name)
    file = tmp_path / "file"
    file.write_text("mine")
    name = output_folder(step)
    with pytest.raises(
        InputError, match=f"--{name} .*theirs holds controlnet, which this workflow"
    ):
        main(**given | {name: theirs})
    with pytest.raises(InputError, match=f"--{name} .*file is a file: give a folder"):
        main(**given | {name: file})
    read = next((n for n, p in inspect.signature(main).parameters.items() if n in PLACES), None)
    if read:
        with pytest.raises(InputError, match=f"--{name} .* is read too: give another folder"):
            main(**given | {name: theirs, read: theirs / "masks/.."})
    assert sorted(p.name for p in theirs.rglob("*") if p.is_file()) == PUT
    assert file.read_text() == "mine"


PLACES = ("data", "root", "images", "plan", "autoencoder", "model")
PUT = ["1.png", "config.json", "index.csv"]


def fill(target, content: str, other: str | None = None) -> None:
    with whole_folder(target, "marker") as folder:
        for name in ("a", "b", "marker", *([other] if other else [])):
            write_text(folder / name, content)


def test_a_step_goes_on_in_its_own_folder(tmp_path):
    fill(tmp_path / "out", "first", "more")
    (tmp_path / "out" / "notes").write_text("mine")
    with whole_folder(tmp_path / "out" / "below", "marker") as folder:
        write_text(folder / "marker", "")
    (tmp_path / "out" / "marker").unlink()  # as Snakemake does before it runs a job again
    fill(tmp_path / "out", "second")
    assert (tmp_path / "out" / "notes").read_text() == "mine"
    assert {(tmp_path / "out" / name).read_text() for name in ("a", "b", "marker")} == {"second"}


def test_folders_of_other_steps_may_lie_in_an_output_folder(tmp_path):
    fill(tmp_path / "out" / "below", "first")
    fill(tmp_path / "out", "second")


@pytest.mark.parametrize("moves", range(4))
def test_a_kill_between_two_moves_is_taken_up_by_the_next_call(tmp_path, monkeypatch, moves):
    """Neither is the folder refused, nor is what lies there taken for whole."""
    fill(tmp_path / "out", "first")
    done, replace = [], os.replace

    def killed(source, target):
        if os.path.dirname(target) == str(tmp_path / "out"):
            if len(done) == moves:
                raise KeyboardInterrupt
            done.append(target)
        replace(source, target)

    monkeypatch.setattr(outputs.os, "replace", killed)
    if moves < 3:
        with pytest.raises(KeyboardInterrupt):
            fill(tmp_path / "out", "second")
        assert not (tmp_path / "out" / "marker").exists()
    monkeypatch.setattr(outputs.os, "replace", replace)
    fill(tmp_path / "out", "third")
    assert {(tmp_path / "out" / name).read_text() for name in ("a", "b", "marker")} == {"third"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


HOLD = """
import sys, time
from pathlib import Path
from workflow_src.common.outputs import whole_folder
with whole_folder(Path(sys.argv[1]), "marker") as folder:
    (folder / "marker").write_text("first")
    print("in", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(target, seconds: float) -> subprocess.Popen:
    """A process that is writing into a folder for some seconds."""
    command = [sys.executable, "-c", HOLD, str(target), str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "in\n"
    return process


def test_a_second_call_waits(tmp_path):
    first = holder(tmp_path / "out", 1)
    fill(tmp_path / "out", "second")
    assert first.wait() == 0
    assert (tmp_path / "out" / "marker").read_text() == "second"


def test_a_second_call_that_has_waited_long_is_refused(tmp_path, monkeypatch):
    first = holder(tmp_path / "out", 60)
    monkeypatch.setattr(outputs, "PATIENCE", 0.5)
    with pytest.raises(InputError, match="another process is writing into --output .*/out: wait"):
        fill(tmp_path / "out", "second")
    first.send_signal(signal.SIGKILL)
    first.wait()
    begun = time.monotonic()
    fill(tmp_path / "out", "third")  # the system took the lock back
    assert time.monotonic() - begun < 1
    assert (tmp_path / "out" / "marker").read_text() == "third"


def test_a_folder_in_place_of_a_file_ends_in_one_line(tmp_path):
    write_text(tmp_path / "raw" / "1.png", "")
    command = [sys.executable, "-m", "workflow_src.locate_raw", f"--root={tmp_path}/raw"]
    done = subprocess.run(
        [*command, f"--output={tmp_path}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert line.endswith("it is a folder: give a file") and "Traceback" not in done.stderr


WRITE = """
import sys
from pathlib import Path
from workflow_src.common.outputs import whole_file
with whole_file(Path(sys.argv[1])) as beside:
    with beside.open("w") as file:
        for _ in range(3):
            print(sys.argv[2] * 1000, file=file, flush=True)
            print("one of three", flush=True)
            sys.stdin.readline()
"""


def test_two_processes_that_write_one_file_share_nothing(tmp_path):
    target = tmp_path / "table.json"
    command = [sys.executable, "-c", WRITE, str(target)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    both = [subprocess.Popen([*command, letter], **pipes) for letter in "ab"]
    for _ in range(3):  # in turn, so that each writes between the other's lines
        for process in both:
            assert process.stdout.readline() == "one of three\n"
        assert not target.exists()
        for process in both:
            process.stdin.write("on\n")
            process.stdin.flush()
    assert [process.wait() for process in both] == [0, 0]
    assert target.read_text() in [f"{letter * 1000}\n" * 3 for letter in "ab"]
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]


def test_a_file_that_could_not_be_written_leaves_nothing(tmp_path):
    (tmp_path / "table.json").write_text("before")
    with pytest.raises(KeyError), whole_file(tmp_path / "table.json") as beside:
        beside.write_text("half")
        raise KeyError
    assert (tmp_path / "table.json").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]
