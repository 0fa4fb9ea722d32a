"""Models that were given: taken as they are, and named with the remedy where they are not whole."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import CLIPTextConfig, CLIPTextModel

from workflow_src import cache_latents, fetch_stable_diffusion, train_autoencoder
from workflow_src.common.errors import InputError
from workflow_src.diffusion.backbone import (
    load_autoencoder,
    load_model,
    load_unet,
    load_vae,
    to_model_range,
)
from workflow_src.diffusion.pretrained import given_autoencoder
from workflow_src.study.synthesis import AutoencoderRecipe

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def copied(backbone, tmp_path):
    """A copy of the backbone to damage, of whose files, as of a fetched one's, no hash is kept."""
    shutil.copytree(backbone.parent, tmp_path / "copy")
    marker = tmp_path / "copy" / "backbone.json"
    facts = json.loads(marker.read_text())
    del facts["files"]
    marker.write_text(json.dumps(facts))
    return tmp_path / "copy"


def tiny() -> AutoencoderTiny:
    """A small member of TAESD's family, of random weights."""
    torch.manual_seed(0)
    widths, blocks = (4, 4, 4, 4), (1, 1, 1, 1)
    return AutoencoderTiny(encoder_block_out_channels=widths, decoder_block_out_channels=widths,
                           num_encoder_blocks=blocks, num_decoder_blocks=blocks)  # fmt: skip


def test_a_given_autoencoder_is_taken_and_scaled(polyps, tmp_path):
    vae = tiny()
    vae.save_pretrained(tmp_path / "given")
    recipe = AutoencoderRecipe(path=str(tmp_path / "given"))
    train_autoencoder.main(polyps.folder, tmp_path / "out", recipe)
    facts = json.loads((tmp_path / "out" / "recipe.json").read_text())
    images = to_model_range(polyps.images[polyps.rows("train")])
    deviation = vae.encode(images).latents.std().item()
    assert facts["scaling_factor"] == pytest.approx(1 / deviation, rel=1e-4)
    assert_close(load_autoencoder(tmp_path / "out" / "vae").encode(images).latents,
                 vae.encode(images).latents)  # fmt: skip
    cache_latents.main(polyps.folder, tmp_path / "cache", "A.", autoencoder=tmp_path / "out")
    cached = load_file(tmp_path / "cache" / "latents.safetensors")
    assert cached["mean"].float().std().item() == pytest.approx(1.0, rel=0.02)
    assert (cached["std"] == 0).all()  # such a one has no spread


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_pair_of_files_in_the_familys_own_layout_is_taken(polyps, tmp_path, suffix):
    torch.manual_seed(0)
    vae = AutoencoderTiny()
    for part, shift in (("encoder", 0), ("decoder", 1)):  # there the decoder's layer 0 is a clamp
        weights = {}
        for name, value in getattr(vae, part).layers.state_dict().items():
            number, rest = name.split(".", 1)
            weights[f"{int(number) + shift}.{rest}"] = value
        save = torch.save if suffix == "pth" else save_file
        save(weights, tmp_path / f"my_{part}.{suffix}")
    images = np.array(polyps.images[:4])
    given, x = given_autoencoder(tmp_path, images, "cpu"), to_model_range(images)
    assert_close(given.encode(x).latents, vae.encode(x).latents)
    latents = torch.randn(1, 4, 2, 2)
    assert_close(given.decode(latents).sample, vae.decode(latents).sample)


def test_no_autoencoder_is_said_with_the_remedy(polyps, tmp_path):
    with pytest.raises(InputError, match=r"holds 0 files named \*encoder\*.* or give a folder in"):
        given_autoencoder(tmp_path, polyps.images[:2], "cpu")
    for part in ("encoder", "decoder"):
        torch.save({"1.weight": torch.zeros(4, 4)}, tmp_path / f"{part}.pth")
    with pytest.raises(InputError, match="no autoencoder of TAESD's family"):
        given_autoencoder(tmp_path, polyps.images[:2], "cpu")
    (tmp_path / "encoder.pth").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"encoder\.pth is damaged or no file of weights"):
        given_autoencoder(tmp_path, polyps.images[:2], "cpu")
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(InputError, match="describes a UNet2DModel: AutoencoderKL or"):
        given_autoencoder(tmp_path, polyps.images[:2], "cpu")


def damaged(file) -> None:
    file.write_bytes(file.read_bytes()[:300])


