"""How much disk a study will fill, roughly, and whether there is as much."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from workflow_src.data.inventory import inventory
from workflow_src.readiness.findings import Finding
from workflow_src.study.configuration import method_settings
from workflow_src.study.extractors import weights_of
from workflow_src.study.table_specs import mix_of, model_of

GIBIBYTE = 2**30
# What is fetched, in GiB: PraNet's archives and their content; KiTS19; of Stable Diffusion 1.5 the
# parts that are used; Inception and CLIP.
FETCHED = {
    "photographs": 2,
    "kits19": 29,
    "stable-diffusion": 4.3,
    "inception": 0.1,
    "clip": 0.6,
    "dinov2": 1.2,
}
# Images to expect where there is no raw set to count: PraNet's, and KiTS19's slices with a kidney.
IMAGES = {"photographs": 2248, "kits19": 16000}
SLICES_A_CASE = 76
TRAINED_ON = 0.7  # part of the images that are for training, and whose masks are painted into
# GiB of a trained model: ControlNet with the decoder of Stable Diffusion, or of the small backbone.
CONTROLNET = {"stable-diffusion": 3.4, "small": 0.1}
NNUNET = 0.2
# GiB of a checkpoint: weights and two moments of each; twice as much where a teacher is trained.
CHECKPOINT = {"stable-diffusion": 9.8, "small": 0.3}
CHECKPOINTS = 2  # the last one, and the next while it is written
AT_ONCE = 4  # trainings in the making


def space(config: dict) -> Iterator[Finding]:
    """Whether the disk of results/ can hold what the study will write."""
    parts = estimate(config)
    results = Path("results") / config["study"]
    there = inventory(results)["bytes"] / GIBIBYTE
    needed = max(sum(parts.values()) - there, 0)
    folder = results
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIBIBYTE
    listed = ", ".join(f"{name} {size:.1f}" for name, size in parts.items() if size >= 0.05)
    text = f"about {needed:.1f} GiB more is needed ({listed}), {free:.1f} GiB is free"
    if not os.access(folder, os.W_OK):
        text = f"{folder.absolute()} may not be written: change its permissions"
        yield Finding("FAIL", "disk", text)
    elif free < needed:
        yield Finding("FAIL", "disk", f"{text}: free some, or link results/ to a larger disk")
    elif free < 1.3 * needed:
        yield Finding("WARN", "disk", f"{text}, which is close: watch it, or free some")
    else:
        yield Finding("OK", "disk", text)


def estimate(config: dict) -> dict[str, float]:
    """GiB that a study fills, by what it is."""
    kind, study, seeds = config["backbone"]["kind"], config["study"], len(config["seeds"])
    pixels = config["synthesis"]["image_size"] ** 2 / GIBIBYTE  # GiB of an image per byte a pixel
    size = dict.fromkeys(("fetched", "data", "synthetic", "nnunet", "models", "checkpoints"), 0.0)
    marker = Path("results") / study / "stable-diffusion" / "backbone.json"
    if kind == "stable-diffusion" and not config["backbone"]["path"] and not marker.is_file():
        size["fetched"] += FETCHED[kind]
    for name in config["metrics"]["use"]:
        weights = weights_of(config, name)
        if weights and not Path(weights).is_file():
            size["fetched"] += FETCHED[name]
    methods, mixes = trainings(config)
    unfinished: list[float] = []
    for name, dataset in config["datasets"].items():
        reading = dataset["reading"]["format"]
        if not dataset["phantom"] and not dataset["root"]:
            here = Path("data", name, "source.json").is_file()
            size["fetched"] += 0 if here else FETCHED[reading]
        images, channels = images_of(name, dataset), 1 if reading == "kits19" else 3
        # At the size of the synthesis, at the segmenters', and as large as they came.
        views = pixels * 2 + (config["segmentation"]["training"]["image_size"] ** 2) / GIBIBYTE
        size["data"] += images * views * (channels + 1)
        drawn = TRAINED_ON * images * config["synthesis"]["sampling"]["per_mask"]
        size["synthetic"] += drawn * pixels * (channels + 1) * len(methods[name]) * seeds
        mixed = 1 + seeds * len({m for m in mixes[name].values() if m})
        # PNGs, and beside them 32-bit arrays.
        size["nnunet"] += TRAINED_ON * images * mixed * pixels * (4 * channels + 2)
        size["models"] += len(methods[name]) * seeds * CONTROLNET[kind]
        for method in methods[name]:
            networks = 1 + method_settings(config, method).teacher
            unfinished += seeds * [networks * CHECKPOINT[kind]]
        size["models"] += len(mixes[name]) * seeds * NNUNET
    size["checkpoints"] = CHECKPOINTS * sum(sorted(unfinished, reverse=True)[:AT_ONCE])
    return size


def trainings(config: dict) -> tuple[dict[str, set], dict[str, dict]]:
    """Of each data set, the methods whose ControlNet is trained, and the mixes with theirs."""
    methods: dict[str, set] = {name: set() for name in config["datasets"]}
    mixes: dict[str, dict] = {name: {} for name in config["datasets"]}
    for table in config["tables"].values():
        for name in table["datasets"]:
            if table["of"] == "methods":
                methods[name] |= set(table["rows"])
                continue
            for row in table["rows"]:
                if mix := mix_of(model_of(table["of"], row)):
                    mixes[name][mix] = config["downstream"]["mixes"][mix]["method"]
    for name in config["datasets"]:
        methods[name] |= {m for m in mixes[name].values() if m in config["synthesis"]["methods"]}
    methods[config["figures"]["dataset"]] |= set(config["figures"]["methods"])
    return methods, mixes


def images_of(name: str, dataset: dict) -> int:
    """The images of a raw set: counted where it lies here, else as many as it is known to hold."""
    phantom, reading = dataset["phantom"], dataset["reading"]["format"]
    if phantom and reading == "photographs":
        return phantom["train"] + 5 * phantom["test"]
    if phantom:
        return phantom["cases"] * phantom["slices"]
    found = inventory(Path(dataset["root"] or f"data/{name}"))["files"] // 2
    if not found:
        return IMAGES.get(reading, 0)
    return found * SLICES_A_CASE if reading == "kits19" else found
