"""One image-mask pair learnt by heart: the loss falls tenfold and the lesion lies on the mask."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from workflow_src import cache_latents, train_autoencoder, train_controlnet, train_denoiser
from workflow_src.data.phantoms import polyp_phantom
from workflow_src.data.prepared import PreparedSet, PreparedWriter, Record
from workflow_src.diffusion.backbone import load_unet
from workflow_src.diffusion.controlnet import TrainingData
from workflow_src.diffusion.latents import load_latents
from workflow_src.diffusion.noising import noise_schedule
from workflow_src.diffusion.objective import Objective
from workflow_src.diffusion.sampling import Sampler
from workflow_src.study.synthesis import (
    AutoencoderRecipe,
    ControlNetRecipe,
    DenoiserRecipe,
    SamplingRecipe,
)

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE, PROMPT = 32, "A polyp."
AUTOENCODER = AutoencoderRecipe(
    widths=(16, 16, 16), steps=400, batch_size=4, learning_rate=4e-3, kl_weight=1e-6
)
DENOISER = DenoiserRecipe(widths=(24, 32), steps=20, batch_size=8, learning_rate=3e-3, ema=0.95)
CONTROLNET = ControlNetRecipe(
    steps=500, batch_size=8, micro_batch=8, learning_rate=4e-3, prompt_dropout=0.0,
    precision="fp32", ema=0.99, hint_channels=(8, 16, 16), hint_start="preserving",
)  # fmt: skip

Pair = tuple[np.ndarray, np.ndarray]


def prepared(folder: Path, pairs: list[Pair]) -> PreparedSet:
    """A set of these pairs, all for training."""
    folder.mkdir()
    records = [Record(str(n), "drawn", str(n), "train", SIDE, SIDE) for n in range(len(pairs))]
    writer = PreparedWriter(folder, records, channels=3, size=SIDE)
    for number, pair in enumerate(pairs):
        writer.put(number, *pair)
    writer.finish({})
    return PreparedSet(folder)


def lesion(image: np.ndarray) -> np.ndarray:
    """Where a drawn polyp is seen: it is redder than mucosa, by far."""
    red, green, _ = image.astype(float).transpose(2, 0, 1)
    return (green < 0.47 * red) & (red > 60)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def mean_loss(objective: Objective, data: TrainingData) -> float:
    """Eq. 2 over 128 draws of noise and timestep, which no training step has seen."""
    losses = []
    for step in range(10_000, 10_016):
        batch = data.batch(step, CONTROLNET, noise_schedule(), seed=0, share=slice(None))
        with torch.no_grad():
            student, _ = objective.predict(batch)
        losses.append((student - batch["noise"]).square().mean())
    return torch.stack(losses).mean().item()


@pytest.mark.slow
def test_one_pair_is_learnt_by_heart(tmp_path):
    rng = np.random.default_rng(3)
    pairs = [polyp_phantom(rng, (SIDE, SIDE)) for _ in range(8)]
    image, mask = max(pairs, key=lambda pair: pair[1].sum())
    several, one = (
        prepared(tmp_path / "several", pairs),
        prepared(tmp_path / "one", [(image, mask)]),
    )
    train_autoencoder.main(several.folder, tmp_path / "autoencoder", AUTOENCODER)
    cache_latents.main(
        several.folder, tmp_path / "latents", PROMPT, autoencoder=tmp_path / "autoencoder"
    )
    train_denoiser.main(
        tmp_path / "autoencoder", tmp_path / "latents", tmp_path / "model", DENOISER
    )
    backbone, trained = tmp_path / "model" / "backbone.json", tmp_path / "trained"
    cache_latents.main(one.folder, tmp_path / "latent", PROMPT, backbone=backbone)
    train_controlnet.main(backbone, one.folder, tmp_path / "latent", trained, CONTROLNET)

    data = TrainingData(one, load_latents(tmp_path / "latent"), "cpu")
    objective = Objective(load_unet(backbone), CONTROLNET)
    before = mean_loss(objective, data)
    weights = trained / "controlnet" / "diffusion_pytorch_model.safetensors"
    objective.controlnet.load_state_dict(load_file(weights))
    objective.decoder.load_state_dict(load_file(trained / "decoder.safetensors"))
    assert mean_loss(objective, data) < before / 10

    recipe = SamplingRecipe(steps=15, guidance=1.0, precision="fp32")
    sampler = Sampler(backbone, trained, PROMPT, recipe, "cpu")
    images = sampler(np.stack([mask] * 5), list(range(5)), seed=0, channels=3)
    found = [dice(lesion(made), mask > 0) for made in images]
    assert dice(lesion(image), mask > 0) > 0.9  # the threshold sees it where it is
    assert np.median(found) > 0.7, found
