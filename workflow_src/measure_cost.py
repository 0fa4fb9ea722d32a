"""Measure what segmenters cost: parameters, operations, latency, memory; prints JSON."""

import json
from pathlib import Path
from typing import Literal

from jsonargparse.typing import PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.json_files import read_json
from workflow_src.common.outputs import write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.registry import place_of
from workflow_src.study.registries import SEGMENTERS
from workflow_src.study.settings import Options, Settings

SCRIPT = "workflow_src.measure_cost"
NNUNET = "nnunet"  # whose network nnU-Net plans


class MeasuredNetwork(Settings):
    """A network to measure."""

    architecture: str = "order"
    """A light segmenter, such as order, or nnunet, which needs a plan."""
    options: Options = {}
    """Of the architecture, such as stages for order."""

    def members(self) -> list[str]:
        """Where its code lies; nnU-Net's is in no registry."""
        if self.architecture == NNUNET:
            return []
        return [place_of(SEGMENTERS, self.architecture, "a segmenter")]


def main(
    networks: dict[str, MeasuredNetwork],
    outputs: list[Path] = [],  # noqa: B006 (a list on the command line)
    plan: Path | None = None,
    size: PositiveInt = 256,
    timed: bool = True,
    device: Literal["cpu", "cuda"] | None = None,
) -> None:
    """Measure networks.

    Args:
        networks: by a name of yours: a light segmenter with its options, such as
            `{"order_23": {"architecture": "order", "options": {"stages": [2, 3]}}}`, or
            `{"nnunet": {"architecture": "nnunet"}}`, which needs a plan.
        outputs: json files to write beside printing, one for each network, in their order.
        plan: for nnunet: folder that `plan_nnunet` wrote.
        size: side length of the image.
        timed: also measure latency and memory, which differ from run to run and between machines.
        device: to measure on; by default a GPU where there is one.
    """
    from workflow_src.common.errors import InputError
    from workflow_src.common.training import best_device

    if size < 32 or size % 32:
        raise InputError(f"--size {size}: give a multiple of 32, which every level halves evenly")
    if outputs and len(outputs) != len(networks):
        raise InputError(f"{len(outputs)} --outputs for {len(networks)} --networks: give one each")
    found = {
        name: facts_of(network, plan, size, timed, device or best_device())
        for name, network in networks.items()
    }
    print(json.dumps(found, indent=2))
    for output, (name, facts) in zip(outputs, found.items(), strict=False):
        members = networks[name].members()
        write_json(output, facts | {"provenance": provenance(SCRIPT, *members)})


def facts_of(
    asked: MeasuredNetwork, plan: Path | None, size: int, timed: bool, device: str
) -> dict:
    """What one network costs."""
    import torch

    from workflow_src.metrics import cost
    from workflow_src.segmentation import build_segmenter

    if asked.architecture == NNUNET:
        network = planned_network(plan)
    else:
        network = build_segmenter(asked.architecture, **asked.options)
    network.to(device)
    flops = cost.count_flops(network, size)
    facts = {
        "model": asked.architecture,
        "options": asked.options,
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
    return facts


def planned_network(plan: Path | None):
    """The network that nnU-Net planned."""
    from workflow_src.common.errors import InputError
    from workflow_src.data.arrays import check_made
    from workflow_src.downstream import environment as nnunet

    if plan is None:
        raise InputError("nnunet needs --plan, a folder that plan_nnunet wrote")
    nnunet.set_environment(plan, threads=1)
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    check_made(plan / "plan.json", f"{nnunet.PLANS}.json", "dataset.json")
    plans = read_json(plan / f"{nnunet.PLANS}.json")
    inputs = len(read_json(plan / "dataset.json")["channel_names"])
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
