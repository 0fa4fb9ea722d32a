"""What is checked before a study's hours are spent: each fault is named, with its remedy."""

import copy
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image
from safetensors.numpy import save_file

from workflow_src import estimate_hours, keep_backbone, prepare_data
from workflow_src.common.errors import InputError
from workflow_src.common.partitions import granted, grown
from workflow_src.data.pairs import find_pairs
from workflow_src.preflight import findings as preflight_findings
from workflow_src.readiness import disk, gpu_memory, inputs, machine
from workflow_src.study.loading import load_study as study
from workflow_src.study.synthesis import ControlNetRecipe


@pytest.fixture(scope="module")
def _paper():
    return study([])


@pytest.fixture
def paper(_paper):
    """The paper's configuration, to be changed at will."""
    return copy.deepcopy(_paper)


def said(findings) -> tuple[list[str], str]:
    """The levels and the text of findings."""
    findings = list(findings)
    return [f.level for f in findings], "\n".join(map(str, findings))


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


def test_raw_sets_are_counted_and_opened(paper, polyps_raw, kidneys_raw):
    paper["datasets"]["polyps"]["root"] = str(polyps_raw)
    paper["datasets"]["polyps"]["reading"]["test_sets"] = ["Phantom-A", "Phantom-B", "ETIS"]
    paper["datasets"]["kits19"]["root"] = str(kidneys_raw)
    levels, text = said(inputs.data_sets(paper))
    assert levels == ["WARN", "OK", "WARN", "OK"]  # a test set is lacking; few cases
    assert "test set ETIS is not under" in text
    assert "12 in TrainDataset, 3 in Phantom-A, 3 in Phantom-B" in text
    assert "opened: 18" in text and "5 cases" in text and "too few" in text


@pytest.mark.parametrize("fault", ["cut image", "no mask", "no test set"])
def test_a_faulty_set_is_refused(fault, paper, polyps_raw, tmp_path):
    root = tmp_path / "polyps"
    shutil.copytree(polyps_raw, root)
    image = find_pairs(root / "TrainDataset")[0][0]
    if fault == "cut image":
        image.write_bytes(image.read_bytes()[:200])
    elif fault == "no mask":
        (image.parent.parent / "masks" / image.with_suffix(".png").name).unlink()
    else:
        shutil.rmtree(root / "TestDataset")
    paper["datasets"] = {"polyps": paper["datasets"]["polyps"] | {"root": str(root)}}
    levels, text = said(inputs.data_sets(paper))
    assert "FAIL" in levels
    assert ("TestDataset" if fault == "no test set" else str(image)) in text


def test_one_folder_that_is_split_is_ready(paper, polyps_raw, tmp_path):
    paper["datasets"]["polyps"] |= {"root": str(polyps_raw / "TrainDataset")}
    paper["datasets"]["polyps"]["reading"] |= {"test_sets": None, "test_fraction": 0.2}
    for thorough in (False, True):
        levels, text = said(inputs.data_sets(paper, thorough))
        assert levels[0] == "OK" and "12 in TrainDataset" in text


def harm_mask(root):
    mask = find_pairs(root / "TrainDataset")[5][1]
    Image.fromarray(np.kron([[0, 127], [255, 0]], np.ones((32, 32))).astype(np.uint8)).save(mask)


def harm_image(root):
    image = find_pairs(root / "TestDataset" / "Phantom-A")[1][0]
    image.write_bytes(image.read_bytes()[:300])


def nest(root):
    folder = root / "TrainDataset" / "images"
    (folder / "more").mkdir()
    next(folder.glob("*.png")).rename(folder / "more" / "x.png")


def dangle(root):
    (root / "TrainDataset" / "images" / "99.png").symlink_to(root / "nowhere.png")


def turn(root):
    image = find_pairs(root / "TrainDataset")[3][0]
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(image).save(image, exif=exif)


def invert(root):
    for _, mask in find_pairs(root / "TestDataset" / "Phantom-B"):
        Image.fromarray(255 - np.asarray(Image.open(mask).convert("L"))).save(mask)


def two_pages(root):
    mask = find_pairs(root / "TestDataset" / "Phantom-A")[0][1]
    Image.open(mask).save(mask.with_suffix(".tif"), save_all=True, append_images=[Image.open(mask)])
    mask.unlink()


