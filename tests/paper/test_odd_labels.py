"""Labels that mean something to LaTeX, matplotlib or HTML are shown as they are."""

import pytest

from workflow_src.paper.style import plt, save
from workflow_src.paper.tables import to_latex

ODD = ["$", "a $ b", "$x_{", "{x}", "100 % & more_", r"\alpha", "~^#", "ä"]


def test_a_figure_is_drawn_with_any_labels(tmp_path):
    figure, axis = plt.subplots()
    for label in ODD:
        axis.plot([0, 1], label=label)
    axis.set_title(" ".join(ODD))
    axis.legend()
    save(figure, tmp_path / "figure")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".pdf", ".png"]


@pytest.mark.parametrize("label", ODD)
def test_a_label_is_no_command_in_latex(label):
    table = (["Dice"], [{"label": label, "cells": [{"best": False, "ours": "1", "rest": ""}]}])
    row = next(line for line in to_latex("T", table, [], [], "1").splitlines() if "& 1" in line)
    shown = row.split(" & 1")[0]
    for character in "$%&_#":
        assert shown.count(character) == shown.count(f"\\{character}") == label.count(character)
