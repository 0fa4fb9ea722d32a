"""ControlNet training at Stable Diffusion 1.5's geometry: the workflow against diffusers' script.

    python benchmarks/controlnet_training.py --size 256 --batch 1 --precision bf16
    python benchmarks/controlnet_training.py --size 384 --batch 32 --precision bf16   # on a GPU
    python benchmarks/controlnet_training.py --compare methods --width 0.5

Random weights: what a step costs does not depend on them. `script` is the step of diffusers'
examples/controlnet/train_controlnet.py: autoencoder and text encoder inside the loop, the whole
UNet, its precision and its optimiser. `workflow` is ours with the decoder frozen, as that script
has it: latents and text from the cache. Both train the same ControlNet, in turns. `methods`
compares LAW's weights with uniform ones, and distillation with uniform training and with a step
whose teacher and student run an encoder each.
"""

import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from accelerate import Accelerator  # noqa: E402
from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from tqdm import tqdm  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel  # noqa: E402

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.diffusion.backbone import DTYPES  # noqa: E402
from workflow_src.diffusion.controlnet import new_optimizer  # noqa: E402
from workflow_src.diffusion.noising import noise_schedule, noisy_batch  # noqa: E402
from workflow_src.diffusion.objective import Objective  # noqa: E402
from workflow_src.diffusion.unet import encode  # noqa: E402
from workflow_src.study.synthesis import ControlNetRecipe, Precision  # noqa: E402

TOKENS, TEXT = 77, 768  # of CLIP ViT-L/14's text encoder


def stable_diffusion(width: float) -> tuple[UNet2DConditionModel, AutoencoderKL, CLIPTextModel]:
    """Stable Diffusion 1.5's networks with random weights; the UNet's width may differ."""
    unet = UNet2DConditionModel(
        block_out_channels=[int(c * width) for c in (320, 640, 1280, 1280)],
        cross_attention_dim=TEXT,
    )
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
    )  # fmt: skip
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=TEXT, intermediate_size=4 * TEXT, num_hidden_layers=12,
            num_attention_heads=12, projection_dim=TEXT,
        )
    )  # fmt: skip
    return tuple(m.requires_grad_(False).eval() for m in (unet, vae, text))


class Script:
    """The step of diffusers' train_controlnet.py, on images of one size."""

    def __init__(self, models, controlnet, accelerator: Accelerator, size: int, batch: int):
        self.unet, self.vae, self.text = models
        self.accelerator, device = accelerator, accelerator.device
        self.dtype = DTYPES.get(accelerator.mixed_precision, torch.float32)
        self.controlnet = controlnet
        # Its default: AdamW as PyTorch makes it.
        self.optimizer = accelerator.prepare(torch.optim.AdamW(controlnet.parameters(), lr=5e-6))
        self.schedule = noise_schedule()
        self.pixels = torch.randn(batch, 3, size, size, device=device)
        self.hint = torch.rand(batch, 3, size, size, device=device)
        self.tokens = torch.randint(0, 49408, (batch, TOKENS), device=device)
        for model in (self.vae, self.text):
            model.to(device, self.dtype)

    def __call__(self) -> None:
        posterior = self.vae.encode(self.pixels.to(self.dtype)).latent_dist
        latents = posterior.sample() * self.vae.config.scaling_factor
        noise = torch.randn_like(latents)
        t = torch.randint(0, len(self.schedule), (len(latents),), device=latents.device)
        noisy = self.schedule.add_noise(latents, noise, t)
        text = self.text(self.tokens)[0]
        with self.accelerator.autocast():
            skips, middle = self.controlnet(
                noisy, t, text, self.hint.to(self.dtype), return_dict=False
            )
        prediction = self.unet(
            noisy, t, text,
            down_block_additional_residuals=[skip.to(self.dtype) for skip in skips],
            mid_block_additional_residual=middle.to(self.dtype),
        ).sample  # fmt: skip
        loss = F.mse_loss(prediction.float(), noise.float())
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.controlnet.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


