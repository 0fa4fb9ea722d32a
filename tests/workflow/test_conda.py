"""`snakemake --sdm conda`, with a stand-in for conda: it makes the folders but solves nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TARGET = "results/smallest/raw/polyps/source.json"
CONDA = """#!/usr/bin/env python3
import json, os, sys
from pathlib import Path
base, given = Path(__file__).parent.parent, sys.argv[1:]
if given == ["info", "--json"]:
    print(json.dumps({"conda_prefix": str(base), "platform": "linux-64"}))
elif given == ["--version"]:
    print("conda 24.11.1")
elif given[:2] == ["config", "--get"]:
    print(json.dumps({"get": {"channel_priority": "strict"}}))
elif given[:2] == ["env", "create"]:
    prefix = Path(given[given.index("--prefix") + 1])
    (prefix / "bin").mkdir(parents=True)
    (prefix / "asked.yaml").write_text(Path(given[given.index("--file") + 1]).read_text())
    python = prefix / "bin" / "python"
    python.write_text(f'''#!/bin/sh
echo "$@" >> {prefix}/python.log
[ "$2" = pip ] && exit {os.environ["PIP_EXIT"]}
exec {sys.executable} "$@"
''')
    python.chmod(0o755)
elif given[0] != "clean":
    sys.exit(f"the stand-in for conda does not know {given}")
"""


@pytest.fixture
def with_conda(checkout, tmp_path):
    """A function that runs Snakemake with the stand-in: exit code of pip in; code, text, prefix."""
    base = tmp_path / "conda"
    (base / "bin").mkdir(parents=True)
    (base / "bin/activate").write_text('export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n')
    (base / "bin/conda").write_text(CONDA.replace("/usr/bin/env python3", sys.executable))
    (base / "bin/conda").chmod(0o755)

    def run(pip_exit: int) -> tuple[int, str, list[Path]]:
        path = os.pathsep.join([str(base / "bin"), os.environ["PATH"]])
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", TARGET, "--cores", "1", "--sdm", "conda",
             "--conda-prefix", str(tmp_path / "envs"), "--force",
             "--configfile", "config/demo.yaml", "tests/study.yaml"],
            cwd=checkout, capture_output=True, text=True,
            env=os.environ | {"PATH": path, "PIP_EXIT": str(pip_exit)},
        )  # fmt: skip
        made = [p for p in (tmp_path / "envs").glob("*") if p.is_dir()]
        return done.returncode, done.stdout + done.stderr, made

    return run


def test_rules_run_in_an_environment_made_from_the_lock(with_conda, checkout):
    code, printed, made = with_conda(pip_exit=0)
    assert code == 0, printed
    (prefix,) = made
    assert "python =3." in (prefix / "asked.yaml").read_text()
    installed, ran = (prefix / "python.log").read_text().splitlines()
    assert installed.startswith("-m pip install")
    assert installed.endswith(f"--require-hashes -r {checkout}/requirements.lock")
    assert ran.startswith("-m workflow_src.make_phantoms")


def test_a_pin_that_cannot_be_installed_stops_everything(with_conda, checkout):
    (checkout / TARGET).unlink(missing_ok=True)
    code, printed, made = with_conda(pip_exit=1)
    assert code != 0 and "Could not create conda environment" in printed
    assert not (checkout / TARGET).exists() and not made


def test_an_environment_is_not_made_from_another_lock(with_conda, checkout):
    lock = checkout / "requirements.lock"
    text = lock.read_text()
    lock.write_text(text + "# changed\n")
    try:
        code, printed, made = with_conda(pip_exit=0)
    finally:
        lock.write_text(text)
    assert code != 0 and "requirements.lock" in printed and not made
