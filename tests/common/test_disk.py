"""A disk that is full, and a folder that may not be written: one line, and nothing half-written."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from workflow_src.common.errors import InputError
from workflow_src.common.outputs import require_space


def on_a_small_disk(folder, command: str, size: str) -> subprocess.CompletedProcess:
    """Run a shell command with a file system of so many bytes over a folder; list it after."""
    script = (
        f"mount -t tmpfs -o size={size} tmpfs {folder} || exit 77; {command}; code=$?;"
        f" find {folder} -mindepth 1 | sed 's/^/left: /'; exit $code"
    )
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture
def small_disk(tmp_path):
    """A function that runs a script with its output on a disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if on_a_small_disk(disk, "true", "64k").returncode:
        pytest.skip("this machine lets no user mount a small file system")

    def run(module: str, options: str) -> subprocess.CompletedProcess:
        command = f"{sys.executable} -m workflow_src.{module} {options}"
        return on_a_small_disk(disk, command.replace("DISK", str(disk)), "64k")

    return run


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("make_phantoms", "--output DISK/raw --phantom.train 50 --phantom.side 128"),
        ("prepare_data", "--root {raw} --output DISK/set --size 256"),
    ],
)
def test_a_full_disk_ends_in_one_line(small_disk, polyps_raw, module, options):
    done = small_disk(module, options.format(raw=polyps_raw))
    assert done.returncode == 1
    error = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(error) == 1 and "free some space" in error[0], done.stderr
    assert "Traceback" not in done.stderr
    left = [line for line in done.stdout.splitlines() if line.startswith("left: ")]
    kept = ("raw", "set", ".workflow")
    assert not [line for line in left if os.path.basename(line) not in kept], left


def test_too_little_space_is_refused_before_the_work(tmp_path):
    with pytest.raises(InputError, match=r"the copy needs .* MiB left: free some space"):
        require_space(tmp_path / "new" / "folder", 2**60, "the copy")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    done = subprocess.run(
        [sys.executable, "-m", "workflow_src.make_phantoms", "--output", tmp_path / "raw"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and "may not be read or written" in done.stderr
