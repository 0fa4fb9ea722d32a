"""Measure what a segmenter costs: parameters, operations, latency, memory; prints JSON."""

import json
from pathlib import Path
from typing import Any, Literal

from workflow_src.common.command_line import run
from workflow_src.common.outputs import write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.registry import place_of
from workflow_src.study.registries import SEGMENTERS

SCRIPT = "workflow_src.measure_cost"


def main(
    model: str,
    options: dict[str, Any] | None = None,
    plan: Path | None = None,
    size: int = 256,
    timed: bool = True,
    device: Literal["cpu", "cuda"] | None = None,
    output: Path | None = None,
) -> None:
    """Measure a network.

    Args:
        model: a light segmenter, such as order, or nnunet, which needs a plan.
        options: of the architecture, such as stages for order.
        plan: for nnunet: folder that `plan_nnunet` wrote.
        size: side length of the image.
        timed: also measure latency and memory, which differ from run to run and between machines.
        device: to measure on; by default a GPU where there is one.
        output: a json file to write beside printing.
    """
    import torch

    from workflow_src.common.errors import InputError
    from workflow_src.common.training import best_device
    from workflow_src.metrics import cost
    from workflow_src.segmentation import build_segmenter

    if size < 32 or size % 32:
        raise InputError(f"--size {size}: give a multiple of 32, which every level halves evenly")
    nnunet = model == "nnunet"
    members = [] if nnunet else [place_of(SEGMENTERS, model, "a segmenter")]
    network = planned_network(plan) if nnunet else build_segmenter(model, **(options or {}))
    where = device or best_device()
    network.to(where)
    flops = cost.count_flops(network, size)
    facts = {
        "model": model,
        "options": options or {},
        "size": size,
        "parameters": cost.count_parameters(network),
        "gflops": flops / 1e9,
        "gmac": flops / 2e9,
    }
    if timed:
        facts["device"] = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        facts["threads"] = torch.get_num_threads()
        facts["latency_ms"] = cost.measure_latency(network, size) * 1e3
        facts["peak_activation_mib"] = cost.peak_activation_bytes(network, size) / 2**20
    print(json.dumps(facts, indent=2))
    if output:
        write_json(output, facts | {"provenance": provenance(SCRIPT, *members)})


def planned_network(plan: Path | None):
    """The network that nnU-Net planned."""
    from workflow_src.common.errors import InputError
    from workflow_src.downstream import environment as nnunet

    if plan is None:
        raise InputError("nnunet needs --plan, a folder that plan_nnunet wrote")
    nnunet.set_environment(plan, threads=1)
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    plans = json.loads((plan / f"{nnunet.PLANS}.json").read_text())
    inputs = len(json.loads((plan / "dataset.json").read_text())["channel_names"])
    settings = plans["configurations"][nnunet.CONFIGURATION]["architecture"]
    return get_network_from_plans(
        settings["network_class_name"],
        settings["arch_kwargs"],
        settings["_kw_requires_import"],
        inputs,
        2,
        deep_supervision=False,
    )


if __name__ == "__main__":
    run(main)
