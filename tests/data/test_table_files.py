"""Tables that one step hands another: whole, with rows, and as their step wrote them."""

import json

import pytest
from conftest import hashed

from workflow_src import score_stability
from workflow_src.common.errors import InputError
from workflow_src.data.tables import read_table
from workflow_src.metrics.stability import COLUMNS
from workflow_src.study.stability import StabilityLimits

HEADINGS = ",".join(["step", *COLUMNS])
ROW = ",".join(["1"] * (len(COLUMNS) + 1))


@pytest.fixture
def log(tmp_path):
    """The log of a training, beside its marker."""
    file = tmp_path / "log.csv"
    file.write_text("\n".join([HEADINGS, ROW, ROW, ROW, ""]))
    signed(file)
    return file


def signed(log) -> None:
    facts = hashed(log.parent, log.name)
    log.with_name("recipe.json").write_text(json.dumps(facts))


def judged(log) -> None:
    score_stability.main(log, log.with_name("stability.json"), StabilityLimits())


def test_a_whole_log_is_judged(log):
    judged(log)
    assert json.loads(log.with_name("stability.json").read_text())["stable"]


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_log_that_was_cut_is_not_judged(log, rows):
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[: rows + 1]))
    with pytest.raises(InputError, match=r"log\.csv was changed or damaged"):
        judged(log)
    assert not log.with_name("stability.json").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is damaged"),
        (f"{HEADINGS}\n", "has no rows"),
        (f"step,loss\n{ROW[:3]}\n", "lacks loss_max"),
        (f"{HEADINGS}\n{ROW},1,1\n{ROW}\n", "longer than its headings"),
    ],
)
def test_a_log_that_holds_no_training_is_not_called_stable(log, content, words):
    log.write_text(content)
    signed(log)
    with pytest.raises(InputError, match=words) as error:
        judged(log)
    assert "\n" not in str(error.value) and "log.csv" in str(error.value)


def test_a_marker_of_an_earlier_version_is_named(log):
    log.with_name("recipe.json").write_text("{}")
    with pytest.raises(InputError, match=r"recipe\.json is from another version .* make it again"):
        judged(log)


def test_text_that_looks_like_a_number_stays_text(tmp_path):
    (tmp_path / "a.csv").write_text("stem,dice\n007,nan\nnan,0.5\n")
    table = read_table(tmp_path / "a.csv", "stem")
    assert table.stem.tolist() == ["007", "nan"]
    assert table.dice.isna().tolist() == [True, False]
