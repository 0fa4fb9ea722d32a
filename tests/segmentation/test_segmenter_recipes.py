"""Recipes other than the paper's: each trains, and each setting does what it says."""

import functools
import math
import sys

import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from workflow_src import train_segmenter
from workflow_src.common.validation import one_line
from workflow_src.segmentation import build_segmenter, training
from workflow_src.segmentation.losses import bce_dice
from workflow_src.study.segmentation import SegmenterRecipe

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("PraNet's", {"loss": "structure", "optimizer": "adamw", "scales": (0.75, 1.0, 1.25),
                      "gradient_clip": 0.5, "flips": False, "rotate": 0.0}),
        ("bf16", {"precision": "bf16"}),
        ("deep supervision", {"architecture": "egeunet"}),
        ("whole images", {"fit": "resize", "image_size": 32}),
    ],
)  # fmt: skip
def test_other_recipes_learn(native_polyps, polyps, tmp_path, name, settings):
    small = {"architecture": "mkunet", "image_size": 32, "epochs": 12, "batch_size": 6,
             "optimizer": "adamw", "learning_rate": 1e-2}  # fmt: skip
    recipe = SegmenterRecipe(**small | settings)
    data = native_polyps if recipe.fit == "crop" else polyps
    train_segmenter.main(data.folder, tmp_path, recipe)
    loss = pd.read_csv(tmp_path / "log.csv").loss
    assert loss.iloc[-3:].mean() < 0.9 * loss.iloc[0]


def test_each_scale_is_an_update_of_its_own(native_polyps, tmp_path, monkeypatch):
    sides, real = [], training.update

    def noted(network, optimizer, x, y, recipe):
        sides.append((x.shape[-1], y.shape[-1]))
        return real(network, optimizer, x, y, recipe)

    monkeypatch.setattr(training, "update", noted)
    recipe = SegmenterRecipe(architecture="mkunet", image_size=64, scales=(0.5, 1, 1.5), epochs=1)
    train_segmenter.main(native_polyps.folder, tmp_path, recipe)
    assert sides == [(32, 32), (64, 64), (96, 96)]


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(2, 3, 32, 32), (torch.rand(2, 1, 32, 32) > 0.5).float()


def test_gradients_are_clipped_element_by_element(batch):
    network = build_segmenter("mkunet").train()
    optimizer = torch.optim.SGD(network.parameters())
    largest = []
    optimizer.register_step_pre_hook(
        lambda *_: largest.extend(
            p.grad.abs().max().item() for p in network.parameters() if p.grad is not None
        )
    )
    training.update(
        network, optimizer, *batch, SegmenterRecipe(architecture="mkunet", gradient_clip=1e-3)
    )
    assert max(largest) == pytest.approx(1e-3)
    assert all(p.grad is None for p in network.parameters())  # none is kept over the next step
    assert min(largest) < 1e-3  # those below the limit are left alone, not scaled with the rest


def test_auxiliary_losses_are_added_by_their_weights(batch):
    network = build_segmenter("egeunet").train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    loss = training.update(network, optimizer, *batch, SegmenterRecipe(architecture="egeunet"))
    logits, auxiliary = network(batch[0])
    weighted = zip(network.auxiliary_weights, auxiliary, strict=True)
    expected = bce_dice(logits, batch[1]) + sum(w * bce_dice(a, batch[1]) for w, a in weighted)
    torch.testing.assert_close(loss, expected.detach())


@pytest.mark.parametrize("name", ["ademamix", "adamw"])
def test_weight_decay_is_decoupled(name):
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    recipe = SegmenterRecipe(optimizer=name, learning_rate=0.1, weight_decay=0.5)
    optimizer = training.make_optimizer(model, recipe, steps=10)
    model.weight.grad = torch.zeros(1, 1)
    optimizer.step()
    assert model.weight.item() == pytest.approx(1 - 0.1 * 0.5)  # L2 would move it by 0.1