class Workflow:
    """The step of `train_controlnet`, from cached latents and text."""

    def __init__(self, objective, accelerator: Accelerator, size: int, batch: int):
        self.accelerator, recipe, device = accelerator, objective.recipe, accelerator.device
        optimizer = new_optimizer(objective, recipe)
        self.objective, self.optimizer = accelerator.prepare(objective, optimizer)
        self.schedule, side = noise_schedule(), size // 8
        self.mean = torch.randn(batch, 4, side, side, device=device)
        self.std = torch.full_like(self.mean, 0.1)
        self.text, self.empty = torch.randn(2, TOKENS, TEXT, device=device)
        self.mask = torch.zeros(batch, 1, size, size, device=device)
        self.mask[:, :, : size // 2, : size // 4] = 1
        self.image = torch.rand(batch, 3, size, size, device=device)

    def __call__(self) -> None:
        draws = torch.Generator().manual_seed(0)
        batch = noisy_batch(
            self.mean, self.std, self.text, self.empty, self.schedule, 0.05, draws
        )  # fmt: skip
        batch |= {"mask": self.mask, "image": self.image}
        loss, _ = self.objective(batch)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.objective.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class TwoModels(Objective):
    """Distillation as two models side by side: the teacher runs an encoder of its own."""

    def predict(self, batch):
        student, _ = self._alone(batch, teacher=False)
        return student, self._alone(batch, teacher=True)[1]

    def _alone(self, batch, teacher: bool):
        z_t, t, text = batch["z_t"], batch["t"], batch["text"]
        with torch.no_grad():
            encoded = encode(self._unet[0], z_t, t, text)
        skips, middle = self.controlnet(
            z_t, t, text, batch["mask"].expand(-1, 3, -1, -1), return_dict=False
        )
        decoder, teacher_decoder = self._decoders()
        if not teacher:
            return decoder(encoded, skips, middle).float(), None
        more, more_middle = self.teacher_controlnet(z_t, t, text, batch["image"], return_dict=False)
        mixed = [a + b for a, b in zip(skips, more, strict=True)]
        return None, teacher_decoder(encoded, mixed, middle + more_middle).float()


def seconds(step, device) -> tuple[float, float]:
    """Of one step, by the clock and of processor time."""
    start, used = time.perf_counter(), time.process_time()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - used


def medians(steps: dict, rounds: int, device, before=None) -> dict[str, tuple[float, float]]:
    """Seconds a step, the sides taken in turns; the first turn warms up."""
    found = {name: [] for name in steps}
    for number in tqdm(range(rounds + 1), unit="round"):
        for name, step in steps.items():
            if before:
                before(name)
            taken = seconds(step, device)
            if number:
                found[name].append(taken)
    return {
        name: tuple(statistics.median(kind) for kind in zip(*times, strict=True))
        for name, times in found.items()
    }


def matmul_peak(dtype: torch.dtype, device) -> float:
    """FLOP/s of the best of some large matrix products; on a CPU, per second of all threads."""
    a = torch.randn(4096, 4096, dtype=dtype, device=device)
    wall, processor = (min(kind) for kind in zip(*(seconds(lambda: a @ a, device)
                                                   for _ in range(4)), strict=True))  # fmt: skip
    return 2 * 4096**3 / (wall if device.type == "cuda" else processor / torch.get_num_threads())


def memory_gib(device) -> float:
    """Largest memory so far: of the GPU, or of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(
    compare: Literal["script", "methods"] = "script",
    size: int = 256,
    batch: int = 1,
    precision: Precision = "bf16",
    width: float = 1.0,
    rounds: int = 5,
) -> None:
    """Print a Markdown table.

    Args:
        compare: the workflow with the public script, or the methods with one another.
        size: side length of the images.
        batch: images per step.
        precision: fp32, bf16 or fp16 (mixed).
        width: the UNet's, relative to Stable Diffusion 1.5's; smaller for a smaller memory.
        rounds: of so many turns the median counts.
    """
    torch.manual_seed(0)
    accelerator = Accelerator(mixed_precision={"fp32": "no"}.get(precision, precision))
    device, dtype = accelerator.device, DTYPES[precision]
    models = stable_diffusion(width)
    unet = models[0]
    settings = {"train_decoder": False, "precision": precision, "micro_batch": batch}

    def side(kind=Objective, **recipe) -> Workflow:
        objective = kind(unet, ControlNetRecipe(**settings, **recipe))
        objective.to(device, memory_format=torch.channels_last)
        return Workflow(objective, accelerator, size, batch)

    before = None
    if compare == "script":
        ours = side()
        controlnet = accelerator.unwrap_model(ours.objective).controlnet
        script = Script(models, controlnet, accelerator, size, batch)
        script.optimizer.optimizer.state = ours.optimizer.optimizer.state  # saves 3 GB
        steps = {"script": script, "workflow": ours}

        def before(name: str) -> None:  # each side has its own memory format
            wanted = torch.channels_last if name == "workflow" else torch.contiguous_format
            for model in (unet, controlnet):
                model.to(memory_format=wanted)
            for moments in ours.optimizer.optimizer.state.values():
                for key in ("exp_avg", "exp_avg_sq"):
                    if moments[key].dim() == 4:
                        moments[key] = moments[key].contiguous(memory_format=wanted)
            controlnet.zero_grad(set_to_none=True)

    else:
        steps = {
            "uniform": side(),
            "LAW's weights": side(weighting="law", lambda_dice=1.0),
            "distillation": side(teacher=True, weighting="ratio"),
            "LAW in full": side(
                teacher=True, weighting="law", distillation_weighting="law", lambda_dice=1.0
            ),
            "two models": side(TwoModels, teacher=True, weighting="ratio"),
        }
    unet.to(device, dtype, memory_format=torch.channels_last)
    found = medians(steps, rounds, device, before)
    last = list(steps)[-1] if compare == "script" else "uniform"
    with FlopCounterMode(display=False) as counter:
        steps[last]()
    flop, peak = counter.get_total_flops(), matmul_peak(dtype, device)
    first, threads = next(iter(found)), torch.get_num_threads()
    place = torch.cuda.get_device_name() if device.type == "cuda" else f"{threads} CPU thread(s)"
    print(
        f"| {size}², batch {batch}, {precision}, width {width:g}, {place} | s / step | images / s "
        f"| time against {first} | CPU s / step | against {first} |\n|---|---|---|---|---|---|"
    )
    for name, (wall, processor) in found.items():
        print(
            f"| {name} | {wall:.3f} | {batch / wall:.3f} | {wall / found[first][0]:.2f} "
            f"| {processor:.3f} | {processor / found[first][1]:.2f} |"
        )
    wall, processor = found[last]
    share = flop / peak / (wall if device.type == "cuda" else processor / threads)
    print(
        f"\n{last}: {flop / 1e12:.3f} TFLOP a step, {share:.0%} of the {peak / 1e12:.2f} TFLOP/s "
        f"of a {precision} matrix product. Largest memory of the run: {memory_gib(device):.1f} GiB."
    )


if __name__ == "__main__":
    run(main)
