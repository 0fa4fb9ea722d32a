"""Preprocessed cases: data as they were written, never code; and a plan of another version."""

import json
import os
import pickle
import re

import numpy as np
import pytest

from workflow_src.common.errors import InputError
from workflow_src.common.json_files import read_facts
from workflow_src.downstream.cases import check_properties, link_cases, written
from workflow_src.downstream.checkpoints import dropped

# As nnU-Net keeps them.
PROPERTIES = {
    "spacing": [999.0, np.float64(1), 1],
    "shape_before_cropping": (1, 32, 32),
    "class_locations": {1: np.arange(8, dtype=np.int64).reshape(2, 4), 2: []},
}


class Harm:
    """Makes a folder when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.fixture
def marker(tmp_path):
    """The marker of a folder with a case."""
    (tmp_path / "plan/cases").mkdir(parents=True)
    for ending in (".b2nd", "_seg.b2nd"):
        (tmp_path / f"plan/cases/a{ending}").write_bytes(bytes(99))
    (tmp_path / "plan/cases/a.pkl").write_bytes(pickle.dumps(PROPERTIES))
    return signed(tmp_path / "plan")


def signed(folder):
    file = folder / "plan.json"
    file.unlink(missing_ok=True)
    file.write_text(json.dumps({"files": written(folder)}))
    return file


def linked(marker) -> list[str]:
    target = marker.parent.with_name("target")
    target.mkdir()
    link_cases(["a"], marker, target)
    return sorted(path.name for path in target.iterdir())


def test_cases_are_linked(marker):
    assert linked(marker) == ["a.b2nd", "a.pkl", "a_seg.b2nd"]


@pytest.mark.parametrize("name", ["a.b2nd", "a_seg.b2nd", "a.pkl"])
@pytest.mark.parametrize("harm", ["flip", "cut", "drop"])
def test_cases_that_were_harmed_are_named(marker, name, harm):
    file = marker.parent / "cases" / name
    content = bytearray(file.read_bytes())
    content[50] ^= 1
    file.unlink()
    if harm != "drop":
        file.write_bytes(content if harm == "flip" else content[:50])
    with pytest.raises(InputError, match=re.escape(f"{file} was changed") + "|is missing"):
        linked(marker)


def test_code_in_a_cases_properties_is_not_run(marker, tmp_path):
    file = marker.parent / "cases/a.pkl"
    for harm in (Harm(tmp_path / "harmed"), [Harm(tmp_path / "harmed")]):
        file.write_bytes(pickle.dumps(PROPERTIES | {"more": harm}))
        with pytest.raises(InputError, match=r"a\.pkl is damaged, or holds code") as error:
            link_cases(["a"], signed(marker.parent), tmp_path)  # whoever made it hashed it, too
        assert "\n" not in str(error.value) and not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", pickle.dumps(PROPERTIES)[:-9]])
def test_properties_that_are_none_are_named(tmp_path, content):
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pkl is damaged"):
        check_properties(tmp_path / "a.pkl")


@pytest.mark.parametrize("text", ['{"cases": {}}', "[]", '"x"', "3"])
def test_a_plan_of_another_version_is_named(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(InputError, match=r"plan\.json is from another version .* make it again"):
        read_facts(tmp_path / "plan.json", "cases", "groups")


def test_a_damaged_checkpoint_of_an_unfinished_training_gives_way(tmp_path, capsys):
    import torch

    latest, best = tmp_path / "checkpoint_latest.pth", tmp_path / "checkpoint_best.pth"
    for file in (latest, best):
        torch.save({"network_weights": {"a": torch.ones(300)}}, file)
    content = bytearray(latest.read_bytes())
    content[content.index(b"\x00\x00\x80\x3f") + 2] ^= 1  # in a weight
    latest.write_bytes(content)
    assert dropped(latest) and not dropped(best)
    assert best.exists() and not latest.exists()
    assert "checkpoint_latest.pth is damaged: resuming" in capsys.readouterr().out
