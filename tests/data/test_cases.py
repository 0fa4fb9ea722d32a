"""Cases of photographs: tables, patterns, guesses, and splits that part none of them."""

import re

import numpy as np
import pytest
from conftest import ROOT, raw_set
from PIL import Image

from workflow_src.common.errors import InputError
from workflow_src.data.cases import guess_cases, name_cases, read_table
from workflow_src.data.photographs import Photographs
from workflow_src.data.prepared import Record


def records(*stems: str, source: str = "mine") -> list[Record]:
    return [Record(stem, source, "", "train", 8, 8) for stem in stems]


def named(found: list[Record], folders=(), table=None, pattern=None) -> list[str]:
    name_cases(found, list(folders), table, pattern)
    return [record.case for record in found]


@pytest.fixture
def table(tmp_path):
    """A function that writes a table of cases."""

    def write(*lines: str, name: str = "cases.csv"):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return write


def test_a_table_beside_the_images_names_every_case(tmp_path, table):
    table("stem,case", "a,Ann", "b,Ann", "c,Bob")
    assert named(records("a", "b", "c"), [tmp_path] * 3) == ["Ann", "Ann", "Bob"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["stem,case", "a,Ann"], "has no row for b"),
        (["stem,case", "a,Ann", "b,Bob", "z,Bob"], "names z"),
        (["stem,case", "a,Ann", "b,"], "line 3"),
        (["image,patient", "a,Ann"], "under the headings stem,case"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, table, lines, message):
    path = table(*lines)
    with pytest.raises(InputError, match=message) as error:
        named(records("a", "b"), [tmp_path] * 2)
    assert str(path) in str(error.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match="none.csv is not a readable table"):
        read_table(tmp_path / "none.csv")


def test_rows_count_where_all_their_sources_are_read(table):
    path = table("sources,stem,case", "one|two,1,first", "one|two,2,first", name="any.csv")
    both = records("1", source="one") + records("2", source="two")
    assert named(both, table=path) == ["first", "first"]
    assert named(records("1", source="one"), table=path) == [""]
    other = records("1", source="one") + records("7", source="two")
    with pytest.raises(InputError, match="names 2 of one|two, which is not there"):
        named(other, table=path)


def test_a_pattern_takes_the_case_from_the_name():
    stems = ("p01_left", "p01_right", "p02_left", "x")
    assert named(records(*stems), pattern=r"^(p\d+)_") == ["p01", "p01", "p02", ""]
    assert named(records("a", "b"), pattern="(.+)") == ["a", "b"]


@pytest.mark.parametrize("pattern", ["p[", r"p\d+"])
def test_a_pattern_that_names_no_case_is_refused(pattern):
    with pytest.raises(InputError, match=re.escape(pattern)):
        named(records("p1"), pattern=pattern)


def test_a_guess_joins_what_is_nearly_the_same_and_frames_that_follow():
    rng = np.random.default_rng(0)
    scene, other = rng.uniform(0, 255, (2, 1024))

    def seen(amount: float, of: np.ndarray = scene) -> np.ndarray:
        return of + amount * rng.standard_normal(1024)

    images = records("v1", "v2", "v9", "w3", "w4") + records("v3", source="yours")
    # v2 follows v1; v9 is a copy of v2 with noise; w3 is far from v9 in name, and from w4 in look.
    thumbnails = [scene, seen(15), None, seen(15), seen(15, other), seen(15)]
    thumbnails[2] = thumbnails[1] + 3 * rng.standard_normal(1024)
    guess_cases(images, np.stack(thumbnails))
    assert [r.case for r in images] == ["mine/v1"] * 3 + ["mine/w3", "mine/w4", "yours/v3"]


def test_one_folder_is_split_by_case(pair_folder):
    names = {f"p{i % 5}_{i}.png": (8, 8) for i in range(30)}
    folder = pair_folder("mine", names, names)
    raw = raw_set(
        Photographs, folder, test_fraction=0.4, validation_fraction=0.3, case_pattern=r"(p\d)_"
    )
    splits = {r.case: {s.split for s in raw.records if s.case == r.case} for r in raw.records}
    assert sorted(map(len, splits.values())) == [1] * 5
    assert sorted(s for split in splits.values() for s in split) == ["test"] * 2 + ["train"] * 2 + [
        "val"
    ]
    assert raw.guessed == set()


def test_frames_of_a_video_stay_together(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for number in range(12):
        if number % 4 == 0:  # a scene of four frames
            scene = rng.integers(0, 200, (32, 32, 3))
        frame = scene + rng.integers(0, 30, scene.shape)
        Image.fromarray(frame.astype(np.uint8)).save(tmp_path / "images" / f"{number}.png")
        Image.fromarray(np.eye(32, dtype=np.uint8)).save(tmp_path / "masks" / f"{number}.png")
    raw = raw_set(Photographs, tmp_path, test_fraction=0.34)
    assert [int(r.case.split("/")[1]) for r in raw.records] == [n // 4 * 4 for n in range(12)]
    assert {len({r.split for r in raw.records if r.case == c}) for c in raw.guessed} == {1}
    assert len(raw.guessed) == 3


def test_the_published_sequences_of_clinicdb():
    rows = read_table(ROOT / "config" / "clinicdb_sequences.csv")
    assert [int(row["stem"]) for row in rows] == list(range(1, 613))
    sequences = [int(row["case"].removeprefix("CVC-ClinicDB sequence ")) for row in rows]
    assert sequences == sorted(sequences) and set(sequences) == set(range(1, 30))
    assert sequences.count(1) == 25 and sequences.count(10) == 6 and sequences.count(29) == 21
