"""What only processes of their own show on a GPU: a resumed training, and one on two GPUs."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

RECIPE = {"architecture": "mkunet", "epochs": 6, "batch_size": 4, "image_size": 64,
          "checkpoint_minutes": 0, "compile": "off", "fit": "resize"}  # fmt: skip
PHANTOM = {"train": 12, "test": 2, "side": 64}
OFF = 0.1  # of the loss, that sums in another order may change in so few steps
WAIT = 300  # seconds for a first checkpoint


def resumed(folder: Path, device: str) -> dict:
    """Kill a segmenter's training after a checkpoint, and set its end beside an undisturbed one's.

    Args:
        folder: empty, to work in.
        device: cpu or cuda.
    """
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}

    def step(name: str, **options) -> list[str]:
        given = [f"--{key}={value}" for key, value in options.items()]
        return [sys.executable, "-m", f"workflow_src.{name}", *given]

    def ended(command: list[str]) -> str:
        done = subprocess.run(command, env=os.environ | hidden, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
        return done.stdout + done.stderr

    ended(step("make_phantoms", output=folder / "raw", phantom=json.dumps(PHANTOM)))
    size = RECIPE["image_size"]
    reading = json.dumps({"validation_fraction": 0.2})
    data = folder / "set"
    ended(step("prepare_data", root=folder / "raw", output=data, reading=reading, size=size))
    trained = {"data": data, "recipe": json.dumps(RECIPE)}
    undisturbed, killed = folder / "undisturbed", folder / "killed"
    ended(step("train_segmenter", output=undisturbed, **trained))
    command = step("train_segmenter", output=killed, **trained)
    process = subprocess.Popen(command, env=os.environ | hidden, stderr=subprocess.DEVNULL)
    late = time.monotonic() + WAIT
    while not list(killed.glob(".state-*/checkpoint.pt")) and process.poll() is None:
        if time.monotonic() > late:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = not (killed / "recipe.json").exists()
    said = ended(command)
    one, other = (_last_loss(place / "log.csv") for place in (undisturbed, killed))
    right = before and "resumed from" in said and abs(one - other) <= OFF * abs(one)
    return {
        "loss": other,
        "loss_undisturbed": one,
        "wrong": None if right else f"ends at a loss of {other:g}, undisturbed at {one:g}",
    }


def _last_loss(log: Path) -> float:
    with log.open() as file:
        return float(list(csv.DictReader(file))[-1]["loss"])


def on_two_gpus(folder: Path, name: str, options: list[str]) -> dict:
    """What `check_gpu` finds of a stage in two processes, each with a GPU.

    Args:
        folder: empty, to work in.
        name: of the stage.
        options: of `check_gpu`, such as its sizes.
    """
    command = [sys.executable, "-m", "workflow_src.common.launch", "--gpus=2", "--processes=2"]
    command += ["-m", "workflow_src.check_gpu", f"--output={folder}", f"--stages=[{name}]"]
    done = subprocess.run(command + options, capture_output=True, text=True)
    files = list(folder.glob("*.json"))
    if not files:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(files[0].read_text())["stages"][name]
