"""Fixtures: small raw and prepared sets drawn on the spot."""

import copy
import json
import shutil
from functools import partial
from inspect import signature
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image
from warm_snakemake import run_snakemake

from workflow_src import make_phantoms, prepare_data
from workflow_src.common.hashing import file_sha256
from workflow_src.data.arrays import large_sha256
from workflow_src.data.prepared import PreparedSet
from workflow_src.study.loading import load_study
from workflow_src.study.reading import Reading

# `make fuzz` draws new examples, many of them, each time.
ALWAYS = {"deadline": None, "database": None, "suppress_health_check": list(hypothesis.HealthCheck)}
hypothesis.settings.register_profile("default", derandomize=True, max_examples=200, **ALWAYS)
hypothesis.settings.register_profile("fuzz", max_examples=1000, **ALWAYS)
hypothesis.settings.load_profile("default")

pytest_plugins = ["small_models"]

ROOT = Path(__file__).parent.parent
# The smallest study that goes through every rule, as arguments of Snakemake.
SMALLEST = ["--configfile", "config/demo.yaml", "tests/study.yaml"]


# Fixtures that train a diffusion model, or start Snakemake: what uses them is slow.
SLOW = {"study", "backbone", "latents", "snakemake", "checkout"}
# Folders of the tests that take longest.
LONG = {"workflow", "segmentation", "diffusion"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what is slow, and share tests between processes by modules, the longest first.

    All that looks at the finished study is one group: it is made once.
    """
    for item in items:
        if SLOW & set(item.fixturenames):
            item.add_marker("slow")
        group = "study" if "study" in item.fixturenames else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(
        key=lambda item: ("study" not in item.fixturenames, item.path.parent.name not in LONG)
    )


def changed(settings, **changes):
    """A copy of settings with some of them changed, checked like any other."""
    return type(settings)(**settings.model_dump() | changes)


def hashed(folder: Path, *names: str) -> dict:
    """What a marker says of files that lie beside it."""
    return {"files": {name: file_sha256(folder / name) for name in names}}


def record_again(folder: Path) -> None:
    """Make a prepared set that a test has changed one that was written so."""
    meta = json.loads((folder / "meta.json").read_text())
    files = [folder / name for name in meta["sha256"]]
    meta |= {
        "sha256": {f.name: file_sha256(f) for f in files},
        "spread_sha256": large_sha256(files),
    }
    (folder / "meta.json").write_text(json.dumps(meta))


def raw_set(reader, root, **settings):
    """A raw set, read with the defaults but for some settings."""
    known = signature(reader).parameters
    defaults = {k: v for k, v in vars(Reading()).items() if k in known and v is not None}
    return reader(root, **defaults | settings)


@pytest.fixture(scope="session")
def polyps_raw(tmp_path_factory) -> Path:
    """PraNet's layout with 12 training images and two test sets of 3."""
    folder = tmp_path_factory.mktemp("raw") / "polyps"
    make_phantoms.main(folder, make_phantoms.Phantom(train=12, test=3, side=64))
    return folder


@pytest.fixture(scope="session")
def kidneys_raw(tmp_path_factory) -> Path:
    """KiTS19's layout with 5 cases of 4 slices."""
    folder = tmp_path_factory.mktemp("raw") / "kidneys"
    make_phantoms.main(folder, make_phantoms.Phantom(kind="kidneys", cases=5, slices=4, side=64))
    return folder


@pytest.fixture(scope="session")
def polyps(polyps_raw, tmp_path_factory) -> PreparedSet:
    """The polyps prepared at 32 pixels."""
    folder = tmp_path_factory.mktemp("prepared") / "polyps"
    prepare_data.main(polyps_raw, folder, prepare_data.Reading(), size=32)
    return PreparedSet(folder)


@pytest.fixture(scope="session")
def native_polyps(polyps_raw, tmp_path_factory) -> PreparedSet:
    """The polyps prepared at their own sizes."""
    folder = tmp_path_factory.mktemp("prepared") / "native"
    prepare_data.main(polyps_raw, folder, prepare_data.Reading())
    return PreparedSet(folder)


@pytest.fixture(scope="session")
def _paper():
    return load_study([])


@pytest.fixture
def paper(_paper) -> dict:
    """The paper's configuration, to be changed at will."""
    return copy.deepcopy(_paper)


@pytest.fixture
def pair_folder(tmp_path):
    """A function that writes image and mask files into images/ and masks/ under a folder.

    No two images are alike, so that each is a case of its own.
    """
    rng = np.random.default_rng(0)

    def write(where: str, images: dict[str, tuple], masks: dict[str, tuple]) -> Path:
        folder = tmp_path / where
        for part, files in (("images", images), ("masks", masks)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            for name, (height, width) in files.items():
                array = np.zeros((height, width), np.uint8)
                array[: height // 2, : width // 2] = 255
                if part == "images":
                    array = rng.integers(0, 256, array.shape, np.uint8)
                Image.fromarray(array).convert("RGB" if part == "images" else "L").save(
                    folder / part / name
                )
        return folder

    return write


def copy_of_the_workflow(folder: Path) -> None:
    """Copy the workflow, without results."""
    folder.mkdir(parents=True)
    for part in ("rules", "workflow_src", "config", "envs", "profiles", "slurm", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("Snakefile", "README.md", "requirements.lock"):
        shutil.copy(ROOT / part, folder / part)


@pytest.fixture
def untrained(tmp_path):
    """A function that writes the folder of a light segmenter with random weights; its path out."""
    import torch
    from safetensors.torch import save_file

    from workflow_src.segmentation import build_segmenter
    from workflow_src.study.segmentation import SegmenterRecipe

    def write(architecture: str, weights_from: str | None = None, **settings) -> Path:
        torch.manual_seed(0)
        folder = tmp_path / f"{architecture}_model"
        folder.mkdir()
        small = {"architecture": architecture, "image_size": 32, "fit": "resize"}
        recipe = SegmenterRecipe(**small | settings)
        network = build_segmenter(weights_from or architecture, **recipe.options)
        weights = network.state_dict()
        for name, _ in network.named_parameters():  # zeros at first would hide what they scale
            weights[name] += 0.3 * torch.randn_like(weights[name])
        save_file(weights, folder / "model.safetensors")
        facts = {"kind": "segmenter", "recipe": recipe.complete()}
        facts["weights"] = file_sha256(folder / "model.safetensors")
        (folder / "recipe.json").write_text(json.dumps(facts))
        return folder

    return write


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the workflow to run Snakemake in."""
    folder = tmp_path_factory.mktemp("checkout") / "workflow"
    copy_of_the_workflow(folder)
    return folder


@pytest.fixture(scope="module")
def snakemake(checkout):
    """A function that runs Snakemake in the copy."""
    return partial(run_snakemake, checkout)


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    """A copy of the workflow in which the smallest study was run to the end, truly."""
    folder = tmp_path_factory.mktemp("study") / "workflow"
    copy_of_the_workflow(folder)
    code, printed = run_snakemake(folder, *SMALLEST, "--show-failed-logs")
    assert code == 0, printed[-6000:]
    return folder
