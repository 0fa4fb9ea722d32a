"""Try every stage that needs a GPU for some real steps, with random weights and drawn data.

Nothing is downloaded. `make cost` predicts the hours of a study from what is measured here.
"""

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from jsonargparse.typing import PositiveFloat, PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.common.trials import Trial

LARGEST, TWO = "largest micro_batch of LAW", "controlnet, two GPUs"


def main(
    output: Path = Path("results/gpu"),
    device: Literal["cpu", "cuda"] = "cuda",
    stages: list[str] | None = None,
    size: PositiveInt = 384,
    light: PositiveInt = 512,
    batch: PositiveInt | None = None,
    micro_batches: list[int] = [4, 8, 16, 32],  # noqa: B006
    steps: PositiveInt | None = None,
    width: PositiveFloat = 1.0,
    rounds: PositiveInt = 3,
) -> None:
    """Print a table and write it as <device>.json; ends with 1 if a stage fails or is wrong.

    A try of some stages, or at another width, goes to a file of its own: no prediction reads it.

    Args:
        output: where results go, a file for each kind of device.
        device: to try.
        stages: to try; all by default.
        size: side length of images for synthesis and nnU-Net.
        light: likewise, for the light segmenters.
        batch: images of every step; by default what the paper's study sets.
        micro_batches: images of a pass of LAW's training, of which the largest that fits is found.
        steps: of sampling; by default what the paper's study sets.
        width: of all networks but the light segmenters, relative to the paper's.
        rounds: steps of each stage, whose median counts.
    """
    import torch
    from accelerate import PartialState

    from workflow_src.common.gpus import why_no_gpu
    from workflow_src.readiness import gpu_check, gpu_processes

    if device == "cuda" and (reason := why_no_gpu()):
        raise InputError(f"cannot check a GPU: {reason}; see nvidia-smi")
    process = PartialState(cpu=device == "cpu")  # first: of several, each takes a GPU of its own
    best = gpu_check.product_peak(device)
    trials = {trial.name: trial for trial in all_trials(size, light, batch, steps, width)}
    checks: dict[str, Callable[[], dict]] = {
        name: partial(gpu_check.measured, trial, device, rounds, best)
        for name, trial in trials.items()
    }
    law = method("law", batch)

    def largest() -> dict:
        from workflow_src.diffusion import trials as synthesis

        def step_of(count: int) -> Callable[[], object]:
            recipe = law.model_copy(update={"batch_size": count, "micro_batch": count})
            return synthesis.training(recipe, size, width).ready(device).step

        return {"micro_batch": gpu_check.largest_that_runs(step_of, micro_batches)}

    with tempfile.TemporaryDirectory() as folder:
        checks[LARGEST] = largest
        checks["resume"] = partial(gpu_processes.resumed, Path(folder) / "resume", device)
        if device == "cuda" and torch.cuda.device_count() > 1:
            options = [f"--size={size}", f"--width={width}", f"--rounds={rounds}"]
            options += [f"--batch={batch}"] if batch else []
            checks[TWO] = partial(
                gpu_processes.on_two_gpus, Path(folder) / "two", "controlnet", options
            )
        if unknown := sorted(set(stages or []) - set(checks)):
            raise InputError(f"--stages {'; '.join(unknown)}: there are {'; '.join(checks)}")
        found = gpu_check.tried(
            {name: check for name, check in checks.items() if not stages or name in stages}
        )
    if not process.is_main_process:
        return
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    problems = gpu_check.problems(found)
    whole = stages is None and width == 1.0
    facts = {
        "device": name,
        "whole": whole,
        "memory_gib": torch.cuda.mem_get_info()[1] / gpu_check.GIB if device == "cuda" else None,
        "best_product": best,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "date": datetime.now(UTC).date().isoformat(),
        "sizes": {"size": size, "light": light, "steps": steps, "width": width},
        "stages": found,
        "problems": problems,
    }
    write_json(output / (f"{name}.json" if whole else f"{name}, partly.json"), facts)
    print(gpu_check.table(found))
    if LARGEST in found:
        print(f"\n{LARGEST}: {found[LARGEST]}")
    if problems:
        sys.exit("\n" + "\n".join(problems))


def method(name: str, batch: int | None):
    """A method of the paper's study, with another batch if one is given."""
    from workflow_src.study.configuration import method_settings
    from workflow_src.study.loading import load_study

    recipe = method_settings(load_study([]), name)
    if not batch:
        return recipe
    micro = min(batch, recipe.micro_batch)
    return recipe.model_copy(update={"batch_size": batch, "micro_batch": micro})


def all_trials(
    size: int, light: int, batch: int | None, steps: int | None, width: float
) -> list[Trial]:
    """The stages, with the settings of the paper's study."""
    from workflow_src.diffusion import trials as synthesis
    from workflow_src.downstream import trials as nnunet
    from workflow_src.metrics import trials as metrics
    from workflow_src.readiness.gpu_memory import needed
    from workflow_src.segmentation import trials as segmenters
    from workflow_src.study.configuration import model_settings
    from workflow_src.study.loading import load_study
    from workflow_src.study.synthesis import SamplingRecipe

    config = load_study([])
    found = []
    for name in ("uniform", "law"):
        recipe = method(name, batch)
        memory = needed(recipe, size) if width == 1.0 else None
        found.append(synthesis.training(recipe, size, width, memory))
    settings = config["synthesis"]["sampling"]
    chosen = {key: settings[key] for key in SamplingRecipe.model_fields}
    asked = {"steps": steps, "batch_size": batch}
    sampling = SamplingRecipe(**chosen | {key: n for key, n in asked.items() if n})
    found.append(synthesis.sampling(sampling, size, width))
    found.append(synthesis.encoding(sampling.batch_size, size, width))
    for name in ("mkunet", "order"):
        recipe = model_settings(config, name)
        update = {"image_size": light, "batch_size": batch or recipe.batch_size}
        found.append(segmenters.training(recipe.model_copy(update=update)))
    found.append(metrics.features(sampling.batch_size, size))
    features = tuple(max(1, int(count * width)) for count in nnunet.FEATURES)
    found.append(nnunet.training(size, batch or nnunet.BATCH, features))
    return found


if __name__ == "__main__":
    run(main)
