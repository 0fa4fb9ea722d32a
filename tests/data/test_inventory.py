"""What counts of a folder: its files, through links, and nothing that file managers leave."""

import re

import pytest

from workflow_src.common.errors import InputError
from workflow_src.data.inventory import inventory


@pytest.fixture
def folder(tmp_path):
    """Two files of 3 bytes."""
    for name in ("images", "masks"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "a.png").write_text("abc")
    return tmp_path / "set"


def test_links_to_folders_are_followed(folder, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("images", "masks"):
        (linked / name).symlink_to(folder / name)
    assert inventory(linked) == inventory(folder)
    assert inventory(linked)["files"] == 2


def test_a_link_back_to_the_folder_ends(folder):
    before = inventory(folder)
    (folder / "masks" / "again").symlink_to(folder)
    assert inventory(folder) == before


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._a.png"])
def test_what_file_managers_leave_changes_nothing(folder, name):
    before = inventory(folder)
    (folder / "images" / name).write_text("x")
    assert inventory(folder) == before


def test_an_added_file_changes_the_fingerprint(folder):
    before = inventory(folder)
    (folder / "images" / "b.png").write_text("abc")
    assert inventory(folder)["fingerprint"] != before["fingerprint"]


def test_a_link_to_nothing_is_named(folder):
    (folder / "images" / "b.png").symlink_to(folder / "nowhere.png")
    with pytest.raises(InputError, match=re.escape(f"{folder}/images/b.png cannot be read (No")):
        inventory(folder)


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path):
    assert inventory(tmp_path / "nowhere")["files"] == 0
