"""What the segmenters' weights are drawn from, tensor by tensor, and that training starts from it.

The rules are those of the public codes, stated anew: SLDGroup/MK-UNet (mkunet_network.py),
jeya-maria-jose/UNeXt-pytorch (archs.py), JCruan519/EGE-UNet (models/egeunet.py). What ORDER adds to
MK-UNet follows a rule of ours: PyTorch's own, and output projections of zeros.
"""

import math
from typing import NamedTuple

import pytest
import torch
from torch import nn

from workflow_src.segmentation import build_segmenter, training
from workflow_src.study.registries import SEGMENTERS
from workflow_src.study.segmentation import SegmenterRecipe

pytestmark = pytest.mark.usefixtures("one_thread")

DRAWS = 40


class Rule(NamedTuple):
    """Deviation around zero and largest value possible of a drawn tensor, or its constant."""

    deviation: float = 0.0
    largest: float = math.inf
    constant: float | None = None


ZEROS, ONES = Rule(constant=0.0), Rule(constant=1.0)


def normal(deviation: float) -> Rule:
    return Rule(deviation)


def of_pytorch(module: nn.Module) -> Rule:
    """Weights and biases of convolutions and linear layers: uniform within 1 / √fan-in."""
    bound = 1 / math.sqrt(module.weight[0].numel())
    return Rule(bound / math.sqrt(3), bound)


def by_fan_out(module: nn.Conv2d) -> Rule:
    outputs = module.out_channels / module.groups
    return normal(math.sqrt(2 / (outputs * math.prod(module.kernel_size))))


def of_mkunet(place: str, module: nn.Module) -> tuple[Rule, Rule]:
    if place.startswith("heads."):
        return of_pytorch(module), of_pytorch(module)
    return normal(0.02), ZEROS


def of_order(place: str, module: nn.Module) -> tuple[Rule, Rule]:
    if not place.startswith("attention."):
        return of_mkunet(place, module)
    if ".out_" in place:
        return ZEROS, ZEROS
    return of_pytorch(module), of_pytorch(module)


def of_unext(place: str, module: nn.Module) -> tuple[Rule, Rule]:
    if not place.startswith(("embed", "block")):  # convolutional stages and head
        return of_pytorch(module), of_pytorch(module)
    return normal(0.02) if isinstance(module, nn.Linear) else by_fan_out(module), ZEROS


def of_egeunet(place: str, module: nn.Module) -> tuple[Rule, Rule]:
    if isinstance(module, nn.Conv1d):  # its groups are not counted, its bias not set
        outputs = module.kernel_size[0] * module.out_channels
        return normal(math.sqrt(2 / outputs)), of_pytorch(module)
    return by_fan_out(module), ZEROS


RULES = {"mkunet": of_mkunet, "order": of_order, "unext": of_unext, "egeunet": of_egeunet}


def rules_of(name: str, network: nn.Module) -> dict[str, Rule]:
    """The rule of each parameter by its name."""
    found = {}
    for place, module in network.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            weight, bias = RULES[name](place, module)
        else:  # norms, and the maps that EGE-UNet learns
            weight, bias = ONES, ZEROS
        for part, _ in module.named_parameters(recurse=False):
            found[f"{place}.{part}"] = bias if part == "bias" else weight
    return found


@pytest.mark.parametrize("name", SEGMENTERS)
def test_every_tensor_is_drawn_as_the_public_code_draws_it(name):
    rules = rules_of(name, build_segmenter(name))
    # Small tensors tell their deviation only over many draws; large ones by one.
    draws = {part: [] for part in rules}
    torch.manual_seed(0)
    for number in range(DRAWS):
        for part, value in build_segmenter(name).named_parameters():
            if number == 0 or value.numel() < 10_000:
                draws[part].append(value.detach().flatten())
    for part, rule in rules.items():
        values = torch.cat(draws[part])
        if rule.constant is not None:
            assert (values == rule.constant).all(), part
            continue
        # 5 deviations of the estimate, which of normal draws is 1 / √(2 n) of what it estimates.
        near = 5 / math.sqrt(2 * len(values))
        assert values.square().mean().sqrt() == pytest.approx(rule.deviation, rel=near), part
        assert values.abs().max() <= rule.largest, part


def toy_discs(count: int = 8, side: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 3, S, S) of a brighter disc each in noise, and their masks (N, 1, S, S)."""
    drawn = torch.Generator().manual_seed(0)
    places = torch.arange(side) + 0.5
    x, y = side / 4 + side / 2 * torch.rand(2, count, 1, 1, generator=drawn)
    radius = 7 + 3 * torch.rand(count, 1, 1, generator=drawn)
    discs = (places - x) ** 2 + (places[:, None] - y) ** 2 < radius**2
    masks = discs[:, None].float()
    return masks + 0.5 * torch.randn(count, 3, side, side, generator=drawn), masks


# With MK-UNet's heads drawn like its blocks, two of these five trainings end at Dice 0.
@pytest.mark.slow
@pytest.mark.parametrize("name", SEGMENTERS)
def test_no_training_is_trapped_at_empty_masks(name):
    images, masks = toy_discs()
    recipe = SegmenterRecipe(architecture=name)
    found = []
    for seed in range(5):
        torch.manual_seed(seed)
        network = build_segmenter(name).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, fused=True)
        for _ in range(40):
            training.update(network, optimizer, images, masks, recipe)
        with torch.no_grad():
            output = network(images)
        predicted = (output[0] if isinstance(output, tuple) else output) > 0
        overlap = 2 * (predicted * masks).sum() / (predicted.sum() + masks.sum())
        found.append(overlap.item())
    assert min(found) > 0.5, found
