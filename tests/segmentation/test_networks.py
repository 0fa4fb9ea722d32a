"""The four segmenters: sizes, costs, shapes, and clear words for what cannot be built."""

from itertools import combinations

import pytest
import torch

from workflow_src.metrics.cost import count_flops, count_parameters
from workflow_src.segmentation import build_segmenter
from workflow_src.study.registries import SEGMENTERS


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("mkunet", 27_384), ("order", 42_442), ("unext", 1_471_921), ("egeunet", 53_374)],
)
def test_parameters_are_those_of_the_public_codes(name, parameters):
    assert count_parameters(build_segmenter(name)) == parameters


@pytest.mark.parametrize(
    ("name", "gflops"), [("mkunet", 0.0993), ("order", 0.543), ("unext", 1.124), ("egeunet", 0.144)]
)
def test_operations_at_256_pixels(name, gflops):
    # 2 per multiply-accumulate; measured on the public codes, for order derived by hand.
    assert count_flops(build_segmenter(name), 256) / 1e9 == pytest.approx(gflops, rel=0.01)


def test_attention_costs_what_its_three_products_cost():
    # Pooled to 32 x 32 tokens of 32 channels: S, S V_e and Sᵀ V_d, at each of two stages.
    products = 2 * 3 * 2 * (32 * 32) ** 2 * 32
    base, order = (count_flops(build_segmenter(name), 256) for name in ("mkunet", "order"))
    assert products < order - base < 1.15 * products  # the rest: projections


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_logits_have_one_channel_and_the_images_size(name, size):
    network = build_segmenter(name).eval()
    head = [m for m in network.modules() if getattr(m, "out_channels", 0) == 1][-1]
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        logits = network(image)
        head.bias += 5
        higher = network(image)
    assert logits.shape == (2, 1, *size)
    torch.testing.assert_close(higher, logits + 5)  # no sigmoid has been taken


@pytest.mark.parametrize("size", [(33, 64), (47, 61), (50, 70)])
def test_egeunet_takes_odd_sizes(size):
    with torch.no_grad():
        assert build_segmenter("egeunet").eval()(torch.zeros(1, 3, *size)).shape == (1, 1, *size)


def test_auxiliary_outputs_come_in_training_only():
    image = torch.randn(2, 3, 64, 64)
    for name in SEGMENTERS:
        network = build_segmenter(name)
        assert isinstance(network.eval()(image), torch.Tensor)
        output = network.train()(image)
        if name == "egeunet":
            logits, auxiliary = output
            assert [side.shape for side in auxiliary] == [logits.shape] * 5
        else:
            assert output.shape == (2, 1, 64, 64)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_all_parameters_learn_but_the_unread_heads(name):
    torch.manual_seed(0)
    network = build_segmenter(name).train()
    output = network(torch.randn(2, 3, 64, 64))
    logits, auxiliary = output if isinstance(output, tuple) else (output, [])
    sum(part.square().mean() for part in (logits, *auxiliary)).backward()
    idle = sum(p.numel() for p in network.parameters() if p.grad is None)
    # MK-UNet's public code has three side heads that nothing reads: 16, 8 and 4 channels, 3 biases.
    assert idle == (31 if name in ("mkunet", "order") else 0)


@pytest.mark.parametrize(
    "stages", [subset for n in range(6) for subset in combinations(range(5), n)]
)
def test_any_subset_of_stages_attends(stages):
    network = build_segmenter("order", stages=stages, grid=4).eval()
    assert sorted(network.attention) == [str(stage) for stage in stages]
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 32, 32)


def test_stages_sit_at_their_resolutions():
    # Cost tells where a stage sits: with few tokens pooling hides nothing, S grows with the side.
    flops = [count_flops(build_segmenter("order", stages=[s], grid=64), 64) for s in range(5)]
    base = count_flops(build_segmenter("mkunet"), 64)
    extra = [count - base for count in flops]
    assert extra == sorted(extra, reverse=True)
    assert extra[0] > 10 * extra[2]


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'unet' is not a segmenter; allowed: mkunet, order"):
        build_segmenter("unet")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("order", {"stages": [0, 5]}, ["order", "[0, 5]", "0 to 4"]),
        ("order", {"width": 32, "heads": 5}, ["order", "32", "5 heads"]),
        ("order", {"heads": 0}, ["order", "0 heads"]),
        ("order", {"grid": 0}, ["order", "grid 0"]),
        ("mkunet", {"stages": [0]}, ["mkunet", "stages"]),
        ("mkunet", {"channels": []}, ["mkunet", "one to five"]),
        ("mkunet", {"channels": [4, 8, 16, 24, 32, 40]}, ["mkunet", "one to five"]),
        ("unext", {"widths": [4, 8, 8, 16, 16]}, ["unext", "17 or more"]),
        ("egeunet", {"channels": [8, 16]}, ["egeunet", "[8, 16]"]),
    ],
)
def test_options_that_do_not_fit_are_refused_by_name(name, options, words):
    with pytest.raises(ValueError) as error:
        build_segmenter(name, **options)
    assert all(word in str(error.value) for word in words), str(error.value)
