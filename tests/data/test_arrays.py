"""Arrays take their disk space before they are mapped."""

import errno
import os

import numpy as np
import pytest

from workflow_src.common.errors import InputError
from workflow_src.data.arrays import loaded_array, loaded_arrays, opened_array, reserved_array


def full(code):
    def allocate(*arguments):
        raise OSError(code, os.strerror(code))

    return allocate


def test_an_array_takes_its_space_at_once(tmp_path):
    array = reserved_array(tmp_path / "a.npy", (64, 64, 64))
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= array.nbytes
    array[3] = 7
    array.flush()
    assert np.array_equal(opened_array(tmp_path / "a.npy", (64, 64, 64)), array)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_is_named_before_anything_is_mapped(tmp_path, monkeypatch, code):
    monkeypatch.setattr(os, "posix_fallocate", full(code))
    with pytest.raises(OSError, match="a.npy") as error:
        reserved_array(tmp_path / "a.npy", (10, 10))
    assert error.value.errno == code


def test_a_file_system_that_cannot_reserve_is_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", full(errno.EOPNOTSUPP))
    array = reserved_array(tmp_path / "a.npy", (1300, 1000))
    assert array.shape == (1300, 1000) and not array.any()
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= array.nbytes


@pytest.mark.parametrize("harm", ["cut", "changed", "empty", "text"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_harmed_files_of_arrays_are_named_in_one_line(tmp_path, suffix, harm):
    file = tmp_path / f"a{suffix}"
    array = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8)
    np.save(file, array) if suffix == ".npy" else np.savez_compressed(file, a=array)
    content = file.read_bytes()
    middle = content[:2000] + b"?" * 9 + content[2009:] if suffix == ".npz" else content[:9]
    harmed = {"cut": content[:-900], "changed": middle, "empty": b"", "text": b"<html>"}[harm]
    file.write_bytes(harmed)
    with pytest.raises(InputError, match=rf"a\{suffix} is damaged") as error:
        loaded_array(file) if suffix == ".npy" else loaded_arrays(file)
    assert "\n" not in str(error.value)
