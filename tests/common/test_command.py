"""How a script ends that the user can fix: in one line that names the file."""

import errno
import os
import sys
from pathlib import Path

import pytest

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
     (errno.EROFS, "read-only")],
)  # fmt: skip
def test_what_the_system_refuses_is_said_with_the_remedy(ended, code, words):
    def main():
        raise OSError(code, os.strerror(code), "results/a.json")

    said = ended(main)
    assert said.startswith("error: results/a.json: ") and words in said and "writing" not in said


def test_another_error_keeps_its_traceback(monkeypatch):
    def main():
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(sys, "argv", ["script"])
    with pytest.raises(OSError, match="broken"):
        run(main)
