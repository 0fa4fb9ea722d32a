"""The figures of distances and copies: drawn, and from the numbers they should be drawn from."""

import numpy as np
import pytest
from PIL import Image

from workflow_src import plot_copies, plot_distances
from workflow_src.common.outputs import write_json
from workflow_src.paper.style import plt


def features(**by_images: list[float]) -> dict:
    """What one extractor's features gave, by the number of images."""
    draws = {name.removeprefix("n"): values for name, values in by_images.items()}
    return {"extractor": "A network", "resize": "to 64", "dimensions": 100, "by_images": draws}


@pytest.fixture
def scores(tmp_path):
    """Two methods, whose order the second extractor turns round, and the floors."""
    methods = {
        "Uniform": {"one": features(n4=[90, 92], n8=[70, 72]), "two": features(n4=[3], n8=[2])},
        "LAW": {"one": features(n4=[80, 82], n8=[50, 52]), "two": features(n4=[9], n8=[8])},
    }
    for label, facts in methods.items():
        write_json(tmp_path / f"{label}.json", facts | {"images": 8})
    floor = {"one": features(n4=[20, 24], n8=[10, 13]), "two": features(n4=[2], n8=[1])}
    tested = {name: features(n4=[21, 23]) for name in floor}
    write_json(tmp_path / "real_halves.json", floor | {"images": 8, "data": {}})
    write_json(tmp_path / "real_test.json", tested | {"images": 4, "data": {}})
    return {label: [tmp_path / f"{label}.json"] for label in methods}


@pytest.fixture
def kept(monkeypatch):
    """The figures that were saved, still open."""
    found = []
    monkeypatch.setattr(plot_distances, "save", lambda figure, output: found.append(figure))
    yield found
    plt.close("all")


def test_distances_stand_beside_the_floor_at_as_many_images(scores, kept, tmp_path):
    plot_distances.main(scores, tmp_path, tmp_path / "figure")
    (figure,) = kept
    left, right, second, _ = figure.axes
    drawn = {tuple(np.ravel(line.get_xdata())) for line in left.lines}
    assert {(70, 72), (71,), (50, 52), (51,), (21, 23)} <= drawn  # of 8 images each, and 4 tested
    band = left.patches[0].get_extents().transformed(left.transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((10, 13))
    assert [text.get_text() for text in left.texts] == ["2.", "1."]
    assert [text.get_text() for text in second.texts] == ["1.", "2."]
    assert "Kendall's τ -1.00" in second.get_title() and "τ" not in left.get_title()
    curve = {line.get_label(): line.get_ydata().tolist() for line in right.lines}
    assert curve == {"LAW": [81, 51], "real halves": [22, 11.5]}


def test_distances_are_drawn_whole(scores, tmp_path):
    plot_distances.main(scores, tmp_path, tmp_path / "figure")
    assert (tmp_path / "figure.pdf").read_bytes()[:5] == b"%PDF-"
    assert np.asarray(Image.open(tmp_path / "figure.png").convert("L")).std() > 5


def test_copies_are_drawn_beside_their_training_images(polyps, tmp_path, monkeypatch):
    train, test = polyps.rows("train"), polyps.rows("test")
    facts = {"extractor": "A network", "copies": 0.5,
             "closest_pairs": [[int(test[0]), int(train[1]), 0.5]] * 8}  # fmt: skip
    write_json(tmp_path / "real_test.json", {"one": facts})
    made = facts | {"copies": None, "closest_pairs": [[int(train[2]), int(train[3]), 2.5]] * 8}
    write_json(tmp_path / "law.json", {"one": made})
    shown = []
    monkeypatch.setattr(plot_copies, "show", lambda axis, image: shown.append(image))
    plot_copies.main(
        polyps.folder, tmp_path / "real_test.json", {"LAW (ours)": polyps.folder},
        {"LAW (ours)": [tmp_path / "law.json"]}, "one", tmp_path / "copies", pairs=1,
    )  # fmt: skip
    for image, row in zip(shown, (test[0], train[1], train[2], train[3]), strict=True):
        np.testing.assert_array_equal(image, polyps.image(row))
    assert (tmp_path / "copies.png").is_file() and (tmp_path / "copies.pdf").is_file()
