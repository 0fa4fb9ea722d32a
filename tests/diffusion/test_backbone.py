"""The small frozen model: trained to the same bytes after a stop, kept, and what it encodes."""

import json

import numpy as np
import pytest
import torch
from conftest import ROOT
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from torch.testing import assert_close

from workflow_src import keep_backbone, train_autoencoder, train_denoiser
from workflow_src.common.errors import InputError
from workflow_src.common.yaml_files import read_yaml
from workflow_src.data.arrays import check_made
from workflow_src.diffusion import small
from workflow_src.diffusion.backbone import (
    load_unet,
    load_vae,
    prompt_codes,
    to_image_range,
    to_model_range,
)
from workflow_src.study.synthesis import AutoencoderRecipe, DenoiserRecipe

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = "diffusion_pytorch_model.safetensors"
AUTOENCODER = AutoencoderRecipe(widths=(8, 16, 16), steps=7, batch_size=2, checkpoint_minutes=0)
DENOISER = DenoiserRecipe(widths=(8, 16), steps=7, batch_size=2, checkpoint_minutes=0)


def stopped_at(step: int):
    """In place of `rows_of_step`, one that falls over at a step."""

    def rows(now, *rest, original=small.rows_of_step):
        if now == step:
            raise KeyboardInterrupt
        return original(now, *rest)

    return rows


def test_an_autoencoder_stopped_and_resumed_is_the_same(polyps, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(small, "rows_of_step", stopped_at(5))
        train_autoencoder.main(polyps.folder, tmp_path / "stopped", AUTOENCODER)
    for name in ("stopped", "whole"):
        train_autoencoder.main(polyps.folder, tmp_path / name, AUTOENCODER)
    for file in (f"vae/{WEIGHTS}", "log.csv"):
        stopped, whole = (tmp_path / name / file for name in ("stopped", "whole"))
        assert stopped.read_bytes() == whole.read_bytes(), file


def test_a_denoiser_stopped_and_resumed_is_the_same(backbone, latents, tmp_path, monkeypatch):
    autoencoder = backbone.parent.parent / "autoencoder"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(small, "rows_of_step", stopped_at(5))
        train_denoiser.main(autoencoder, latents, tmp_path / "stopped", DENOISER)
    for name in ("stopped", "whole"):
        train_denoiser.main(autoencoder, latents, tmp_path / name, DENOISER)
    for file in (f"unet/{WEIGHTS}", "log.csv"):
        stopped, whole = (tmp_path / name / file for name in ("stopped", "whole"))
        assert stopped.read_bytes() == whole.read_bytes(), file


def test_memory_that_is_too_small_names_the_batch_size(
    backbone, polyps, latents, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(AutoencoderKL, "encode", full)
    with pytest.raises(InputError, match="2 images at once: lower `batch_size` of the autoencoder"):
        train_autoencoder.main(polyps.folder, tmp_path / "autoencoder", AUTOENCODER)
    monkeypatch.setattr(UNet2DConditionModel, "forward", full)
    autoencoder = backbone.parent.parent / "autoencoder"
    with pytest.raises(InputError, match="images at once: lower `batch_size` of the denoiser"):
        train_denoiser.main(autoencoder, latents, tmp_path / "denoiser", DENOISER)


def test_a_kept_backbone_is_the_same_in_half_the_bytes(backbone, tmp_path):
    keep_backbone.main(backbone, tmp_path / "kept")
    for load, part in ((load_unet, "unet"), (load_vae, "vae")):
        own, kept = load(backbone).state_dict(), load(tmp_path / "kept/backbone.json").state_dict()
        assert own.keys() == kept.keys()
        for name, value in own.items():
            assert torch.equal(kept[name], value.half().float()), name
        files = (folder / part / WEIGHTS for folder in (backbone.parent, tmp_path / "kept"))
        whole, half = (file.stat().st_size for file in files)
        assert half < 0.8 * whole  # headers stay as they are
    facts = json.loads((tmp_path / "kept" / "backbone.json").read_text())
    whole = json.loads(backbone.read_text())
    for made, as_made in ((facts, whole), (facts["autoencoder"], whole["autoencoder"])):
        del as_made["provenance"]["commit"]
        assert (made["recipe"], made["provenance"]) == (as_made["recipe"], as_made["provenance"])


KEPT = ROOT / "config" / "demo_backbone"


@pytest.mark.parametrize("dataset", ["polyps", "kits19"])
def test_the_demos_backbone_is_the_one_that_its_recipe_describes(dataset):
    marker = KEPT / dataset / "backbone.json"
    facts = json.loads(marker.read_text())
    files = {str(p.relative_to(marker.parent)) for p in marker.parent.rglob("*") if p.is_file()}
    assert files == {*facts["files"], "backbone.json", ".workflow"}
    check_made(marker)
    settings = read_yaml(ROOT / "config" / "demo_backbone.yaml")["backbone"]
    denoiser, autoencoder = settings["denoiser"], settings["autoencoder"]
    assert denoiser.items() <= facts["recipe"].items()
    assert autoencoder.items() <= facts["autoencoder"]["recipe"].items()
    unet, vae = load_unet(marker), load_vae(marker)
    assert tuple(unet.config.block_out_channels) == tuple(denoiser["widths"])
    z = torch.randn(1, 4, 16, 16)
    assert vae.decode(z).sample.isfinite().all()
    assert unet(z, 500, prompt_codes([""], 32)).sample.shape == z.shape


def test_the_demos_backbone_stays_small():
    assert sum(p.stat().st_size for p in KEPT.rglob("*") if p.is_file()) < 4e6


def test_cached_latents_have_unit_deviation_and_keep_their_own(latents):
    cached = load_file(latents / "latents.safetensors")
    assert cached["mean"].shape == cached["std"].shape == (11, 4, 8, 8)
    assert 0.7 < cached["mean"].float().std() < 1.4
    assert (cached["std"] > 0).all()
    assert not torch.equal(cached["text"], cached["empty"])


def test_a_prompts_code_is_its_own_on_every_machine():
    one, other, again = prompt_codes(["a polyp", "", "a polyp"], width=32)
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert_close(prompt_codes([""], 2)[0, 0], torch.tensor([0.0167, -0.6061]), atol=1e-4, rtol=0)
    assert 0.8 < prompt_codes([str(n) for n in range(200)], 32).std() < 1.2


def test_images_survive_the_way_to_the_model_and_back():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert np.array_equal(to_image_range(to_model_range(levels), 1), levels)
    colours = np.concatenate([levels, levels[:, ::-1], 255 - levels], axis=3)
    assert np.array_equal(to_image_range(to_model_range(colours), 3), colours)
    assert to_model_range(levels).min() == -1 and to_model_range(levels).max() == 1
