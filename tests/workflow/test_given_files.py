"""Files of the user's own that no rule made: a changed one reruns what depends on it."""

import json
import os
from pathlib import Path

import pytest
from conftest import SMALLEST

MADE = {
    "vae": "autoencoder/polyps/recipe.json",
    "model": "stable-diffusion/backbone.json",
}
FIRST = ["raw/polyps/source.json", "data/polyps/64/meta.json"]


@pytest.fixture
def planned(snakemake, checkout):
    """A function that plans what depends on the given files, made already; scripts out."""
    given = {key: {"path": f"given/{key}"} for key in MADE}
    backbone = {"kind": "stable-diffusion", **given["model"], "autoencoder": given["vae"]}
    options = ["--config", f"backbone={json.dumps(backbone)}", "synthesis={image_size: 64}"]
    results = Path("results/smallest")
    for path in ("given/vae/encoder.pth", "given/model/unet.bin", *FIRST, *MADE.values()):
        file = checkout / (path if path.startswith("given") else results / path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    targets = [str(results / path) for path in MADE.values()]

    def plan(*more: str) -> set[str]:
        code, printed = snakemake(*targets, *SMALLEST, *more, *options)
        assert code == 0, printed[-3000:]
        return {key for key, path in MADE.items() if f"output: {results}/{path}" in printed}

    plan("--touch", "--forceall")  # notes that all of it was made
    return lambda: plan("-n")


def test_given_models_that_were_edited_in_place_are_taken_anew(planned, checkout):
    assert planned() == set()
    for path in ("given/vae/encoder.pth", "given/model/unet.bin"):
        file = checkout / path
        state = file.stat()
        file.write_text("[]")  # of the same size and date
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert planned() == set(MADE)
