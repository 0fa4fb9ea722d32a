"""nnU-Net's own training: the cases it reads, the log it leaves, and going on after a SIGKILL."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from small_models import plan_nnunet

from workflow_src import augment_real, preprocess_synthetic
from workflow_src.study.downstream import Mix, Network, NnunetRecipe

NETWORK = Network(features=(4, 8), patch_size=32, batch_size=2)
RECIPE = NnunetRecipe(epochs=8, iterations=2, validation_iterations=1, checkpoint_every=1)
MIX = Mix(method="augmented", ratio=0.5)
SHELL = {"nnUNet_preprocessed": "/nowhere", "nnUNet_n_proc_DA": "7", "nnUNet_compile": "t"}


@pytest.fixture(scope="module")
def sources(polyps, tmp_path_factory) -> tuple[Path, Path]:
    """A plan of the real images, and preprocessed augmented ones."""
    before = dict(os.environ)
    folder = tmp_path_factory.mktemp("nnunet")
    plan_nnunet(polyps.folder, folder / "plan", NETWORK)
    augment_real.main(polyps.folder, folder / "set", per_mask=1.0, masks="training")
    preprocess_synthetic.main(folder / "set", folder / "plan", folder / "augmented")
    os.environ.clear()
    os.environ.update(before)
    return folder / "plan", folder / "augmented"


def start(sources: tuple[Path, Path], output: Path, threads: int = 1) -> subprocess.Popen:
    """The training as the rule starts it, from a shell that has nnU-Net's variables set wrong."""
    plan, synthetic = sources
    command = [sys.executable, "-m", "workflow_src.train_nnunet", "--plan", plan,
               "--output", output, "--synthetic", synthetic, "--seed", "3",
               "--mix", json.dumps(MIX.complete()), "--recipe", json.dumps(RECIPE.complete()),
               "--threads", threads]  # fmt: skip
    return subprocess.Popen(
        list(map(str, command)), cwd=ROOT, env=os.environ | SHELL | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def rows(log: Path) -> list[dict]:
    with open(log, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def killed(sources, tmp_path_factory) -> tuple[Path, list[dict]]:
    """The folder of a training killed after its second checkpoint, and its log until then."""
    output = tmp_path_factory.mktemp("killed")
    process = start(sources, output)
    deadline = time.time() + 300
    while process.poll() is None and time.time() < deadline:
        logs = list(output.glob(".state-*/results/*/*/fold_0/log.csv"))
        if logs and len(rows(logs[0])) >= 3:  # written before the third checkpoint is
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    printed, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, printed
    assert not (output / "recipe.json").exists()
    return output, rows(logs[0])


def test_nnunet_trains_on_exactly_the_cases_of_the_mix(sources, killed):
    plan, synthetic = sources
    real = json.loads((plan / "plan.json").read_text())["cases"]
    made = json.loads((synthetic / "cases.json").read_text())["cases"]
    (state,) = killed[0].glob(".state-*")
    (file,) = state.glob("preprocessed/*/splits_final.json")
    (split,) = json.loads(file.read_text())
    assert (len(real["train"]), len(made)) == (11, 11)
    extra = [name for name in split["train"] if name.startswith("synthetic")]
    assert [name for name in split["train"] if name not in extra] == real["train"]
    assert len(extra) == 6 and set(extra) < set(made)  # half of 11, rounded
    assert split["val"] == real["val"]
    # nnU-Net's own words, and the cases that lie there for it to read.
    (log,) = state.glob("results/*/*/fold_0/training_log_*.txt")
    text = log.read_text()
    assert "Using splits from existing split file" in text
    assert "This split has 17 training and 1 validation cases." in text
    assert "random 80:20 split" not in text
    stored = {p.name.split(".")[0].removesuffix("_seg") for p in file.parent.glob("*/*.b2nd")}
    assert stored == {*split["train"], *split["val"]}


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(sources, killed, tmp_path):
    output, before = killed
    # The workers of one are another's main process: who draws a batch makes no difference.
    again, whole = start(sources, output), start(sources, tmp_path, threads=3)
    printed = again.communicate()[0]
    assert again.returncode == 0, printed
    assert "Epoch 0" not in printed and "Epoch 7" in printed
    unbroken = whole.communicate()[0]
    assert whole.returncode == 0, unbroken
    assert "Epoch 0" in unbroken

    after = rows(output / "log.csv")
    assert list(after[0]) == ["step", "train_loss", "validation_loss", "pseudo_dice",
                              "learning_rate"]  # fmt: skip
    assert [int(row["step"]) for row in after] == list(range(1, 9))
    assert after[: len(before)] == before
    assert after == rows(tmp_path / "log.csv")
    name = "fold_0/checkpoint_final.pth"
    assert (output / name).read_bytes() == (tmp_path / name).read_bytes()
    assert (output / "recipe.json").read_bytes() == (tmp_path / "recipe.json").read_bytes()
    assert not list(output.glob(".state-*"))


HASHES = """
import hashlib, json, sys
from pathlib import Path
import torch
from workflow_src.downstream import environment as nnunet
from workflow_src.downstream.mixes import assemble, choose_cases
from workflow_src.study.downstream import Mix, NnunetRecipe

plan, synthetic, folder = map(Path, sys.argv[1:4])
threads, recipe = int(sys.argv[4]), NnunetRecipe(**json.loads(sys.argv[5]))
_, cases = choose_cases(plan, Mix(method="augmented", ratio=0.5), synthetic)
nnunet.set_environment(folder, threads)
name = json.loads((plan / "plan.json").read_text())["dataset"]
assemble(plan, synthetic, folder / "preprocessed" / name, cases, recipe, seed=3)
from nnunetv2.run.run_training import get_trainer_from_args

found = {}
for rank, epoch in ((0, 0), (0, 1), (0, 2), (1, 0)):
    trainer = get_trainer_from_args(name, nnunet.CONFIGURATION, nnunet.FOLD, nnunet.TRAINER,
                                    nnunet.PLANS, False, torch.device("cpu"))
    trainer.initialize()
    trainer.local_rank, trainer.current_epoch = rank, epoch
    for kind, loader in zip(("train", "validation"), trainer.get_dataloaders()):
        found[f"{kind}, rank {rank}, epoch {epoch}"] = [
            hashlib.sha256(next(loader)["data"].numpy().tobytes()).hexdigest() for _ in range(6)
        ]
Path(folder / "found.json").write_text(json.dumps(found))
"""


def hashes(sources: tuple[Path, Path], folder: Path, threads: int) -> dict[str, list[str]]:
    """Of the first six batches of ranks and epochs, as a run that begins there draws them."""
    recipe = {"iterations": 4, "validation_iterations": 4}
    arguments = [*map(str, sources), str(folder), str(threads), json.dumps(recipe)]
    done = subprocess.run(
        [sys.executable, "-c", HASHES, *arguments], cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


@pytest.mark.slow
def test_a_batch_is_that_of_its_rank_epoch_and_number_whoever_draws_it(sources, tmp_path):
    alone = hashes(sources, tmp_path / "alone", threads=1)
    assert alone == hashes(sources, tmp_path / "workers", threads=4)
    for kind in ("train", "validation"):
        first, second, third, other = (
            alone[f"{kind}, rank {place}"]
            for place in ("0, epoch 0", "0, epoch 1", "0, epoch 2", "1, epoch 0")
        )
        # A run that begins at an epoch of four batches goes on where the epoch before ended.
        assert first[4:] == second[:2] and second[4:] == third[:2]
        if kind == "train":  # the one validation image is not augmented
            assert len({*first, *second, *third, *other}) == 6 + 4 + 4 + 6
    assert not set(alone["train, rank 0, epoch 0"]) & set(alone["validation, rank 0, epoch 0"])
