"""A few steps of training a tiny ControlNet: settings, command line, and comparisons of results."""

import json
import os
from pathlib import Path

import numpy as np
from conftest import changed

from workflow_src.study.synthesis import ControlNetRecipe

LAW = ControlNetRecipe(
    weighting="law", distillation_weighting="law", teacher=True, lambda_dice=1.0, steps=9,
    batch_size=4, micro_batch=2, learning_rate=1e-3, precision="fp32", hint_channels=(4, 8, 8),
    checkpoint_minutes=0, log_every=3,
)  # fmt: skip
UNIFORM = changed(LAW, weighting="uniform", teacher=False, lambda_dice=0.0)
LOGGED = [3, 6, 9]  # every third step, whenever a checkpoint was made
# One thread, so that bits can be compared, and no GPU, so that they are the same everywhere.
ON_A_CPU = {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo"}


def step(backbone: Path, data: Path, latents: Path, output: Path, recipe: ControlNetRecipe) -> dict:
    """The step's options as its command line takes them, and its environment."""
    files = ("--backbone", backbone, "--data", data, "--latents", latents, "--output", output)
    options = [*map(str, files), "--recipe", json.dumps(recipe.complete())]
    return {
        "args": ["-m", "workflow_src.train_controlnet", *options],
        "env": os.environ | ON_A_CPU,
    }


def assert_same_result(one: Path, other: Path) -> None:
    """Weights, log and snapshots agree to the bit, and nothing else was left."""
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*"))
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*"))
    for name in names:
        if name.endswith((".safetensors", ".csv")):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
        if name.endswith(".npz"):
            ours, theirs = np.load(one / name), np.load(other / name)
            assert all(np.array_equal(ours[part], theirs[part]) for part in ours.files), name