def test_ademamix_warms_its_slow_average_up_over_all_steps():
    """Against the optimiser's own paper, with a constant gradient of 1."""
    model, steps = nn.Linear(1, 1, bias=False).double(), 20
    nn.init.zeros_(model.weight)
    recipe = SegmenterRecipe(learning_rate=0.1, weight_decay=0.0, alpha=5.0, beta3=0.99)
    optimizer = training.make_optimizer(model, recipe, steps)
    weight = fast = slow = square = 0.0
    start, end = (math.log(0.9), math.log(0.99))
    for step in range(1, steps + 1):
        model.weight.grad = torch.ones(1, 1, dtype=torch.double)
        optimizer.step()
        part = step / steps
        beta3 = min(math.exp(start * end / ((1 - part) * end + part * start)), 0.99)
        fast, square = 0.9 * fast + 0.1, 0.999 * square + 0.001
        slow = beta3 * slow + 1 - beta3
        scale = math.sqrt(square / (1 - 0.999**step)) + 1e-8
        weight -= 0.1 * (fast / (1 - 0.9**step) + 5.0 * part * slow) / scale
        assert model.weight.item() == pytest.approx(weight, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_update_is_the_eager_one(precision, monkeypatch):
    # Without code generation, which takes minutes: what is traced is what a long training runs.
    as_traced = functools.partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", lambda model, dynamic, mode: as_traced(model))
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 64, 64, generator=draws)
    y = (torch.rand(2, 1, 64, 64, generator=draws) > 0.7).float()
    recipe = SegmenterRecipe(architecture="order", precision=precision, optimizer="adamw")
    after = []
    for prepare in (lambda model: model, training.compiled):
        torch.manual_seed(0)
        model = build_segmenter("order")
        with torch.no_grad():  # attention counts only once its output is no longer zero
            for block in model.attention.values():
                block.out_decoder.weight.fill_(0.1)
        network = prepare(model.train())
        optimizer = training.make_optimizer(model, recipe, steps=10)
        losses = [training.update(network, optimizer, x, y, recipe).item() for _ in range(2)]
        after.append((losses, {k: v.clone() for k, v in model.state_dict().items()}))
    (eager, weights), (compiled, others) = after
    tolerance = 1e-4 if precision == "fp32" else 3e-2
    assert compiled == pytest.approx(eager, rel=tolerance)
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, rtol=0.1, atol=5e-4, msg=name)


def test_bf16_computes_in_bf16(polyps, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setitem(
        training.LOSSES, "bce_dice", lambda logits, y: seen.append(logits) or bce_dice(logits, y)
    )
    for precision in ("fp32", "bf16"):
        recipe = SegmenterRecipe(architecture="mkunet", fit="resize", image_size=32, epochs=1,
                                 batch_size=6, precision=precision)  # fmt: skip
        train_segmenter.main(polyps.folder, tmp_path / precision, recipe)
    half = len(seen) // 2
    as_bf16 = [bool((x == x.bfloat16().float()).all()) for x in seen]
    assert as_bf16 == [False] * half + [True] * half


def test_validation_is_looked_at_every_few_epochs_and_at_the_end(polyps, tmp_path):
    recipe = SegmenterRecipe(architecture="mkunet", fit="resize", image_size=32, epochs=5,
                                 batch_size=6, validate_every=2)  # fmt: skip
    train_segmenter.main(polyps.folder, tmp_path, recipe)
    epochs = math.ceil(len(polyps.rows("train")) / 6)
    assert pd.read_csv(tmp_path / "validation.csv").step.tolist() == [e * epochs for e in (2, 4, 5)]


def test_the_rate_ends_where_the_recipe_says(polyps, tmp_path, monkeypatch):
    rates = []
    monkeypatch.setattr(training, "set_rate", lambda optimizer, factor: rates.append(factor))
    for final_rate in (1e-3, 1e-4):
        recipe = SegmenterRecipe(architecture="mkunet", fit="resize", image_size=32, epochs=9,
                                 batch_size=6, learning_rate=1e-3,
                                 final_rate=final_rate)  # fmt: skip
        train_segmenter.main(polyps.folder, tmp_path / str(final_rate), recipe)
    half = len(rates) // 2
    assert rates[:half] == [1.0] * half
    assert 0.1 < rates[-1] < 0.2 < rates[half] == 1.0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image_size": 100}, "image_size is 100"),
        ({"epochs": 0}, "epochs is 0"),
        ({"validate_every": 0}, "validate_every is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_refused(settings, words):
    with pytest.raises(ValidationError) as raised:
        SegmenterRecipe(**settings)
    assert one_line(raised.value).startswith(words)


@pytest.mark.parametrize(
    ("settings", "steps", "device", "expected"),
    [
        ({"image_size": 256}, 300, "cpu", True),
        ({"image_size": 256}, 100, "cpu", False),
        ({"image_size": 64}, 300, "cpu", False),
        ({"image_size": 512}, 300, "cuda", False),
        ({"image_size": 512}, 9000, "cuda", True),
        ({"image_size": 512, "scales": (0.75, 1.0)}, 9000, "cuda", False),
        ({"image_size": 64, "compile": "on"}, 1, "cpu", True),
        ({"image_size": 512, "compile": "off"}, 9000, "cpu", False),
    ],
)
def test_only_trainings_that_earn_it_back_are_compiled(
    settings, steps, device, expected, monkeypatch
):
    for variable in ("CC", "CXX"):
        monkeypatch.setenv(variable, sys.executable)  # any program that is there
    assert training.compiles(SegmenterRecipe(**settings), steps, device) == expected


def test_without_a_compiler_training_goes_on_without_it(monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not training.compiles(SegmenterRecipe(), 9000, "cpu")
    assert "no compiler" in caplog.text
