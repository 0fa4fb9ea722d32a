"""What networks cost: counted by hand on small ones, printed as JSON by the script."""

import json
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from torch import nn

from workflow_src import measure_cost
from workflow_src.common.errors import InputError
from workflow_src.measure_cost import MeasuredNetwork
from workflow_src.metrics.cost import (
    count_flops,
    count_parameters,
    measure_latency,
    peak_activation_bytes,
)


class Attention(nn.Module):
    """Two products of 16 tokens with 4 channels, which some counters miss."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, x):
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        return (tokens @ tokens.transpose(1, 2)).softmax(dim=-1) @ tokens


def test_parameters_by_hand():
    assert count_parameters(nn.Conv2d(3, 8, 3)) == 3 * 8 * 9 + 8


def test_operations_by_hand():
    # 2 per multiply-accumulate, bias not counted; at each of 16 x 16 pixels.
    convolution = nn.Conv2d(3, 8, 3, padding=1)
    assert count_flops(convolution, 16) == 2 * 3 * 8 * 9 * 16 * 16
    grouped = nn.Conv2d(3, 6, 3, padding=1, groups=3)
    assert count_flops(grouped, 16) == 2 * 6 * 9 * 16 * 16


def test_products_of_attention_are_counted():
    assert count_flops(Attention(), 4) == 2 * (16 * 3 * 4) + 2 * 2 * (16 * 16 * 4)


def test_activations_by_hand():
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 1, 1))
    # The ReLU holds 8 channels in and 8 out, 4 bytes each; layers may need room of their own.
    assert 1 <= peak_activation_bytes(network, 10) / (16 * 100 * 4) < 1.2


def test_what_attention_forms_inside_of_a_layer_counts():
    # S and its softmax, of 32 x 32 tokens.
    assert peak_activation_bytes(Attention(), 32) > 2 * 1024**2 * 4


def test_latency_is_a_time():
    assert 0 < measure_latency(nn.Conv2d(3, 8, 3), 16, repeats=3) < 5


def test_a_network_for_grey_images_is_measured_too():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
    assert count_flops(network, 8) == 2 * 4 * 9 * 64
    assert measure_latency(network, 8, repeats=1) > 0
    assert peak_activation_bytes(network, 8) >= 8 * 64 * 4


@pytest.mark.slow
def test_the_script_prints_json_and_nothing_else(tmp_path):
    outputs = [tmp_path / "late.json", tmp_path / "unext.json"]
    networks = {
        "late": {"architecture": "order", "options": {"stages": [2, 3]}},
        "unext": {"architecture": "unext"},
    }
    done = subprocess.run(
        [sys.executable, "-m", "workflow_src.measure_cost", "--networks", json.dumps(networks),
         "--size", "64", "--outputs", json.dumps([str(file) for file in outputs])],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    printed = json.loads(done.stdout)
    written = [json.loads(file.read_text()) for file in outputs]
    assert all(w.pop("provenance")["script"] == "workflow_src.measure_cost" for w in written)
    assert list(printed.values()) == written
    late = printed["late"]
    assert late["model"] == "order"
    assert late["options"] == {"stages": [2, 3]}
    assert late["size"] == 64
    assert late["gmac"] == late["gflops"] / 2
    assert late["parameters"] == 78_106
    assert late["device"]
    assert late["threads"] > 0
    assert late["latency_ms"] > 0
    assert late["peak_activation_mib"] > 0
    assert printed["unext"]["model"] == "unext"


def test_untimed_measures_are_the_same_every_time(capsys):
    texts = []
    for _ in range(2):
        measure_cost.main({"mkunet": MeasuredNetwork(architecture="mkunet")}, size=64, timed=False)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert set(json.loads(texts[0])["mkunet"]) == {
        "model", "options", "size", "parameters", "gflops", "gmac"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("unet", {}, ["'unet'", "mkunet, order, unext, egeunet"]),
        ("order", {"stage": [0]}, ["order", "stage"]),
        ("order", {"stages": [7]}, ["order", "0 to 4"]),
        ("nnunet", {}, ["nnunet needs --plan"]),
    ],
)
def test_what_cannot_be_built_is_the_users_to_fix(model, options, words):
    with pytest.raises(InputError) as error:
        measure_cost.main({"mine": MeasuredNetwork(architecture=model, options=options)})
    assert all(word in str(error.value) for word in words), str(error.value)


def test_every_network_has_a_file_or_none_has(tmp_path):
    with pytest.raises(InputError, match="2 --outputs for 1 --networks"):
        measure_cost.main({"order": MeasuredNetwork()}, [tmp_path / "a.json", tmp_path / "b.json"])


def test_a_size_that_does_not_halve_evenly_is_refused():
    with pytest.raises(InputError, match="size 100: give a multiple of 32"):
        measure_cost.main({"order": MeasuredNetwork()}, size=100)


def test_counting_leaves_no_trace():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    count_flops(network, 16)
    peak_activation_bytes(network, 16)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
