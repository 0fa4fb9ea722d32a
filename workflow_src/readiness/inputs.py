"""Checks of what a study reads: raw sets, as preparation checks them, and weights."""

import os
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.data.arrays import check_made
from workflow_src.data.inventory import inventory
from workflow_src.data.raw import open_raw
from workflow_src.readiness.findings import Finding, guarded
from workflow_src.study.backbone import STABLE_DIFFUSION
from workflow_src.study.extractors import weights_of
from workflow_src.study.fitting import check_backbone
from workflow_src.study.reading import Reading


def fetching(file: Path) -> str:
    """The command that fetches a file."""
    return f"snakemake --cores 1 {file} (with the --configfile of your study, if any)"


def data_sets(config: dict, thorough: bool = False) -> Iterator[Finding]:
    """Whether each raw set is there and as its reading says: the checks that `prepare_data` makes.

    Args:
        config: of the study.
        thorough: whether to open every image and volume, as preparation does, and not a sample.
    """
    for name, dataset in config["datasets"].items():
        subject = f"data, {name}"
        root = Path(dataset["root"] or f"data/{name}")
        if dataset["phantom"]:
            yield Finding("OK", subject, "drawn by the workflow")
        elif not dataset["root"] and not (root / "source.json").is_file():
            text = f"not here yet; on a machine with internet: {fetching(root / 'source.json')}"
            yield Finding("WARN", subject, f"{text}, or give your own as datasets.{name}.root")
        else:
            reading = Reading(**dataset["reading"])
            yield from guarded(subject, _raw_set, subject, root, reading, thorough)


def _raw_set(subject: str, root: Path, reading: Reading, thorough: bool) -> Iterator[Finding]:
    inventory(root)  # as the workflow takes it: what cannot be read is refused there
    raw = open_raw(root, reading, threads=os.cpu_count() or 1, quick=not thorough)
    groups = raw.groups()
    for rows in groups:
        raw.read(rows)
    for remark in raw.remarks:
        yield Finding("WARN", subject, remark)
    if not any(record.split == "test" for record in raw.records):
        text = f"{root} holds no test set: set `test_fraction`, or, in PraNet's layout, add one as"
        yield Finding("FAIL", subject, f"{text} TestDataset/NAME")
    text = f"{raw.summary()}, each image with its mask; opened: {len(groups)}"
    yield Finding("OK", subject, text)


def weights(config: dict) -> Iterator[Finding]:
    """Whether the weights that a study starts from are there, whole, and the pinned ones."""
    backbone = config["backbone"]
    if backbone["kind"] == "small" and backbone["path"]:
        for name in config["datasets"]:
            subject = f"weights, backbone of {name}"
            yield from guarded(subject, _small_backbone, subject, config, name)
    elif backbone["kind"] == "small":
        given = backbone["autoencoder"].get("path")
        text = "trained by the workflow" + (f", on the autoencoder {given}" if given else "")
        yield Finding("OK", "weights, backbone", text)
    else:
        yield from guarded("weights, backbone", _stable_diffusion, backbone, config["study"])
    for name in config["metrics"]["use"]:
        yield from guarded(f"weights, {name}", _extractor, config, name)


def _small_backbone(subject: str, config: dict, dataset: str) -> Iterator[Finding]:
    check_backbone(config, dataset)
    place = Path(config["backbone"]["path"], dataset)
    check_made(place / "backbone.json")
    yield Finding("OK", subject, f"{place}, each file as backbone.json notes")


def _stable_diffusion(backbone: dict, study: str) -> Iterator[Finding]:
    subject, marker = "weights, backbone", Path(f"results/{study}/stable-diffusion/backbone.json")
    if not backbone["path"] and not marker.is_file():
        text = f"not here yet; on a machine with internet: {fetching(marker)}, or give"
        yield Finding("WARN", subject, f"{text} a folder of Stable Diffusion 1.5 as backbone.path")
        return
    place = Path(backbone["path"] or marker.parent)
    lacking = [part for part in STABLE_DIFFUSION if place.is_dir() and not (place / part).is_dir()]
    if lacking:
        raise InputError(f"{place} lacks {', '.join(lacking)}: fetch the whole model")
    parts = ("unet", "vae", "text_encoder")
    files = [place] if place.is_file() else [f for p in parts for f in _weights_of(place / p)]
    for file in files:
        try:
            with safe_open(file, framework="np"):  # compares the file's size with its header
                pass
        except (SafetensorError, OSError) as error:
            raise InputError(f"{file} is damaged ({error}): fetch it again") from error
    pinned = {} if backbone["path"] else backbone["sha256"]
    for file, expected in pinned.items():
        if file_sha256(place / file) != expected:
            raise InputError(f"{place / file} is not the pinned file: remove it and fetch it again")
    size = sum(file.stat().st_size for file in files) / 2**30
    text = f"{place}, {len(files)} whole files of {size:.1f} GiB"
    yield Finding("OK", subject, text + (f", {len(pinned)} as pinned" if pinned else ""))


def _weights_of(folder: Path) -> list[Path]:
    """The weights' files of a part of the model, as diffusers would load them."""
    files = sorted(folder.glob("*model*.safetensors"))
    if not files:
        raise InputError(f"{folder} holds no *model.safetensors: fetch the whole model")
    return files


def _extractor(config: dict, name: str) -> Iterator[Finding]:
    subject, place = f"weights, {name}", weights_of(config, name)
    if place is None:
        yield Finding("OK", subject, "an installed package brings them")
        return
    file, settings = Path(place), config["metrics"]["extractors"][name]
    given, pinned = settings.get("path"), settings.get("sha256")
    if not file.is_file():
        text = f"not here yet; on a machine with internet: {fetching(file)}"
        yield Finding("WARN", subject, f"{text}, or give it as metrics.extractors.{name}.path")
    elif pinned is None:
        yield Finding("OK", subject, f"{file}, of which no checksum is pinned")
    elif file_sha256(file) == pinned:
        yield Finding("OK", subject, f"{file}, as pinned")
    elif given:
        text = f"{file} is not the pinned file: scores compare with nobody else's; null fetches it"
        yield Finding("WARN", subject, text)
    else:
        text = f"{file} is not the pinned file: remove it, then: {fetching(file)}"
        yield Finding("FAIL", subject, text)
