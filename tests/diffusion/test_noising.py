"""The forward process, Equation 1, and what a training step draws."""

import numpy as np
import torch
from torch.testing import assert_close

from workflow_src.diffusion.noising import noise_schedule, noisy_batch


def test_eq1_noises_by_the_schedule():
    # Stable Diffusion's schedule, written out: the square roots of beta are evenly spaced.
    beta = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
    alpha_bar = np.cumprod(1 - beta)
    mean, text = torch.randn(64, 4, 2, 2), torch.zeros(1, 8)
    batch = noisy_batch(
        mean, torch.zeros_like(mean), text, text, noise_schedule(), 0.0, torch.manual_seed(3)
    )
    a = torch.from_numpy(alpha_bar[batch["t"]]).float().reshape(-1, 1, 1, 1)
    assert_close(batch["z_t"], a.sqrt() * mean + (1 - a).sqrt() * batch["noise"], atol=1e-4, rtol=0)
    assert batch["t"].min() < 150 and batch["t"].max() > 850
    assert abs(batch["noise"].std() - 1) < 0.1 and abs(batch["noise"].mean()) < 0.1


def test_latents_are_drawn_anew_from_their_mean_and_deviation():
    mean, std = torch.full((500, 1, 1, 1), 3.0), torch.full((500, 1, 1, 1), 0.5)
    text, schedule = torch.zeros(1, 8), noise_schedule()
    schedule.alphas_cumprod.fill_(1.0)  # then z_t is z_0
    z_0 = noisy_batch(mean, std, text, text, schedule, 0.0, torch.manual_seed(0))["z_t"]
    assert abs(z_0.mean() - 3.0) < 0.1 and abs(z_0.std() - 0.5) < 0.05


def test_prompts_are_dropped_as_often_as_asked():
    mean, text = torch.zeros(400, 1, 1, 1), torch.ones(2, 8)
    for share, least, most in ((0.0, 0, 0), (0.25, 70, 130), (1.0, 400, 400)):
        generator = torch.Generator().manual_seed(0)
        drawn = noisy_batch(mean, mean, text, 0 * text, noise_schedule(), share, generator)
        assert least <= int((drawn["text"].sum(dim=(1, 2)) == 0).sum()) <= most


def test_draws_do_not_depend_on_the_device():
    states = []
    for device in ("cpu", "meta"):  # a device of another kind, which has no numbers of its own
        mean, text = torch.zeros(4, 1, 2, 2, device=device), torch.zeros(2, 8, device=device)
        generator = torch.Generator().manual_seed(0)
        batch = noisy_batch(mean, mean, text, text, noise_schedule(), 0.5, generator)
        assert batch["noise"].device.type == batch["t"].device.type == device
        states.append(generator.get_state())
    assert torch.equal(*states)
