"""The state of an unfinished training: a damaged checkpoint is never gone on from."""

import random

import pytest
import torch

from workflow_src.common.resumable import CsvLog, State


@pytest.fixture
def state(tmp_path) -> State:
    """A state with two checkpoints, of steps 10 and 20."""
    found = State(tmp_path, "recipe.json", "workflow_src.train_segmenter", {})
    for step in (10, 20):
        found.save({"step": step, "model": {"weight": torch.full((500,), float(step))}})
    return found


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_checkpoint_gives_way_to_the_one_before(state, seed):
    rng = random.Random(seed)
    content = bytearray(state.checkpoint.read_bytes())
    if seed % 4:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    else:
        content = content[: rng.randrange(len(content))]
    state.checkpoint.write_bytes(content)
    found = state.load()
    assert found["step"] in (10, 20)  # a bit that nothing reads, such as of a date, does no harm
    assert (found["model"]["weight"] == found["step"]).all()


def test_without_a_whole_checkpoint_a_training_begins_anew(state, capsys):
    state.checkpoint.write_bytes(b"")
    state.earlier.write_bytes(state.earlier.read_bytes()[:-9])
    assert state.load() is None
    printed = capsys.readouterr().out
    assert "checkpoint.pt is damaged" in printed and "checkpoint-before.pt is damaged" in printed


def test_a_kill_between_the_renames_leaves_the_one_before(state):
    state.checkpoint.rename(state.earlier)
    assert state.load()["step"] == 20


@pytest.mark.parametrize("harm", ["torn", "gone", "further"])
def test_a_resumed_log_is_whole_whatever_lies_there(tmp_path, harm):
    """A full disk may leave half a row: 1 of a step 15, which looks like an earlier one."""
    file, first = tmp_path / "log.csv", CsvLog(tmp_path / "log.csv")
    for step in (5, 10):
        first.add({"step": step, "loss": 1 / step, "dice": None})
    kept = first.state_dict()
    if harm == "gone":
        file.unlink()
    else:
        file.open("a").write("15,0.2,\n20,0.1,\n" if harm == "further" else "1")
    again = CsvLog(file)
    again.load_state_dict(kept)
    again.add({"step": 15, "loss": 0.5, "dice": 0.25})
    assert file.read_text() == "step,loss,dice\n5,0.2,\n10,0.1,\n15,0.5,0.25\n"
