"""The segmenters' benchmarks run, at sizes that say nothing about speed."""

import importlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from conftest import ROOT


@pytest.fixture
def script(monkeypatch):
    """A function that imports one of benchmarks/."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


def rows(text: str) -> list[list[str]]:
    """Cells of a Markdown table's rows, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_training_steps(script, capsys, monkeypatch):
    training = script("segmenter_training")
    monkeypatch.setattr(training.training, "compiled", lambda model: model)  # takes minutes
    training.main(["order"], batches=[2], size=32, rounds=1)
    found = rows(capsys.readouterr().out)
    sides = ["plain", "eager", "compiled", "floor: operations", "floor: memory"]
    assert [row[:3] for row in found] == [["order", "2", side] for side in sides]
    rates = [float(row[3]) for row in found]
    assert 0 < max(rates[:3]) < min(rates[3:])  # nothing is faster than the machine


def test_the_plain_step_and_ours_have_the_same_gradients(script):
    training = script("segmenter_training")
    x, y = torch.randn(2, 3, 64, 64).double(), torch.ones(2, 1, 64, 64).double()
    gradients = []
    for plain in (True, False):
        torch.manual_seed(0)
        network = training.build_segmenter("order").double()
        recipe = training.SegmenterRecipe(architecture="order")
        step = training.Plain(network, x, y) if plain else training.Ours(network, recipe, x, y)
        step.optimizer.register_step_pre_hook(
            lambda *_, network=network: gradients.append(
                {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
            )
        )
        step()
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_loading(script, capsys, tmp_path):
    script("segmenter_loader").main(
        tmp_path, sizes=[32], batch=2, images=6, side=40, rounds=1, compile="off"
    )
    found = rows(capsys.readouterr().out)
    assert [row[:3] for row in found] == [["mkunet", "resize", "32"], ["mkunet", "crop", "32"]]
    assert all(float(cell) > 0 for row in found for cell in row[3:])


def test_attention(script, capsys, monkeypatch):
    attention = script("order_attention")
    # Processes of their own would take seconds to start.
    monkeypatch.setattr(attention, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))
    attention.main(sides=[8], batch=2, grid=4, rounds=1, limit=8e-5)
    found = rows(capsys.readouterr().out)
    assert [row[:3] for row in found] == [
        [f"{side} x {side}", images, way]
        for side, images in (("4", "2"), ("8", "1"))
        for way in ("fused", "equations")
    ]
    assert "not run" in found[3][3]  # 6 matrices of 64 x 64 are 96 KiB
    assert all(float(row[3]) > 0 for row in found[:3])


def test_segmentation_scores(script, capsys, monkeypatch):
    scores = script("segmentation_scores")
    monkeypatch.setattr(
        scores, "LOADING", "import json; print(1.0) # {0} {1}"
    )  # takes half a minute
    scores.main(sides=[32], images=1)
    ((side, *times),) = rows(capsys.readouterr().out)
    assert side == "32" and all(float(cell) >= 0 for cell in times)


def test_extractor_sides(script, capsys, polyps):
    script("extractor_sides").main(polyps.folder, polyps.folder, sides=[32, 64], images=4)
    found = rows(capsys.readouterr().out)
    assert [row[0] for row in found] == ["32", "64"]
    assert all(float(cell) > 0 for row in found for cell in row[1:])


@pytest.fixture
def gpu(script, monkeypatch, tmp_path):
    """A function that runs benchmarks/gpu.py with options, and gives the page that it wrote."""
    module = script("gpu")

    def run(*options: str) -> str:
        page = tmp_path / "page.md"
        monkeypatch.setattr("sys.argv", ["gpu.py", f"--output={page}", *options])
        module.main()
        return page.read_text()

    return run


def test_what_a_comparison_lacks_is_named_and_the_others_run(gpu, script, monkeypatch, tmp_path):
    (tmp_path / "lacking.py").write_text("import a_package_that_is_not_there")
    (tmp_path / "fine.py").write_text("print('| a | table |')")
    (tmp_path / "failing.py").write_text("raise RuntimeError('CUDA error')")
    module = script("gpu")
    monkeypatch.setattr(module, "HERE", tmp_path)
    scripts = {"sampling": ["lacking.py"], "attention": ["fine.py"], "methods": ["failing.py"]}
    monkeypatch.setattr(module, "PAPER", scripts)
    page = gpu("--only", "sampling", "attention")
    assert "Not run: No module named 'a_package_that_is_not_there'." in page
    assert "| a | table |" in page and "PyTorch" in page
    with pytest.raises(SystemExit, match=r"failed: ControlNet training: the methods"):
        gpu("--only", "methods", "attention")
    assert "Failed: `RuntimeError: CUDA error`" in (tmp_path / "page.md").read_text()


@pytest.mark.slow
def test_every_comparison_for_a_gpu_runs(gpu, script, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # The segmenters' compiles, for minutes: test_training_steps runs it without.
    others = [name for name in script("gpu").TITLES if name != "segmenters"]
    page = gpu("--toy", "--only", *others)
    assert "Not run" not in page and page.count("\n## ") == page.count("\n|---") == len(others)


def test_several_gpus_on_paper(script, capsys):
    module = script("several_gpus")
    module.main(gpus=(1, 2, 8))
    found = rows(capsys.readouterr().out)
    assert [row[1] for row in found] == ["1", "2", "8"] * 4
    for one, *others in (found[start : start + 3] for start in range(0, 12, 3)):
        assert one[3] == "100%" and float(one[4]) == float(one[5])
        assert 100 > int(others[0][3][:-1]) > int(others[1][3][:-1])
    # By hand: 32 images of 1.46 tera-operations at 93.6 a second, and 28 bytes of 873.1 million
    # weights at 1555 GB/s.
    alone = module.seconds_of_step(module.ControlNetRecipe(), False, 1, link=1.0)
    assert alone == pytest.approx(32 * 1.46 / 93.6 + 28 * 0.8731 / 1555, rel=1e-4)
    # Over a slow link, the sum of 3.4924 GB, less what the backward part of 4 images hides of it.
    two = module.seconds_of_step(module.ControlNetRecipe(), False, 2, link=10.0)
    more = 3.4924 / 7 - 4 * 1.46 / 93.6 * 2 / 3
    assert two == pytest.approx(16 * 1.46 / 93.6 + more + 28 * 0.8731 / 1555, rel=1e-4)
