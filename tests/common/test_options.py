"""Options of steps that cannot be: one line that names the option, and nothing begun."""

import importlib
import inspect

import pytest
from conftest import ROOT

from workflow_src.common.command_line import run

STEPS = sorted(
    path.stem for path in (ROOT / "workflow_src").glob("*.py") if "run(main)" in path.read_text()
)
COUNTS = ("batch", "threads", "size", "shards", "gpus", "pairs", "rounds", "every", "light")
RATES = ("per_mask", "tolerance")


def cases():
    """Each count and rate of each step."""
    for step in STEPS:
        main = importlib.import_module(f"workflow_src.{step}").main
        for name in inspect.signature(main).parameters:
            if name in COUNTS + RATES:
                yield step, name


@pytest.fixture
def said(monkeypatch, tmp_path, capsys):
    """A function that calls a step with options: what it says as it ends."""
    monkeypatch.chdir(tmp_path)

    def call(step: str, *options: str) -> str:
        monkeypatch.setattr("sys.argv", [step, *options])
        with pytest.raises(SystemExit) as ended:
            run(importlib.import_module(f"workflow_src.{step}").main)
        return capsys.readouterr().err or str(ended.value.code)

    yield call
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("step", "name"), list(cases()))
@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_count_of_none_is_refused(said, step, name, value):
    line = said(step, f"--{name}={value}")
    assert line.startswith("error: ") and line.rstrip("\n").count("\n") == 0
    assert name in line and value in line


@pytest.mark.parametrize(
    "options",
    [
        ["--recipe", '{"steps": 0}'],
        ["--recipe", '{"batch_size": 0}'],
        ["--recipe.steps", "0"],
        ["--recipe.guidance", ".nan"],
        ["--recipe", '{"step": 3}'],
        ["--recipe", '{"steps": 3'],
        ["--recipe", "nowhere.yaml"],
        ["--sede", "3"],
        ["--seed"],
        ["--seed", "1.5"],
    ],
    ids=" ".join,
)
def test_an_option_that_cannot_be_ends_in_one_line(said, options):
    given = ["--backbone=b", "--trained=t", "--output=o", "--prompt=p", "--masks=m", "--size=8"]
    line = said("paint_masks", *given, *options)
    assert line.startswith("error: ") and line.rstrip("\n").count("\n") == 0 and len(line) < 400
