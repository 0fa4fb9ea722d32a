"""A study's archive: complete, verified without a network, and enough to plan the study again."""

import json
import subprocess
import sys
import zipfile

import pytest
import yaml
from conftest import ROOT

from workflow_src import archive_study
from workflow_src.common.errors import InputError
from workflow_src.study.loading import load_study

SMALL = [ROOT / "config/demo.yaml", ROOT / "tests/study.yaml"]
FILES = {
    "tables/table3.csv": "a,b\n", "figures/figure8.pdf": "pdf", "report.html": "<p>",
    "claims.json": "{}", "scores/polyps/mkunet/seed0/metrics.json": "{}",
    "models/polyps/mkunet/seed0/recipe.json": "{}",
    "models/polyps/mkunet/seed0/model.safetensors": "weights",
    "models/polyps/mkunet/seed1/.state-0/log.csv": "step\n",
}  # fmt: skip


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A folder with some of a study's results."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        file = tmp_path / "results/smallest" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def unpacked(finished, **options):
    archive_study.main(SMALL, finished / "archive", **options)
    with zipfile.ZipFile(finished / "archive/smallest.zip") as packed:
        packed.extractall(finished / "unpacked")
    return finished / "unpacked"


def check(folder) -> subprocess.CompletedProcess:
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_every_file_is_verified_and_a_changed_one_is_named(finished):
    folder = unpacked(finished)
    summed = (folder / "SHA256SUMS").read_text().splitlines()
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert {line.split("  ")[1] for line in summed} == files - {"SHA256SUMS"}
    assert check(folder).returncode == 0
    (folder / "results/smallest/tables/table3.csv").write_text("a,c\n")
    changed = check(folder)
    assert changed.returncode == 1 and "table3.csv: FAILED" in changed.stdout


def test_the_crate_names_every_file_with_its_checksum_and_the_workflow(finished):
    folder = unpacked(finished)
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    summed = dict(reversed(line.split("  ")) for line in
                  (folder / "SHA256SUMS").read_text().splitlines())  # fmt: skip
    for name, digest in summed.items():
        if name != "ro-crate-metadata.json":
            assert entities[name]["sha256"] == digest, name
    root = entities["./"]
    assert root["mainEntity"]["@id"] == "Snakefile" and root["version"]
    assert "ComputationalWorkflow" in entities["Snakefile"]["@type"]


def test_weights_are_archived_on_demand(finished):
    weights = "results/smallest/models/polyps/mkunet/seed0/model.safetensors"
    assert not (unpacked(finished) / weights).exists()
    folder = unpacked(finished, weights=True)
    assert (folder / weights).read_text() == "weights" and check(folder).returncode == 0
    assert not list(folder.rglob(".state-*"))


@pytest.mark.slow
def test_the_archived_config_is_the_study_and_its_code_plans_it(finished):
    folder = unpacked(finished)
    config = load_study(SMALL)
    assert yaml.safe_load((folder / "config/archived.yaml").read_text()) == config
    assert load_study([folder / "config/archived.yaml"]) == config
    planned = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--cores", "1",
         "--configfile", "config/archived.yaml"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert planned.returncode == 0, planned.stderr[-2000:]
    assert "train_segmenter" in planned.stdout + planned.stderr


def test_a_study_without_a_report_is_not_archived(finished):
    (finished / "results/smallest/report.html").unlink()
    with pytest.raises(InputError, match="has no report.html: run `snakemake`"):
        archive_study.main(SMALL, finished / "archive")
