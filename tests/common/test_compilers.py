"""What torch.compile needs of a machine: a compiler and Python's headers."""

import os
import sys
import sysconfig

import pytest

from workflow_src.common.compilers import why_not_compile


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with both, and no compiler of its own."""
    monkeypatch.setenv("PATH", "/nothing")
    for variable in ("CC", "CXX"):
        monkeypatch.setenv(variable, sys.executable)  # any program that is there
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    (tmp_path / "Python.h").touch()
    return tmp_path


@pytest.mark.parametrize(("on_gpu", "variable"), [(True, "CC"), (False, "CXX")])
def test_each_device_needs_a_compiler_of_its_own(machine, monkeypatch, on_gpu, variable):
    assert why_not_compile(on_gpu) is None
    monkeypatch.setenv(variable, "no-such-compiler")
    assert "no compiler (no-such-compiler" in why_not_compile(on_gpu)
    assert why_not_compile(not on_gpu) is None
    monkeypatch.delenv(variable)
    assert f"${variable} may name another" in why_not_compile(on_gpu)


@pytest.mark.parametrize("on_gpu", [True, False])
def test_both_need_pythons_headers(machine, on_gpu):
    (machine / "Python.h").unlink()
    assert f"no {machine}/Python.h" in why_not_compile(on_gpu)


def test_nnunet_is_told(machine, monkeypatch):
    from workflow_src.downstream.environment import set_environment

    monkeypatch.setattr(os, "environ", dict(os.environ))
    set_environment(machine, threads=1)
    assert "nnUNet_compile" not in os.environ
    (machine / "Python.h").unlink()
    set_environment(machine, threads=1)
    assert os.environ["nnUNet_compile"] == "f"  # noqa: SIM112
