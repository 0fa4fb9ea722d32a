"""How a script ends that the user can fix: in one line that names the file."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
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
     (errno.EROFS, "read-only"), (errno.EIO, "the disk fails"), (errno.EISDIR, "give a file"),
     (errno.ENAMETOOLONG, "File name too long: check the path")],
)  # fmt: skip
def test_what_the_system_refuses_is_said_with_the_remedy(ended, code, words):
    def main():
        raise OSError(code, os.strerror(code), "results/a.json")

    said = ended(main)
    assert said.startswith("error: results/a.json: ") and words in said and "writing" not in said


def test_another_error_keeps_its_traceback(monkeypatch):
    def broken():
        raise OSError(errno.EPIPE, "broken")

    def wrong():
        try:
            Path("nowhere").read_text()
        except OSError:
            raise KeyError("wrong") from None

    monkeypatch.setattr(sys, "argv", ["script"])
    with pytest.raises(OSError, match="broken"):
        run(broken)
    with pytest.raises(KeyError, match="wrong"):
        run(wrong)


def by_pytorch(file):
    import torch

    with open(file, "wb") as opened:
        torch.save({"a": torch.zeros(10**5)}, opened)


def by_pytorch_alone(file):
    import torch

    torch.save({"a": torch.zeros(10**5)}, file)


def by_numpy(file):
    np.save(file, np.zeros(10**5))


def by_safetensors(file):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(10**5)}, file)


@pytest.mark.parametrize("write", [by_pytorch, by_pytorch_alone, by_numpy, by_safetensors])
def test_a_file_that_a_library_could_not_write_ends_in_one_line(ended, write, tmp_path):
    """The limit stands for a full disk; libraries tell of it each in words of its own."""
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, allowed[1]))
    try:
        said = ended(lambda: write(tmp_path / "a"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
        signal.signal(signal.SIGXFSZ, before)
    assert said.startswith("error: a file") and ("ulimit" in said or "free some space" in said)
    assert "\n" not in said


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