def lacking(file) -> None:
    weights = load_file(file)
    some = {name: weights[name] for name in sorted(weights)[2:]}
    save_file(some, file, metadata={"format": "pt"})


@pytest.mark.parametrize(("part", "load"), [("unet", load_unet), ("vae", load_vae)])
@pytest.mark.parametrize("harm", [damaged, lacking, lambda file: file.unlink()])
def test_weights_that_are_not_whole_are_named_with_the_remedy(copied, part, load, harm):
    # A model whose missing weights are silently drawn at random would train and mean nothing.
    harm(copied / part / WEIGHTS)
    with pytest.raises(InputError, match="fetch it again, or give another folder") as raised:
        load(copied / "backbone.json")
    assert str(copied / part) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("harm", [lacking, lambda file: file.unlink()])
def test_a_small_backbone_is_the_one_that_was_trained(backbone, tmp_path, harm):
    shutil.copytree(backbone.parent, tmp_path / "copy")
    file = tmp_path / "copy" / "unet" / WEIGHTS
    harm(file)
    with pytest.raises(InputError, match=f"{file} (is missing|was changed or damaged)"):
        load_unet(tmp_path / "copy" / "backbone.json")


def test_a_tiny_autoencoder_without_weights_is_named(tmp_path):
    tiny().save_pretrained(tmp_path)
    damaged(tmp_path / WEIGHTS)
    with pytest.raises(InputError, match=rf"{WEIGHTS} is not usable .* give another folder"):
        load_autoencoder(tmp_path)


def test_weights_under_their_old_names_are_whole(tmp_path):
    # As Stable Diffusion 1.5 was published: attention of older diffusers, text of transformers.
    vae = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4)
    vae.save_pretrained(tmp_path / "vae")
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = load_file(tmp_path / "vae" / WEIGHTS)
    for new, name in old.items():
        weights = {k.replace(f"attentions.0.{new}", f"attentions.0.{name}"): v
                   for k, v in weights.items()}  # fmt: skip
    assert any("query" in name for name in weights)
    save_file(weights, tmp_path / "vae" / WEIGHTS)
    assert load_model(AutoencoderKL, tmp_path / "vae").config.latent_channels == 4
    text = CLIPTextModel(CLIPTextConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                        num_attention_heads=2, vocab_size=50))  # fmt: skip
    text.save_pretrained(tmp_path / "text")
    file = tmp_path / "text" / "model.safetensors"
    weights = {f"text_model.{k.removeprefix('text_model.')}": v for k, v in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    load_model(CLIPTextModel, tmp_path / "text")
    lacking(file)
    with pytest.raises(InputError, match="text lacks 2 weights of a CLIPTextModel"):
        load_model(CLIPTextModel, tmp_path / "text")


def test_a_backbone_that_is_not_there_is_named(copied, tmp_path):
    with pytest.raises(InputError, match=r"none\.json does not exist: make the backbone first"):
        load_unet(tmp_path / "none.json")
    shutil.rmtree(copied / "scheduler")
    with pytest.raises(InputError, match="is not a diffusers model: it lacks scheduler/; give a"):
        load_unet(copied / "backbone.json")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "lacks unet/config.json.*give one of the two as `backbone.pa"),
        (lambda path: None, "is not Stable Diffusion in diffusers' layout"),
        (
            lambda path: path.write_bytes(b"junk"),
            "not a Stable Diffusion 1.5 checkpoint .* null to",
        ),
        (lambda path: save_file({"a": torch.zeros(2)}, path), "1.5 checkpoint .* null to fetch"),
    ],
    ids=["an empty folder", "nothing", "a damaged file", "another model's file"],
)
def test_a_wrong_stable_diffusion_ends_in_one_line(tmp_path, make, words):
    path = tmp_path / "sd.safetensors"
    make(path)
    with pytest.raises(InputError, match=words) as raised:
        fetch_stable_diffusion.main(tmp_path / "sd" / "backbone.json", "r", "v", {}, path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "sd" / "backbone.json").exists()


def test_a_folder_without_text_encoder_is_not_stable_diffusion(backbone, tmp_path):
    with pytest.raises(InputError, match="lacks text_encoder, tokenizer: fetch the whole model"):
        fetch_stable_diffusion.main(tmp_path / "b.json", "r", "v", {}, backbone.parent)
