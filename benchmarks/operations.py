"""Operations of every GPU stage at the paper's sizes, counted on tensors without content.

    python benchmarks/operations.py

What `make cost` multiplies (workflow_src/readiness/work.py): 2 per multiply-accumulate, of
convolutions and matrix products, forwards and, where it trains, backwards.
"""

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.diffusion.memory import (  # noqa: E402
    STABLE_DIFFUSION,
    TOKENS,
    counted_operations,
)
from workflow_src.segmentation import build_segmenter  # noqa: E402
from workflow_src.study.synthesis import ControlNetRecipe  # noqa: E402

# nnU-Net's 2D planners, by preset: at so many values of feature maps in an image, batches are of so
# many.
REFERENCE_VALUES = {None: 85_000_000, "m": 135_000_000, "l": 380_000_000, "xl": 560_000_000}
REFERENCE_BATCH = 12
TEACHER = {"teacher": True, "weighting": "law", "distillation_weighting": "law", "lambda_dice": 1.0}


def counted(work) -> float:
    """Tera-operations of a call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e12


def training(size: int, **method) -> float:
    """Of one image of a ControlNet training."""
    return counted_operations(ControlNetRecipe(**method, precision="fp32"), size)


@torch.no_grad()
def sampling(size: int) -> tuple[float, float]:
    """Of one denoising of one image, ControlNet and UNet, and of decoding it."""
    unet = UNet2DConditionModel.from_config(STABLE_DIFFUSION)
    controlnet = ControlNetModel.from_unet(unet)
    latent, text = torch.empty(1, 4, size // 8, size // 8), torch.empty(1, TOKENS, 768)
    t, hint = torch.zeros(1, dtype=torch.long), torch.empty(1, 3, size, size)

    def denoise() -> None:
        skips, middle = controlnet(latent, t, text, hint, return_dict=False)
        unet(latent, t, text, down_block_additional_residuals=skips,
             mid_block_additional_residual=middle)  # fmt: skip

    return counted(denoise), counted(lambda: autoencoder().decode(latent))


def autoencoder() -> AutoencoderKL:
    """Stable Diffusion 1.5's."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
    )  # fmt: skip


def planned(size: int) -> dict[str | None, tuple[float, int]]:
    """By preset: of one patch through the network that nnU-Net plans for RGB images; its batch."""
    from workflow_src import make_phantoms, plan_nnunet, plan_resenc, prepare_data

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_phantoms.main(place / "raw", make_phantoms.Phantom(train=12, test=1, side=size))
        prepare_data.main(place / "raw", place / "set", prepare_data.Reading(), size=size)
        plan_nnunet.main(place / "set", place / "plan", "polyp")
        plain = counted_plan(place / "plan", None)
        plan_resenc.main(place / "plan", place / "preset", "m")  # L and XL differ in their batches
        residual = {preset: counted_plan(place / "preset", preset) for preset in ("m", "l", "xl")}
    return {None: plain} | residual


def counted_plan(plan: Path, preset: str | None) -> tuple[float, int]:
    """Of one patch through a planned network, and the batch that its memory target allows."""
    from workflow_src.measure_cost import planned_network

    network = planned_network(plan).to("meta")
    plans = json.loads((plan / "nnUNetPlans.json").read_text())
    side = plans["configurations"]["2d"]["patch_size"]
    values = network.compute_conv_feature_map_size(side)
    patch = torch.empty(1, 3, *side, device="meta")
    # Of so few images nnU-Net plans small batches; of many, as large as its memory target allows.
    batch = round(REFERENCE_VALUES[preset] / values * REFERENCE_BATCH)
    return counted(lambda: network(patch).sum().backward()), batch


def main(size: int = 384, light: int = 512) -> None:
    """Print a Markdown table.

    Args:
        size: side length of images for synthesis and nnU-Net.
        light: likewise, for the light segmenters.
    """
    plans = planned(size)
    rows = {
        f"ControlNet training, one, {size}²": training(size),
        f"ControlNet training, with a teacher, {size}²": training(size, **TEACHER),
        "the same, decoders frozen: one": training(size, train_decoder=False),
        "the same, decoders frozen: with a teacher": training(size, train_decoder=False, **TEACHER),
    }
    with torch.device("meta"):
        denoised, decoded = sampling(size)
        rows |= {
            f"denoising, a step, unguided, {size}²": denoised,
            f"decoding, {size}²": decoded,
            f"encoding, {size}²": counted(
                lambda: autoencoder().encode(torch.empty(1, 3, size, size))
            ),
        }
        rows |= {
            f"nnU-Net training{f', ResEnc {preset.upper()}' if preset else ''}, "
            f"a batch of {batch}": per_patch * batch
            for preset, (per_patch, batch) in plans.items()
        }
        for name in ("mkunet", "order", "unext", "egeunet"):
            network = build_segmenter(name)

            def step(network=network) -> None:
                out = network(torch.empty(2, 3, light, light))
                (out[0] if isinstance(out, tuple) else out).sum().backward()

            rows[f"{name} training, {light}²"] = counted(step) / 2
    print("\n| of an image | tera-operations |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value:.4f} |")


if __name__ == "__main__":
    run(main)
