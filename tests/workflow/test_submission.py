"""What a job asks a queue for, as the literal `snakemake --profile slurm` submits it."""

import base64
import os
import re

import pytest
import yaml
from conftest import ROOT, copy_of_the_workflow
from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    GroupSettings,
    OutputSettings,
    ResourceSettings,
)
from warm_snakemake import run_snakemake

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

    def submit(set_lines: dict[str, str] | None = None, **resources) -> list[str]:
        for file in (profile, profile.with_name("partitions.yaml")):
            text = file.read_text()
            for line, value in (set_lines or {}).items():
                text = text.replace(line, value)
            file.write_text(text)
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


@pytest.mark.parametrize(
    "gpus_by, expected",
    [
        ("--gpus", "--gpus=2"),
        ("--gres=gpu", "--gres=gpu:2"),
        ("--gres=gpu:a100", "--gres=gpu:a100:2"),
    ],
)
def test_one_key_says_how_gpus_are_asked_for(submitted, gpus_by, expected):
    options = submitted({"gpus_by: --gpus": f"gpus_by: {gpus_by}"}, gpu=2, mem_mb=3000)
    assert [o for o in options if o.startswith(("--gpus", "--gres"))] == [expected]
    assert options[options.index("-p") + 1] == "gpu"
    assert options[options.index("--mem") + 1] == "6000"


def test_a_job_without_a_gpu_asks_for_none_by_any_key(submitted):
    options = submitted({"gpus_by: --gpus": "gpus_by: --gres=gpu"}, gpu=0, mem_mb=3000)
    assert not [o for o in options if o.startswith(("--gpus", "--gres"))]


def test_lines_of_the_profile_that_are_uncommented_reach_the_queue(submitted):
    lines = ["#  - slurm_extra", "# slurm-qos", "# slurm-reservation", "# set-resources",
             "#   - train_controlnet:constraint", "#   - train_controlnet:gpu_model"]  # fmt: skip
    uncommented = {line: line.replace("#  ", "  ").removeprefix("# ") for line in lines}
    options = submitted(uncommented, gpu=1, mem_mb=3000)
    for option in ("--mail-type=FAIL", "--qos=normal", "--reservation=my_reservation"):
        assert option in options
    assert options[options.index("-C") + 1] == "a100" and "--gpus=a100:1" in options
    assert options[options.index("-A") + 1] == "lab"


def test_two_lines_of_the_profile_put_jobs_into_the_image(submitted, tmp_path):
    (tmp_path / "workflow/envs/workflow.sif").touch()
    apptainer = tmp_path / "bin/apptainer"
    apptainer.write_text("#!/bin/sh\necho apptainer version 1.3.4\n")
    apptainer.chmod(0o755)
    lines = ["# software-deployment-method", "# apptainer-args"]
    options = submitted({line: line.removeprefix("# ") for line in lines}, gpu=1, mem_mb=3000)
    command = next(option for option in options if "slurm-jobstep" in option)
    told = re.search(r"--apptainer-args '?base64//(\S+?)'? ", command)[1]
    assert base64.b64decode(told) == b"--nv"
    assert re.search(r"--(software-)?deployment-method '?apptainer", command)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gpus_by: --gpu", "gpus_by is '--gpu': set --gpus, --gres=gpu or"),
        pytest.param(
            "gpus_by: --gpus\ngpus_by: --gres=gpu",
            "partitions.yaml, line 10: gpus_by appears twice",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_way_of_asking_that_no_queue_knows_is_refused(submitted, tmp_path, line, said):
    with pytest.raises(AssertionError, match=said):
        submitted({"gpus_by: --gpus": line}, gpu=1, mem_mb=3000)
    assert not (tmp_path / "asked").exists()


def test_the_paper_s_study_is_few_entries_in_the_queue():
    profile = yaml.safe_load((ROOT / "slurm/profile.yaml").read_text())
    groups, components = (dict(line.split("=") for line in profile[key])
                          for key in ("groups", "group-components"))  # fmt: skip
    settings = GroupSettings(groups, {name: int(count) for name, count in components.items()})
    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        workflow = api.workflow(
            ResourceSettings(cores=1000), ConfigSettings(), snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )  # fmt: skip
        workflow.dag(DAGSettings()).execute_workflow("dryrun", group_settings=settings)
        dag, here = workflow._workflow.dag, workflow._workflow._localrules
        jobs = [job for job in dag.jobs if job.rule.name not in here]
        entries = {dag.get_job_group(job) or job for job in jobs}
    assert len(jobs) > 400
    named = {job.rule.name.partition("_")[0] for job in jobs}
    assert not named & {"fetch", "plot", "make"}  # the login node's
    assert len(entries) <= 150 and profile["jobs"] <= 100
