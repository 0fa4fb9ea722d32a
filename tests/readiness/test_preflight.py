"""What is checked before a study's hours are spent: each fault is named, with its remedy."""

import subprocess
import sys

import pytest
import yaml
from conftest import ROOT
from findings import said

from workflow_src import estimate_hours
from workflow_src.common.errors import InputError
from workflow_src.preflight import findings as preflight_findings
from workflow_src.study.loading import load_study as study


def preflight(folder, *configfiles) -> subprocess.CompletedProcess:
    arguments = [part for file in configfiles for part in ("--configfiles+", str(file))]
    return subprocess.run(
        [sys.executable, "-m", "workflow_src.preflight", *arguments],
        cwd=folder, capture_output=True, text=True, env={"PATH": "/nothing"},
    )  # fmt: skip


def test_the_demo_is_ready_without_a_cluster(checkout):
    done = preflight(checkout, "config/demo.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    for line in ("OK   config: study demo", "OK   environment: ", "OK   GPUs: none is asked for",
                 "WARN Slurm: slurm_account is CHANGE_ME", "OK   data, polyps: drawn"):  # fmt: skip
        assert line in done.stdout


def test_a_study_that_would_break_ends_with_an_error(checkout, tmp_path):
    (tmp_path / "typo.yaml").write_text("seed: [1]")
    done = preflight(checkout, "config/demo.yaml", tmp_path / "typo.yaml")
    assert done.returncode == 1
    assert "FAIL config: seed is not a known key; did you mean seeds?" in done.stdout
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({"datasets": {"kits19": {"root": str(tmp_path / "empty"), "phantom": None}}})
    )
    done = preflight(checkout, "config/demo.yaml", tmp_path / "mine.yaml")
    assert done.returncode == 1 and "1 to fix" in done.stderr
    assert "FAIL data, kits19" in done.stdout and "holds no case_XXXXX folder" in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file .*: give a config file"),
        ("seeds: [0", ", line 1: expected ','"),
        ("seeds", "holds no keys with values: give a config file"),
    ],
)
def test_a_config_file_that_is_none_is_named_in_one_line(tmp_path, text, words):
    file = tmp_path / "mine.yaml"
    if text:
        file.write_text(text)
    for read in (study, estimate_hours.main):
        with pytest.raises(InputError, match=rf"mine\.yaml.*{words}"):
            read([file])


def test_any_folder_will_do_to_start_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, text = said(preflight_findings(study([ROOT / "config" / "small.yaml"])))
    assert "environment: " in text and "Slurm: slurm_account is CHANGE_ME" in text
