"""Fixtures: small models, trained for a moment once a session."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from conftest import ROOT, hashed

from workflow_src.common.outputs import write_json
from workflow_src.study.downstream import Network
from workflow_src.study.synthesis import AutoencoderRecipe, ControlNetRecipe, DenoiserRecipe


@pytest.fixture(scope="session")
def one_thread():
    """One thread for torch: faster for tiny tensors, and the same bits on every machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def backbone(polyps, one_thread, tmp_path_factory) -> Path:
    """backbone.json of a small latent-diffusion model, trained for a moment at 32 pixels."""
    from workflow_src import cache_latents, train_autoencoder, train_denoiser

    folder = tmp_path_factory.mktemp("backbone")
    autoencoder = AutoencoderRecipe(widths=(8, 16, 16), steps=12, batch_size=2)
    train_autoencoder.main(polyps.folder, folder / "autoencoder", autoencoder)
    cache_latents.main(
        polyps.folder, folder / "latents", "A polyp.", autoencoder=folder / "autoencoder"
    )
    denoiser = DenoiserRecipe(widths=(8, 16), steps=12, batch_size=4)
    train_denoiser.main(folder / "autoencoder", folder / "latents", folder / "model", denoiser)
    return folder / "model" / "backbone.json"


@pytest.fixture(scope="session")
def latents(polyps, backbone, tmp_path_factory) -> Path:
    """The polyps' latents by that model."""
    from workflow_src import cache_latents

    folder = tmp_path_factory.mktemp("latents")
    cache_latents.main(polyps.folder, folder, "A polyp.", backbone=backbone)
    return folder


@pytest.fixture(scope="session")
def controlnet(backbone, polyps, latents, tmp_path_factory) -> Path:
    """A trained ControlNet, its zero convolutions opened by hand: in two steps they would not."""
    import torch
    from diffusers import ControlNetModel

    from workflow_src import train_controlnet

    settings = ControlNetRecipe(
        steps=2, batch_size=4, micro_batch=4, precision="fp32", hint_channels=(4, 8, 8),
        hint_start="preserving",
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("controlnet")
    train_controlnet.main(backbone, polyps.folder, latents, folder, settings)
    model = ControlNetModel.from_pretrained(folder / "controlnet")
    torch.manual_seed(0)
    opened = [model.controlnet_cond_embedding.conv_out, model.controlnet_mid_block]
    for layer in [*opened, *model.controlnet_down_blocks]:
        torch.nn.init.normal_(layer.weight, std=0.5)
    model.save_pretrained(folder / "controlnet")
    facts = json.loads((folder / "recipe.json").read_text())
    write_json(folder / "recipe.json", facts | hashed(folder, *facts["files"]))
    return folder


# What a user of nnU-Net has in the shell, here as bad as can be.
SHELL = {"nnUNet_raw": "/nowhere", "nnUNet_preprocessed": "/nowhere", "nnUNet_results": "/nowhere",
         "nnUNet_extTrainer": "/nowhere", "nnUNet_n_proc_DA": "0", "nnUNet_def_n_proc": "0",
         "nnUNet_compile": "t"}  # fmt: skip
STAGES = Network(features=(8, 16), patch_size=32, batch_size=4)


@pytest.fixture(scope="module")
def hostile_shell():
    """That user's variables before each call, and the tests' own environment afterwards."""
    with mock.patch.dict(os.environ, SHELL):
        yield


def plan_nnunet(data: Path, output: Path, network: Network) -> Path:
    """nnU-Net's plan of a prepared set, made in a process of its own.

    nnU-Net lists files in a pool of forks. One that is forked off a process that has run a hundred
    tests, and has their threads, may never end.
    """
    subprocess.run(
        [sys.executable, "-m", "workflow_src.plan_nnunet", "--data", data, "--output", output,
         "--lesion", "polyp", "--network", json.dumps(network.complete())],
        cwd=ROOT, env=os.environ | SHELL | {"OMP_NUM_THREADS": "1"}, check=True,
    )  # fmt: skip
    return output


@pytest.fixture(scope="session")
def nnunet_plan(polyps, tmp_path_factory) -> Path:
    """The plan of the 12 polyps that are not for testing, and their preprocessed cases."""
    return plan_nnunet(polyps.folder, tmp_path_factory.mktemp("plan"), STAGES)
