"""What a job asks a queue for, as the literal `snakemake --profile slurm` submits it."""

import os

import pytest
from conftest import copy_of_the_workflow, run_snakemake

STUDY = ["--configfile", "config/demo.yaml", "tests/study.yaml"]
OFTEN = ["--slurm-init-seconds-before-status-checks", "1"]
SMALL_PASSES = "synthesis={training: {micro_batch: 2}}"
INPUTS = ["backbone/polyps/backbone.json", "data/polyps/32/meta.json",
          "autoencoder/polyps/latents/latents.json"]  # fmt: skip


@pytest.fixture
def submitted(tmp_path, monkeypatch):
    """A function that submits a ControlNet training: the options that sbatch was given."""
    folder, commands = tmp_path / "workflow", tmp_path / "bin"
    copy_of_the_workflow(folder)
    profile = folder / "slurm/profile.yaml"
    profile.write_text(profile.read_text().replace("CHANGE_ME", "lab"))
    for name in INPUTS:
        file = folder / "results/smallest" / name
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    commands.mkdir()
    refuse = f'for one; do echo "$one"; done > {tmp_path}/asked; exit 1'
    for name, script in {"sbatch": refuse, "sacct": "echo lab", "sacctmgr": "echo lab"}.items():
        (commands / name).write_text(f"#!/bin/sh\n{script}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")

    def submit(**resources) -> list[str]:
        target = "results/smallest/controlnet/polyps/law/seed0/recipe.json"
        asked = ", ".join(f"{name}: {value}" for name, value in resources.items())
        settings = [f"resources={{train_controlnet: {{{asked}}}}}", SMALL_PASSES]
        code, printed = run_snakemake(
            folder, "--profile", "slurm", "--retries", "0", target, "--allowed-rules",
            "train_controlnet", *STUDY, *OFTEN, "--config", *settings,
        )  # fmt: skip
        assert code == 1 and (tmp_path / "asked").is_file(), printed[-3000:]
        return (tmp_path / "asked").read_text().splitlines()

    return submit


def test_a_job_of_two_gpus_has_them_on_one_node_and_memory_for_two_processes(submitted):
    options = submitted(gpu=2, mem_mb=3000)
    assert "--nodes=1" in options and "--gpus=2" in options
    assert options[options.index("--mem") + 1] == "6000"
    assert options[options.index("-p") + 1] == "gpu"


def test_a_job_without_a_gpu_has_the_memory_of_one_process(submitted):
    options = submitted(gpu=0, mem_mb=3000)
    assert options[options.index("--mem") + 1] == "3000" and "--nodes=1" in options
    assert not [option for option in options if option.startswith("--gpus")]