@pytest.mark.parametrize(
    "harm", [harm_mask, harm_image, nest, dangle, turn, invert, two_pages], ids=lambda f: f.__name__
)
def test_preflight_refuses_what_preparation_refuses_and_goes_on(
    harm, paper, polyps_raw, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(polyps_raw, tmp_path / "raw")
    harm(tmp_path / "raw")
    paper["datasets"]["polyps"]["root"] = str(tmp_path / "raw")
    paper["datasets"]["polyps"]["reading"]["test_sets"] = None
    reading = prepare_data.Reading(**paper["datasets"]["polyps"]["reading"])
    with pytest.raises(InputError) as error:
        prepare_data.main(tmp_path / "raw", tmp_path / "out", reading, size=32)
    found = [f for f in preflight_findings(paper, thorough=True) if f.subject == "data, polyps"]
    assert [f.level for f in found if f.level != "WARN"] == ["FAIL"]
    if harm is dangle:  # which the listing of the folder refuses before
        assert "99.png cannot be read" in found[-1].text
    else:
        assert found[-1].text == str(error.value)


def test_weights_are_whole_and_pinned(paper, tmp_path):
    for part in inputs.STABLE_DIFFUSION:
        (tmp_path / part).mkdir()
    for part in ("unet", "vae", "text_encoder"):
        save_file({"a": np.zeros(1000, np.float32)}, tmp_path / part / "model.safetensors")
    other = tmp_path / "inception.pth"
    other.write_bytes(b"something else")
    paper["backbone"]["path"] = str(tmp_path)
    paper["metrics"]["extractors"]["inception"]["path"] = str(other)
    levels, text = said(inputs.weights(paper))
    assert levels == ["OK", "WARN", "WARN", "WARN", "OK"]
    assert "3 whole files" in text and "inception.pth is not the pinned file" in text
    assert "snakemake --cores 1 resources/metrics/clip/open_clip_model.safetensors (with" in text
    cut = tmp_path / "vae" / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-8])
    levels, text = said(inputs.weights(paper))
    assert levels[0] == "FAIL" and f"{cut} is damaged" in text
    shutil.rmtree(tmp_path / "tokenizer")
    levels, text = said(inputs.weights(paper))
    assert levels[0] == "FAIL" and "lacks tokenizer" in text


def test_a_given_small_backbone_is_whole(paper, backbone, tmp_path):
    paper["backbone"] |= {"kind": "small", "path": str(tmp_path)}
    for name in ("polyps", "kits19"):
        keep_backbone.main(backbone, tmp_path / name)
    levels, text = said(inputs.weights(paper))
    assert levels[:2] == ["OK", "OK"] and f"{tmp_path / 'kits19'}, each file as" in text
    shutil.rmtree(tmp_path / "polyps")
    config = tmp_path / "kits19" / "vae" / "config.json"
    config.write_text(config.read_text() + " ")
    levels, text = said(inputs.weights(paper))
    assert levels[:2] == ["FAIL", "FAIL"]
    assert "lacks polyps/backbone.json" in text and f"{config} was changed" in text


