"""Packages, GPUs and the queue are checked before a study: each fault is named, with its remedy."""

import shutil

import pytest
import yaml
from conftest import ROOT
from findings import said, show_gpus

from workflow_src.common.partitions import granted, grown
from workflow_src.readiness import machine


def test_packages_unlike_the_lock_are_named(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==0.1 \\\n    --hash=sha256:0\nnot-there-at-all==2.0\n")
    assert machine.unlike_the_lock(lock.read_text())["not-there-at-all"] == ("2.0", None)
    levels, text = said(machine.environment(lock))
    assert levels == ["FAIL"] and "numpy 0.1 is pinned" in text and "make setup" in text
    lock.write_text("numpy==0.1 ; sys_platform == 'win32' \\\n")
    assert said(machine.environment(lock))[0] == ["OK"]


@pytest.mark.parametrize("visible, level", [(0, "FAIL"), (1, "FAIL"), (2, "OK")])
def test_gpus_are_as_many_as_a_job_asks_for(visible, level, paper, monkeypatch):
    show_gpus(monkeypatch, visible)
    paper["resources"]["train_controlnet"]["gpu"] = 2
    assert said(machine.gpus(paper))[0] == [level]


def test_why_no_gpu_can_be_used_is_said(paper, monkeypatch):
    show_gpus(monkeypatch, 0)
    levels, text = said(machine.gpus(paper))
    assert levels == ["FAIL"] and "(The NVIDIA driver on your system is too old" in text
    paper["backbone"]["kind"] = "small"
    levels, text = said(machine.gpus(paper))
    assert levels == ["WARN"] and "--resources gpu=0 to run on the CPU" in text


def test_a_gpu_that_pytorch_has_no_code_for_is_refused(paper, monkeypatch):
    show_gpus(monkeypatch, 1, (7, 0))
    levels, text = said(machine.gpus(paper))
    assert levels == ["FAIL"] and "has code for sm_75, sm_80, but not for A GPU" in text


@pytest.mark.parametrize("build, level", [("13.0", "OK"), (None, "FAIL")])
def test_a_queue_does_not_hide_that_pytorch_knows_no_gpu(
    build, level, paper, monkeypatch, tmp_path
):
    import torch

    show_gpus(monkeypatch, 0)
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(torch.version, "cuda", build)
    assert said(machine.gpus(paper))[0] == [level]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A profile, and commands that answer as Slurm's do; without accounting if it is so told."""
    profile, commands = tmp_path / "slurm", tmp_path / "bin"
    shutil.copytree(ROOT / "slurm", profile)
    commands.mkdir()

    def set_up(account: str, partitions: dict, accounting: bool = True, gpus_by: str = "--gpus"):
        nodes = "cpu|2-00:00:00|256000+|64|(null)\ngpu|4-00:00:00|256000|64|gpu:a100:4(S:0-1)"
        sinfo = f"case $* in *%m*) echo '{nodes}';; *) echo cpu; echo gpu;; esac"
        settings = "PartitionName=cpu State=UP MaxMemPerNode=UNLIMITED"
        settings += "\nPartitionName=gpu State=UP MaxMemPerNode=200000 MaxCPUsPerNode=48"
        answers = {"sbatch": "", "sinfo": sinfo, "scontrol": f"echo '{settings}'",
                   "sacctmgr": "echo lab"}  # fmt: skip
        if not accounting:
            answers["sacctmgr"] = "echo 'no accounting here' >&2; exit 1"
        for name, answer in answers.items():
            (commands / name).write_text(f"#!/bin/sh\n{answer}\n")
            (commands / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(commands))
        settings = {"default-resources": [f"slurm_account={account}"], "retries": 2}
        (profile / "profile.yaml").write_text(yaml.safe_dump(settings))
        (profile / "partitions.yaml").write_text(
            yaml.safe_dump({"partitions": partitions, "gpus_by": gpus_by})
        )
        return profile

    return set_up


def test_an_attempt_asks_for_no_more_than_a_partition_grants():
    limits = {"cpu": {"max_runtime": 9000}, "gpu": {"max_runtime": 5760, "max_gpu": 4}}
    longest = granted(limits, "runtime", gpus=1)
    assert [grown(2880, attempt, longest) for attempt in (1, 2, 3)] == [2880, 5760, 5760]
    assert grown(8000, 3, granted(limits, "mem_mb", gpus=1)) == 24000  # no limit is named
    assert grown(7000, 2, longest) == 7000  # the first attempt's words stand


LIMITS = {"cpu": {"max_runtime": 2880}, "gpu": {"max_runtime": 5760, "max_gpu": 4}}


@pytest.mark.parametrize(
    "setting, levels, text",
    [
        ({}, ["OK", "OK", "OK"], "may use the account lab"),
        ({"account": "CHANGE_ME"}, ["FAIL", "OK", "OK"], "slurm_account is CHANGE_ME"),
        ({"account": "theirs"}, ["OK", "OK", "FAIL"], "has no account theirs, only lab"),
        ({"accounting": False}, ["OK", "OK", "WARN"], "without accounting, delete it"),
        (
            {"partitions": {"night": LIMITS["gpu"]}},
            ["FAIL", "OK"],
            "has no partition night, only cpu, gpu",
        ),
        (
            {"partitions": LIMITS | {"gpu": {"max_runtime": 1000, "max_gpu": 4}}},
            ["FAIL", "OK", "OK", "OK"],
            "train_nnunet asks for 1440 minutes, 48000 MB and 1 GPUs at attempt 1",
        ),
        (
            {"partitions": LIMITS | {"gpu": LIMITS["gpu"] | {"max_mem_mb": 40000}}},
            ["FAIL", "OK", "OK", "OK"],
            "train_nnunet asks for 1440 minutes, 48000 MB and 1 GPUs at attempt 1",
        ),
        (
            {
                "partitions": {
                    "cpu": LIMITS["gpu"] | {"max_mem_mb": 48000},  # long
                    "gpu": {"max_runtime": 2880, "max_mem_mb": 200000, "max_gpu": 4},  # large
                }
            },
            ["WARN", "OK", "OK", "OK"],
            "train_nnunet asks for 4320 minutes, 144000 MB and 1 GPUs at attempt 3",
        ),
    ],
)
def test_account_and_partitions_are_the_cluster_s(setting, levels, text, paper, cluster):
    profile = cluster(**{"account": "lab", "partitions": LIMITS} | setting)
    found, printed = said(machine.slurm(paper, profile))
    assert found == levels and text in printed


def test_a_queue_that_does_not_answer_is_named(paper, cluster, tmp_path):
    profile = cluster("CHANGE_ME", LIMITS)
    (tmp_path / "bin/sinfo").write_text("#!/bin/sh\necho 'No controller' >&2; exit 1")
    levels, printed = said(machine.slurm(paper, profile))
    assert levels == ["FAIL", "FAIL"] and "sinfo fails and says: No controller" in printed


@pytest.mark.parametrize(
    "resources, gpus_by, text",
    [
        ({"runtime": 5000}, "--gpus", None),
        ({"runtime": 6000}, "--gpus", "gpu has only 5760 of 6000 minutes"),
        ({"gpu": 4, "mem_mb": 60000}, "--gpus", "gpu has only 200000 of 240000 MB"),
        ({"threads": 50}, "--gpus", "gpu has only 48 of 50 threads"),
        ({"gpu": 8}, "--gpus", "gpu has only 200000 of 256000 MB, 4 of 8 GPUs"),
        ({}, "--gres=gpu:a100", None),
        ({}, "--gres=gpu:h100", "gpu has only 0 of 1 h100 GPUs"),
        ({}, "--gpu", "gpus_by is '--gpu': set --gpus"),
    ],
)
def test_what_no_node_of_the_cluster_grants_is_named(paper, cluster, resources, gpus_by, text):
    wide = {"cpu": {}, "gpu": {"max_gpu": 8}}
    paper["resources"]["train_controlnet"] |= resources
    levels, printed = said(machine.slurm(paper, cluster("lab", wide, gpus_by=gpus_by)))
    assert ("FAIL" in levels) == (text is not None), printed
    assert text is None or text in printed
