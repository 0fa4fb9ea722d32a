"""`snakemake --sdm conda` where environments are truly solved, installed and activated.

The solver and the installer are py-rattler's. The channel is a folder: its Python is the one that
runs the tests, its pip the wheel that envs/workflow.yaml names; the lock comes from the registry.
"""

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, SMALLEST

TRAINING = "results/smallest/models/polyps/mkunet/seed0/recipe.json"
VERSION = platform.python_version()
LIBRARY = f"lib/python{VERSION.rpartition('.')[0]}"
# Notes every command that the environment's Python runs.
NOTES = """import sys
with open(sys.prefix + "/ran", "a") as file:
    print(sys.orig_argv, file=file)
"""


def package(channel: Path, name: str, version: str, files: dict[str, bytes | Path]) -> None:
    """Write a package of a channel: by path in the environment, a file here or its content."""
    told = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": [],
            "subdir": "linux-64"}  # fmt: skip
    paths = []
    with tarfile.open(
        channel / f"linux-64/{name}-{version}-0.tar.bz2", "w:bz2", compresslevel=1
    ) as tar:

        def add(path: str, content: bytes, mode: int) -> None:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))

        for path, source in files.items():
            content = source.read_bytes() if isinstance(source, Path) else source
            add(path, content, source.stat().st_mode if isinstance(source, Path) else 0o644)
            paths.append({"_path": path, "path_type": "hardlink", "size_in_bytes": len(content),
                          "sha256": hashlib.sha256(content).hexdigest()})  # fmt: skip
        add("info/index.json", json.dumps(told).encode(), 0o644)
        add("info/paths.json", json.dumps({"paths": paths, "paths_version": 1}).encode(), 0o644)


def of_this_python() -> dict[str, bytes | Path]:
    """The files of the Python that runs the tests, without what was installed into it."""
    base, files = Path(sys.base_prefix), {}
    for folder in (LIBRARY, f"include/{Path(LIBRARY).name}"):
        for file in (base / folder).rglob("*"):
            path = file.relative_to(base)
            if file.is_file() and not {"site-packages", "test", "__pycache__"} & set(path.parts):
                files[str(path)] = file
    files |= {str(file.relative_to(base)): file for file in (base / "lib").glob("libpython3*.so*")}
    program = Path(os.path.realpath(sys.executable))
    files |= {f"bin/{name}": program for name in ("python", "python3", Path(LIBRARY).name)}
    return files | {f"{LIBRARY}/site-packages/sitecustomize.py": NOTES.encode()}


@pytest.fixture
def conda(tmp_path, checkout) -> dict[str, str]:
    """Environment variables with a conda, whose channel the checkout's environment file names."""
    base, channel = tmp_path / "base", tmp_path / "channel"
    for folder in (base / "bin", channel / "linux-64", channel / "noarch"):
        folder.mkdir(parents=True)
    venv.create(base / "venv", with_pip=True)
    pip = [base / "venv/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    program = base / "bin/conda"
    asked = (checkout / "envs/workflow.yaml").read_text()
    pinned = re.search(r"- pip =(\S+)", asked)[1]
    for command in (
        ["install", "py-rattler==0.28.0", "pyyaml"],
        ["download", "--no-deps", "--dest", tmp_path, f"pip=={pinned}"],
    ):
        done = subprocess.run([*pip, *command], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no registry with {command[1]}: {done.stderr[-300:]}")
    program.write_text(
        f"#!{base}/venv/bin/python\n" + (ROOT / "tests/conda_of_rattler.py").read_text()
    )
    program.chmod(0o755)
    (base / "bin/activate").write_text(f'eval "$({program} activate "$1")"\n')
    (wheel,) = tmp_path.glob("pip-*.whl")
    with zipfile.ZipFile(wheel) as file:
        inside = {f"{LIBRARY}/site-packages/{name}": file.read(name) for name in file.namelist()
                  if not name.endswith("/")}  # fmt: skip
    package(channel, "python", VERSION, of_this_python())
    package(channel, "pip", pinned, inside)
    package(channel, "pip", "99.0", {"too_new": b""})
    subprocess.run([program, "index", channel], check=True)
    asked = asked.replace("conda-forge", channel.as_uri())
    asked = re.sub(r"python =\S+", f"python ={VERSION}", asked)
    (checkout / "envs/workflow.yaml").write_text(asked)
    return os.environ | {"PATH": os.pathsep.join([str(base / "bin"), os.environ["PATH"]])}


@pytest.mark.on_demand
def test_a_training_runs_in_an_environment_that_was_solved_installed_and_activated(
    conda, checkout, tmp_path
):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", TRAINING, "--cores", "1", "--sdm", "conda",
         "--conda-prefix", tmp_path / "envs", "--show-failed-logs", *SMALLEST],
        cwd=checkout, env=conda, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    (prefix,) = (path for path in (tmp_path / "envs").iterdir() if path.is_dir())
    assert not (prefix / "too_new").exists()  # the solver chose by the pin
    ran = (prefix / "ran").read_text()
    assert "--require-hashes" in ran and "workflow_src.train_segmenter" in ran
    record = json.loads((checkout / TRAINING).read_text())["provenance"]
    assert record["python"] == VERSION and record["libraries"]["torch"]
    listed = subprocess.run(
        [prefix / "bin/python", "-m", "pip", "list", "--format=freeze"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    installed = {line.lower().replace("_", "-") for line in listed.split()}
    lock = (ROOT / "requirements.lock").read_text()
    locked = re.findall(r"^(\S+==\S+)", re.sub(r"\[.*?\]==", "==", lock), re.M)
    pinned = {line.lower().replace("_", "-") for line in locked}
    assert len(installed) > 100 and {p for p in installed - pinned if "pip==" not in p} == set()
