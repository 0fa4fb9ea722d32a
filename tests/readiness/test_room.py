"""Room on the disk and on the GPUs is reckoned before a study, against what was counted."""

import shutil

import pytest
from findings import said, show_gpus

from workflow_src.readiness import disk, gpu_memory
from workflow_src.study.synthesis import ControlNetRecipe


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


def test_memory_of_a_method_behind_a_table_of_models_is_asked_too(paper):
    paper["figures"]["methods"] = ["uniform"]
    paper["tables"] = {"3": paper["tables"]["3"] | {"rows": ["mkunet", "nnunet-real_law"]}}
    assert list(gpu_memory.needs(paper)) == ["uniform", "law"]


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