def test_a_fetched_file_that_is_not_the_pinned_one_is_refused(paper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "resources/metrics/clip/open_clip_model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"cut")
    levels, text = said(inputs.weights(paper))
    assert levels[2] == "FAIL" and "remove it, then: snakemake --cores 1 resources" in text
    paper["metrics"]["extractors"]["clip"]["sha256"] = inputs.file_sha256(file)
    assert said(inputs.weights(paper))[0][2] == "OK"


def test_a_disk_that_is_too_small_is_refused(paper, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    needed = sum(disk.estimate(paper).values())
    for free, level in ((0.9 * needed, "FAIL"), (1.1 * needed, "WARN"), (2 * needed, "OK")):
        usage = shutil._ntuple_diskusage(10**13, 0, int(free * 2**30))
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, usage=usage: usage)
        levels, text = said(disk.space(paper))
        assert levels == [level] and f"{needed:.1f} GiB" in text


def test_checkpoints_of_the_largest_trainings_at_once_count_twice(paper):
    weights_and_moments = 1.744e9 * 3 * 4 / 2**30  # of two ControlNets and two decoders
    found = disk.estimate(paper)["checkpoints"]
    assert found == pytest.approx(4 * 2 * weights_and_moments, rel=0.02)
    paper["synthesis"]["methods"] |= {
        name: method | {"teacher": False} for name, method in paper["synthesis"]["methods"].items()
    }
    assert disk.estimate(paper)["checkpoints"] == pytest.approx(found / 2)


def test_more_seeds_and_rows_need_more_disk(paper):
    few = disk.estimate(paper)
    paper["seeds"] = [0, 1, 2, 3, 4, 5]
    more = disk.estimate(paper)
    assert more["synthetic"] == pytest.approx(2 * few["synthetic"])
    assert more["models"] > few["models"] and more["fetched"] == few["fetched"]
    paper["tables"]["4"]["rows"] = ["distillation"]
    assert disk.estimate(paper)["models"] < more["models"]


def test_packages_unlike_the_lock_are_named(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==0.1 \\\n    --hash=sha256:0\nnot-there-at-all==2.0\n")
    assert machine.unlike_the_lock(lock.read_text())["not-there-at-all"] == ("2.0", None)
    levels, text = said(machine.environment(lock))
    assert levels == ["FAIL"] and "numpy 0.1 is pinned" in text and "make setup" in text
    lock.write_text("numpy==0.1 ; sys_platform == 'win32' \\\n")
    assert said(machine.environment(lock))[0] == ["OK"]


def show_gpus(monkeypatch, visible: int, capability: tuple[int, int] = (8, 0)) -> None:
    """Let PyTorch see so many GPUs."""
    import torch

    def init():
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 12020). X")

    monkeypatch.setenv("PATH", "/nothing")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: visible > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "A GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])


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


def test_memory_that_a_method_needs_is_asked_of_the_gpus(paper, monkeypatch):
    levels, text = said(gpu_memory.gpu_memory(paper))
    assert levels == ["OK"] and "a GPU of 40 GB trains all" in text
    assert "uniform, arsdm: 20 GiB; distillation, law" in text
    show_gpus(monkeypatch, 1)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda number: (0, 23.6 * 2**30))
    levels, text = said(gpu_memory.gpu_memory(paper))
    assert levels == ["FAIL"] and "`optimizer_state: host`" in text
    smaller = {"gradient_checkpointing": True, "optimizer_state": "host"}
    paper["synthesis"]["training"] |= smaller
    assert said(gpu_memory.gpu_memory(paper))[0] == ["OK"]
    paper["backbone"]["kind"] = "small"
    assert said(gpu_memory.gpu_memory(paper))[0] == []


# GiB at micro_batch 1 and 4 and 384², counted by benchmarks/controlnet_memory.py.
COUNTED = {
    (): (17.2, 19.3),
    ("decoder",): (8.5, 10.1),
    ("fp32",): (17.5, 20.8),
    ("checkpointing",): (16.6, 17.2),
    ("checkpointing", "8bit"): (11.8, 12.3),
    ("checkpointing", "host"): (10.1, 10.7),
    ("teacher",): (32.5, 36.8),
    ("teacher", "decoder"): (15.1, 18.4),
    ("teacher", "fp32"): (31.6, 38.2),
    ("teacher", "checkpointing"): (31.4, 32.4),
    ("teacher", "checkpointing", "8bit"): (21.7, 22.7),
    ("teacher", "checkpointing", "host"): (18.4, 19.4),
}
CHANGES = {
    "decoder": {"train_decoder": False},
    "fp32": {"precision": "fp32"},
    "checkpointing": {"gradient_checkpointing": True},
    "8bit": {"optimizer_state": "8bit"},
    "host": {"optimizer_state": "host"},
    "teacher": {"teacher": True, "weighting": "ratio"},
}


@pytest.mark.parametrize("ways", COUNTED, ids=str)
def test_memory_follows_what_was_counted(ways):
    settings = {key: value for way in ways for key, value in CHANGES[way].items()}
    for micro_batch, counted in zip((1, 4), COUNTED[ways], strict=True):
        recipe = ControlNetRecipe(**settings, micro_batch=micro_batch)
        found = gpu_memory.needed(recipe, 384) - gpu_memory.BESIDES
        assert found == pytest.approx(counted, rel=0.03)


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
