"""What a study's watcher shows: curves in TensorBoard's files, and a page of how far it is."""

import base64
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from workflow_src.common.resumable import CsvLog
from workflow_src.readiness.following import Follower, logs_of
from workflow_src.readiness.hours import Cost
from workflow_src.readiness.progress import last_line, marked, state_of, summary


@pytest.fixture
def results(tmp_path) -> Path:
    """A study with a light segmenter at work, and an nnU-Net that is done."""
    at_work = tmp_path / "models/polyps/mkunet/seed0/.state-0123"
    done = tmp_path / "models/polyps/nnunet-real/seed0/fold_0"
    for folder in (at_work, done):
        folder.mkdir(parents=True)
    log = CsvLog(at_work / "log.csv")
    for step in (1, 2):
        log.add({"step": step, "loss": 1 / step, "grad_norm": 3.0})
    (at_work / "log.csv").open("a").write("3,0.2")  # half a row
    (done / "log.csv").write_text("step,train_loss,note\n250,-0.5,fine\n")
    return tmp_path


def curves(events: Path, name: str) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads of a run."""
    read = EventAccumulator(str(events / name), size_guidance={"tensors": 0})
    read.Reload()
    return {
        tag: [(e.step, pytest.approx(e.tensor_proto.float_val[0])) for e in read.Tensors(tag)]
        for tag in read.Tags()["tensors"]
    }


def test_tensorboard_reads_what_the_logs_say_while_they_grow(results):
    follower = Follower(results, results / "tensorboard")
    assert follower.follow() == 3 and follower.follow() == 0
    mkunet = "models/polyps/mkunet/seed0/log"
    assert curves(follower.events, mkunet)["loss"] == [(1, 1.0), (2, 0.5)]
    nnunet = curves(follower.events, "models/polyps/nnunet-real/seed0/log")
    assert nnunet == {"train_loss": [(250, -0.5)]}
    log = results / "models/polyps/mkunet/seed0/.state-0123/log.csv"
    log.open("a").write("5,3\n")
    follower.follow()
    log.rename(results / "models/polyps/mkunet/seed0/log.csv")  # it ends: the run goes on
    assert follower.follow() == 0
    assert curves(follower.events, mkunet)["loss"] == [(1, 1.0), (2, 0.5), (3, 0.25)]


def test_a_training_that_begins_anew_begins_its_curve_anew(results):
    follower = Follower(results, results / "tensorboard")
    follower.follow()
    log = logs_of(results)["models/polyps/mkunet/seed0/log"]
    log.write_text("step,loss\n1,7\n")
    follower.follow()
    assert curves(follower.events, "models/polyps/mkunet/seed0/log") == {"loss": [(1, 7.0)]}


class Job:
    """A job as Snakemake plans it: it makes a file, and writes a log."""

    def __init__(self, folder: Path, name: str):
        self.output, self.log = [str(folder / name)], [str(folder / f"{name}.log")]


def test_the_page_says_how_far_the_study_is(results):
    done, failed, at_work, to_come = (Job(results, n) for n in ("a", "b", "c", "d"))
    (results / "a").touch()
    (results / "b.log").write_text("Traceback\nerror: b.csv does not exist\n\n")
    (results / "c.log").write_text("10%\r20%")
    waits = {done: [], failed: [done], at_work: [done], to_come: [failed, at_work]}
    cost = Cost(rule="train", gpus=1, threads=1, expected=3600.0, took=None)
    costs = dict.fromkeys(waits, cost) | {
        done: Cost(rule="train", gpus=1, threads=1, expected=3600.0, took=7200.0)
    }
    page = list(summary("s", waits, costs, {str(results / "c")}, results, gpus=1))
    assert page[0] == "s: 1 done, 1 at work or queued, 1 failed, 1 to come, of 4 jobs"
    assert page[1] == "GPU-hours: 2.0 used of 8.0 predicted"  # the others will take twice as long
    assert page[2].startswith("expected end: in 6.0 hours on 1 GPU(s)")
    assert "  models/polyps/mkunet/seed0: step 2, loss 0.5" in page
    assert "  models/polyps/nnunet-real/seed0: step 250, train_loss -0.5" in page
    assert page[-1] == f"failed: {results}/b.log: error: b.csv does not exist"
    assert state_of(to_come, cost, set()) == "to come"
    assert last_line(results / "c.log") == "20%"


def test_snakemake_s_marks_are_read(tmp_path):
    text = base64.urlsafe_b64encode(b"results/paper/" + b"x" * 300).decode()
    folder = tmp_path / "incomplete" / f"@{text[:200]}"
    folder.mkdir(parents=True)
    (folder / text[200:]).touch()
    (tmp_path / "incomplete" / base64.urlsafe_b64encode(b"results/y").decode()).touch()
    assert marked(tmp_path) == {"results/paper/" + "x" * 300, "results/y"}
