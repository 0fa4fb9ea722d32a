"""How a script ends that the user can fix: in one line that names the file."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from workflow_src.common.command_line import run


@pytest.fixture
def ended(monkeypatch):
    """A function that runs a script's `main` without arguments; what it says as it ends."""
    monkeypatch.setattr(sys, "argv", ["script"])

    def end(main) -> str:
        with pytest.raises(SystemExit) as raised:
            run(main)
        return str(raised.value.code)

    return end


def test_a_file_that_does_not_exist_is_named(ended, tmp_path):
    def main():
        Path(tmp_path / "metrics.json").read_text()

    said = ended(main)
    assert said.startswith(f"error: {tmp_path}/metrics.json: it does not exist: check the path")


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EACCES, "may not be read or written"), (errno.ENOSPC, "the disk is full"),
     (errno.EROFS, "read-only"), (errno.EIO, "the disk fails"), (errno.EISDIR, "give a file")],
)  # fmt: skip
def test_what_the_system_refuses_is_said_with_the_remedy(ended, code, words):
    def main():
        raise OSError(code, os.strerror(code), "results/a.json")

    said = ended(main)
    assert said.startswith("error: results/a.json: ") and words in said and "writing" not in said


def test_another_error_keeps_its_traceback(monkeypatch):
    def main():
        raise OSError(errno.EPIPE, "broken")

    monkeypatch.setattr(sys, "argv", ["script"])
    with pytest.raises(OSError, match="broken"):
        run(main)


def test_a_script_that_succeeded_ends_after_all_that_was_registered_for_its_end(tmp_path):
    """And at once: what its imports made is not freed."""
    script = """
import atexit, tempfile, threading, time
from workflow_src.common.command_line import run

class Freed:
    def __del__(self):
        print("freed")

kept = Freed()
kept.itself = kept

def main(fails: bool = False):
    atexit.register(print, "registered")
    threading.Thread(target=lambda: (time.sleep(0.3), print("thread"))).start()
    main.folder = tempfile.TemporaryDirectory(dir=".")
    if fails:
        raise ValueError

run(main)
"""
    done = [
        subprocess.run(
            [sys.executable, "-c", script, "--fails", fails],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        for fails in ("false", "true")
    ]
    assert [call.returncode for call in done] == [0, 1]
    assert done[0].stdout.split() == ["thread", "registered"]
    assert done[1].stdout.split() == ["thread", "registered", "freed"]
    assert not list(tmp_path.iterdir())
