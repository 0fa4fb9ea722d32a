"""What the jobs of a study compute, and so how long they take on a GPU: by operations, at a stated
share of the device's peak, until `make check-gpu` has measured that GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from workflow_src.common.json_files import facts_of
from workflow_src.readiness.disk import images_of
from workflow_src.study.configuration import method_settings, model_settings

Kind = Literal["a100", "h100", "h200", "l40s", "l4", "a10", "a6000", "rtx4090", "rtx3090", "v100",
               "t4"]  # fmt: skip
# Dense matrix products in bf16 (fp16 where there is none) with sums in fp32, tera-operations/s, as
# the makers state them.
PEAKS: dict[Kind, float] = {
    "a100": 312, "h100": 989, "h200": 989, "l40s": 362, "l4": 121, "a10": 125, "a6000": 155,
    "rtx4090": 165, "rtx3090": 71, "v100": 125, "t4": 65,
}  # fmt: skip
EFFICIENCY = 0.3  # of the peak, until it is measured
DOUBT = 2.0  # factor by which what is not measured may be off, either way
START = {True: 60.0, False: 20.0}  # seconds until a job with, without a GPU is at work
# Tera-operations of an image, 2 per multiply-accumulate: benchmarks/operations.md.
SIDE, LIGHT_SIDE = 384, 512
CONTROLNET = {  # by whether there is a teacher, and decoders are trained
    (False, True): 1.46, (True, True): 2.78, (False, False): 1.20, (True, False): 2.26,
}  # fmt: skip
DENOISE, DECODE, ENCODE = 0.571, 1.41, 0.620
# nnU-Net by preset of a residual encoder: images of a training batch, and operations of one.
NNUNET = {None: (22, 0.200), "m": (22, 0.437), "l": (63, 0.437), "xl": (92, 0.437)}
LIGHT = {"mkunet": 0.0038, "order": 0.0056, "unext": 0.0157, "egeunet": 0.0020}
FEATURES = {"inception": 0.011, "clip": 0.009, "dinov2": 0.162, "lite0": 0.001}  # of an extractor
FORWARD = 1 / 3  # of a training's operations are the forward pass's
# Seconds that an update takes however small the network: kernels are started one by one.
LEAST = {"controlnet": 0.15, "nnunet": 0.03, "light": 0.06, "small": 0.05}
# Seconds of an image on one core, assumed.
ON_A_CORE = {
    "prepare_data": 0.1, "plan_nnunet": 0.5, "preprocess_synthetic": 0.3, "augment_real": 0.05,
    "gather_samples": 0.02, "score_segmentation": 0.05, "score_faithfulness": 0.05,
    "score_floors": 0.05,
}  # fmt: skip
PRANET_TESTS = 798 / 2248  # images of PraNet's five test sets among all


@dataclass(frozen=True)
class Work:
    """A part of a job: so many units of a stage, such as images trained on.

    Args:
        stage: as `make check-gpu` names it.
        units: how many.
        operations: tera-operations of a unit.
        least: seconds that all of it takes at the least.
    """

    stage: str
    units: float
    operations: float
    least: float = 0.0


@dataclass(frozen=True)
class Device:
    """A GPU: its peak, in tera-operations/s, and what the stages measured on it reached of it."""

    name: str
    peak: float
    measured: dict[str, float] = field(default_factory=dict)

    def seconds(self, work: Work) -> float:
        """Of a part of a job."""
        operations = work.units * work.operations
        if work.stage in self.measured:
            return operations / self.measured[work.stage]
        return max(work.least, operations / (EFFICIENCY * self.peak))

    def knows(self, parts: list[Work]) -> bool:
        """Whether all parts of a job were measured on this GPU."""
        return bool(parts) and all(part.stage in self.measured for part in parts)


def kind_of(name: str) -> Kind | None:
    """Which of PEAKS a GPU is that its driver calls so; of L40S and L4, say, the longer."""
    plain = name.lower().replace(" ", "").replace("-", "")
    return max((kind for kind in PEAKS if kind in plain), key=len, default=None)


def device_named(name: Kind, folder: Path) -> Device:
    """A GPU by name, with what `make check-gpu` measured on it, if it was run.

    Args:
        name: the kind of GPU.
        folder: of check-gpu's results, a JSON file for each device.
    """
    for file in sorted(folder.glob("*.json")):
        with facts_of(file) as facts:
            if not facts["whole"] or kind_of(facts["device"]) != name:
                continue
            key = "tera_operations_per_second"
            rates = {stage: each[key] for stage, each in facts["stages"].items() if key in each}
            return Device(name, PEAKS[name], rates)
    return Device(name, PEAKS[name])


def images(config: dict, dataset: str) -> dict[str, float]:
    """Images of a data set, by split."""
    settings, reading = config["datasets"][dataset], config["datasets"][dataset]["reading"]
    whole = images_of(dataset, settings)
    share = reading.get("test_fraction")
    test = whole * (PRANET_TESTS if share is None else share)
    held_out = (whole - test) * reading.get("validation_fraction", 0.1)
    return {"train": whole - test - held_out, "val": held_out, "test": test}


def work_of(rule: str, config: dict, wildcards: dict[str, str]) -> list[Work]:
    """What a job of a rule computes on a GPU; nothing for those of other rules."""
    return WORK[rule](config, wildcards) if rule in WORK else []


def _pixels(config: dict) -> float:
    return (config["synthesis"]["image_size"] / SIDE) ** 2


def _small(config: dict) -> bool:
    return config["backbone"]["kind"] == "small"


def _train_controlnet(config: dict, wildcards: dict[str, str]) -> list[Work]:
    recipe = method_settings(config, wildcards["method"])
    stage = "controlnet, with a teacher" if recipe.teacher else "controlnet"
    operations = CONTROLNET[recipe.teacher, recipe.train_decoder] * _pixels(config)
    if recipe.gradient_checkpointing:
        operations *= 4 / 3
    networks, passes = 1 + recipe.teacher, recipe.batch_size / recipe.micro_batch
    least = LEAST["controlnet"] * networks * recipe.steps * passes
    if _small(config):
        return [Work("small " + stage, recipe.steps * recipe.batch_size, 0.0, least)]
    return [Work(stage, recipe.steps * recipe.batch_size, operations, least)]


def _sample_controlnet(config: dict, wildcards: dict[str, str]) -> list[Work]:
    sampling = config["synthesis"]["sampling"]
    count = images(config, wildcards["dataset"])["train"] * sampling["per_mask"]
    count /= sampling["shards"]
    steps = count * sampling["steps"]
    if _small(config):
        return [Work("small sampling", steps, 0.0, LEAST["small"] * steps / sampling["batch_size"])]
    guided = 2 if sampling["guidance"] > 1 else 1
    each = sampling["steps"] * guided * DENOISE + DECODE
    return [Work("sampling", count, each * _pixels(config))]


def _cache_latents(config: dict, wildcards: dict[str, str]) -> list[Work]:
    count = images(config, wildcards["dataset"])["train"]
    return [Work("encoding", count, 0.0 if _small(config) else ENCODE * _pixels(config))]


def _train_small(part: str) -> Callable[[dict, dict[str, str]], list[Work]]:
    def work(config: dict, wildcards: dict[str, str]) -> list[Work]:
        recipe = config["backbone"][part]
        steps = 0 if recipe.get("path") else recipe["steps"]
        return [Work(f"small {part}", steps * recipe["batch_size"], 0.0, LEAST["small"] * steps)]

    return work


def _train_nnunet(config: dict, wildcards: dict[str, str]) -> list[Work]:
    recipe = config["downstream"]["training"]
    batches = recipe["epochs"] * (recipe["iterations"] + FORWARD * recipe["validation_iterations"])
    if recipe.get("network"):
        return [Work("small nnunet", batches, 0.0, LEAST["nnunet"] * batches)]
    # nnU-Net plans its batches to fill a memory: smaller images, more of them.
    count, operations = NNUNET[config["downstream"]["mixes"][wildcards["mix"]]["resenc"]]
    return [Work("nnunet", batches, count * operations, LEAST["nnunet"] * batches)]


def _predict_nnunet(split: str) -> Callable[[dict, dict[str, str]], list[Work]]:
    def work(config: dict, wildcards: dict[str, str]) -> list[Work]:
        training = config["downstream"]["training"]
        count = images(config, wildcards["dataset"])[split]
        views = 4 if training["mirror"] else 1
        _, operations = NNUNET[config["downstream"]["mixes"][wildcards["mix"]]["resenc"]]
        operations *= 0.0 if training.get("network") else FORWARD * views
        # It hands over images one by one: loading and resizing take a core a tenth of a second.
        return [Work("nnunet prediction", count, operations, 0.1 * count)]

    return work


def _train_segmenter(config: dict, wildcards: dict[str, str]) -> list[Work]:
    recipe = model_settings(config, wildcards["light"])
    count = images(config, wildcards["dataset"])["train"] * recipe.epochs * len(recipe.scales)
    pixels = (recipe.image_size / LIGHT_SIDE) ** 2
    operations = LIGHT.get(recipe.architecture, max(LIGHT.values())) * pixels
    updates = count / recipe.batch_size
    return [Work(recipe.architecture, count, operations, LEAST["light"] * updates)]


def _predict_segmenter(split: str) -> Callable[[dict, dict[str, str]], list[Work]]:
    def work(config: dict, wildcards: dict[str, str]) -> list[Work]:
        count = images(config, wildcards["dataset"])[split]
        return [Work("segmenter prediction", count, FORWARD * max(LIGHT.values()), 0.05 * count)]

    return work


def _features(config: dict, wildcards: dict[str, str]) -> list[Work]:
    count = images(config, wildcards["dataset"])["train"]
    operations = sum(FEATURES.get(name, 0.0) for name in config["metrics"]["use"])
    return [Work("features", count, operations, 0.01 * count)]


WORK: dict[str, Callable[[dict, dict[str, str]], list[Work]]] = {
    "train_autoencoder": _train_small("autoencoder"),
    "train_denoiser": _train_small("denoiser"),
    "cache_latents": _cache_latents,
    "cache_autoencoder_latents": _cache_latents,
    "train_controlnet": _train_controlnet,
    "sample_controlnet": _sample_controlnet,
    "extract_features": _features,
    "score_fidelity": _features,
    "train_nnunet": _train_nnunet,
    "predict_nnunet": _predict_nnunet("test"),
    "predict_synthetic_nnunet": _predict_nnunet("train"),
    "train_segmenter": _train_segmenter,
    "predict_segmenter": _predict_segmenter("test"),
    "predict_synthetic_segmenter": _predict_segmenter("train"),
}


def seconds_on(device: Device, rule: str, config: dict, wildcards: dict[str, str]) -> float:
    """How long a job is expected to take."""
    parts = work_of(rule, config, wildcards)
    if parts:
        return START[True] + sum(device.seconds(part) for part in parts)
    if rule in ON_A_CORE:
        whole = sum(images(config, wildcards["dataset"]).values())
        return START[False] + ON_A_CORE[rule] * whole
    return START[False]
