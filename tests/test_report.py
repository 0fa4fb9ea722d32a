"""The report: tables read whole from Markdown, warnings where they are due, one file for all."""

import base64
import re

import pytest

from workflow_src import make_report

LONG = "Unstable (gradient_spike, loss_spike, weight_max, weight_mean) (Unstable)"
TABLE = f"""# Table 4: Ablation of <LAW>

|     | FID ↓         | Stability |
|:----|:--------------|:----------|
| LAW | 60.50 (52.28) | {LONG}    |

- Seeds: 0, 1 & 2; p < 0.05.
"""


@pytest.fixture
def report(tmp_path):
    """A function that makes the report of a table and returns its text."""

    def write(table: str = TABLE, phantom=None) -> str:
        (tmp_path / "table4.md").write_text(table)
        (tmp_path / "figure6.png").write_bytes(b"a picture")
        make_report.main(
            "mine",
            [tmp_path / "table4.md"],
            [tmp_path / "figure6.png"],
            {"datasets": {"polyps": {"label": "A < B", "phantom": phantom}}},
            tmp_path / "report.html",
        )
        return (tmp_path / "report.html").read_text()

    return write


def test_cells_are_shown_whole(report):
    cells = re.findall(r"<td>(.*?)</td>", report())
    assert cells == ["LAW", "60.50 (52.28)", LONG]


def test_what_looks_like_html_is_shown_as_text(report):
    html = report()
    assert "Ablation of &lt;LAW&gt;" in html
    assert "Seeds: 0, 1 &amp; 2; p &lt; 0.05." in html
    assert "label: A &lt; B" in html


def test_stand_ins_and_phantoms_are_said_and_only_where_they_are(report):
    assert "warning" not in report().partition("<body>")[2]
    assert "say nothing about the paper's numbers" in report(
        TABLE.replace("FID ↓", "FID ↓ [stand-in: random features]")
    ).replace("&#39;", "'")
    assert "drawn phantoms" in report(phantom={"kind": "polyps"})


def test_pictures_are_within_the_file(report):
    html = report()
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert base64.b64decode(picture[1]) == b"a picture"
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
