"""nnU-Net's checkpoints: data, never code."""

import os
import pickle

import numpy as np
import pytest
import torch

from workflow_src.common.errors import InputError
from workflow_src.downstream.checkpoints import load_checkpoint
from workflow_src.downstream.environment import set_environment

LOGGED = {"b": [np.float64(1), None]}
GOOD = {"network_weights": {"a": torch.ones(3)}, "trainer_name": "x", "logging": LOGGED}


class Harm:
    """Makes a folder when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def test_a_checkpoint_is_read(tmp_path):
    torch.save(GOOD, tmp_path / "a.pth")
    assert load_checkpoint(tmp_path / "a.pth")["logging"] == {"b": [1.0, None]}


@pytest.mark.parametrize("kind", ["torch", "pickle"])
def test_code_in_a_checkpoint_is_not_run(tmp_path, kind, monkeypatch):
    for name in [n for n in os.environ if n.startswith(("nnUNet", "TORCH_FORCE"))]:
        monkeypatch.delenv(name)
    file, place = tmp_path / "a.pth", tmp_path / "harmed"
    content = GOOD | {"more": Harm(place)}
    if kind == "torch":
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"a\.pth is damaged, or holds code"):
        load_checkpoint(file)
    before = dict(os.environ)
    try:
        set_environment(tmp_path, 1)
        with pytest.raises(pickle.UnpicklingError):
            torch.load(file, weights_only=False)  # as nnU-Net's predictor asks
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert not place.exists()


@pytest.mark.parametrize("content", [b"", b"<html>", {"a": 1}, [1], "cut", "not finite"])
def test_what_is_not_a_checkpoint_is_named(tmp_path, content):
    file = tmp_path / "a.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content == "not finite":
        torch.save(GOOD | {"network_weights": {"a": torch.full((3,), torch.nan)}}, file)
    else:
        torch.save(GOOD if content == "cut" else content, file)
        if content == "cut":
            file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"a\.pth (is|holds)") as error:
        load_checkpoint(file)
    assert "\n" not in str(error.value)
