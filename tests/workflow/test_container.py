"""`snakemake --sdm apptainer`: what Apptainer is told, and the root that the image would hold."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, SMALLEST, copy_of_the_workflow
from container_root import build, sections, stand_in

DEFINITION = ROOT / "envs/apptainer.def"
IMAGE = "envs/workflow.sif"
PHANTOMS = "results/smallest/raw/polyps/source.json"
TRAINING = "results/smallest/models/polyps/mkunet/seed0/recipe.json"


class Contained:
    """A checkout with a stand-in for Apptainer."""

    def __init__(self, folder: Path):
        self.folder = folder / "workflow"
        copy_of_the_workflow(self.folder)
        self.calls = stand_in(folder / "bin")
        path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
        self.environment = os.environ | {"PATH": path, "APPTAINER_CALLS": str(self.calls)}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, *SMALLEST],
            cwd=self.folder, env=self.environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip


@pytest.fixture
def contained(tmp_path) -> Contained:
    return Contained(tmp_path)


def test_docker_takes_the_same_steps():
    recipe, parts = (ROOT / "envs/Dockerfile").read_text(), sections(DEFINITION)
    base = re.search(r"From: (\S+)", parts[""])[1]
    assert f"\nFROM {base}\n" in recipe and f"RUN {parts['post'].strip()}\n" in recipe
    copied = re.search(r"^COPY (.*) /opt/workflow/$", recipe, re.M)[1].split()
    assert [line.split() for line in parts["files"].splitlines() if line] == [
        [file, f"/opt/workflow/{Path(file).name}"] for file in copied
    ]
    exported = re.findall(r"export (\S+)", parts["environment"])
    assert f"ENV {' '.join(exported)}\n" in recipe


@pytest.mark.slow
def test_jobs_run_in_the_image_and_see_the_gpus(contained):
    said = contained.snakemake("-n", PHANTOMS, "--sdm", "apptainer")
    assert said.returncode == 1
    assert f"{IMAGE} is missing: apptainer build {IMAGE} envs/apptainer.def" in said.stdout
    root = contained.folder.parent / "root"
    (contained.folder / IMAGE).write_text(str(root))
    said = contained.snakemake(PHANTOMS, "--sdm", "apptainer", "--apptainer-args=--nv")
    assert said.returncode == 1, said.stdout  # there is no such root to enter
    call = ast.literal_eval(contained.calls.read_text())
    assert call[:4] == ["exec", "--home", str(contained.folder), "--nv"]
    assert call[-4:-1] == [IMAGE, "bash", "-c"] and "workflow_src.make_phantoms" in call[-1]


@pytest.mark.slow
@pytest.mark.skipif(bool(shutil.which("apptainer")), reason="it is there")
def test_without_apptainer_no_job_starts(contained):
    (contained.folder / IMAGE).touch()
    contained.environment["PATH"] = os.environ["PATH"]
    said = contained.snakemake(PHANTOMS, "--sdm", "apptainer")
    assert said.returncode == 1 and "apptainer or singularity command has to be" in said.stdout
    assert not (contained.folder / PHANTOMS).exists()


@pytest.mark.on_demand
def test_a_study_is_planned_and_trained_in_the_root_of_the_image(contained):
    if os.getuid() or not shutil.which("debootstrap"):
        pytest.skip("needs debootstrap, and root to enter what it makes")
    root = contained.folder.parent / "root"
    build(DEFINITION, root)
    (contained.folder / IMAGE).write_text(str(root))
    inside = ["apptainer", "exec", "--home", str(contained.folder), IMAGE]
    plan = ["snakemake", "-n", "--cores", "1", "--quiet", "rules", *SMALLEST]
    said = subprocess.run(
        [*inside, *plan], cwd=contained.folder, env=contained.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert said.returncode == 0 and re.search(r"^total +\d+", said.stdout, re.M), said.stdout
    said = contained.snakemake(TRAINING, "--sdm", "apptainer", "--apptainer-args=--nv")
    assert said.returncode == 0, said.stdout
    recipe = (contained.folder / TRAINING).read_text()
    assert '"python": "3.11.2"' in recipe  # Debian 12's
    calls = contained.calls.read_text()
    assert "workflow_src.train_segmenter" in calls and calls.count("'--nv'") == 3
