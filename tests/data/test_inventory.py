"""What counts of a folder: its files, through links, and nothing that file managers leave."""

import os
import re

import pytest

from workflow_src.common.errors import InputError
from workflow_src.data import inventory as listing
from workflow_src.data.inventory import fingerprint, inventory


@pytest.fixture
def folder(tmp_path):
    """Two files of 3 bytes."""
    for name in ("images", "masks"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "a.png").write_text("abc")
    return tmp_path / "set"


@pytest.fixture
def held(tmp_path, monkeypatch):
    """A function that says all that is known of a folder."""
    monkeypatch.setattr(listing, "MEMORY", tmp_path / "memory")
    return lambda root: inventory(root) | {"print": fingerprint(root, tmp_path / "memory")}


def test_links_to_folders_are_followed(folder, tmp_path, held):
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("images", "masks"):
        (linked / name).symlink_to(folder / name)
    assert held(linked) == held(folder)
    assert held(linked)["files"] == 2


def test_a_link_back_to_the_folder_ends(folder, held):
    before = held(folder)
    (folder / "masks" / "again").symlink_to(folder)
    assert held(folder) == before


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._a.png", ".ipynb_checkpoints/a.png"])
def test_what_file_managers_leave_changes_nothing(folder, name, held):
    before = held(folder)
    (folder / "images" / name).parent.mkdir(exist_ok=True)
    (folder / "images" / name).write_text("x")
    assert held(folder) == before


def test_an_added_or_renamed_file_changes_the_fingerprint(folder, held):
    prints = [held(folder)["print"]]
    (folder / "images" / "b.png").write_text("abc")
    prints.append(held(folder)["print"])
    (folder / "images" / "b.png").rename(folder / "images" / "c.png")
    prints.append(held(folder)["print"])
    assert len(set(prints)) == 3


@pytest.mark.parametrize("size", [3, 2**24 + 10])
def test_a_file_edited_in_place_changes_the_fingerprint(folder, held, size):
    file = folder / "masks" / "a.bmp"
    file.write_bytes(bytes(size))
    state = file.stat()
    before = held(folder)
    file.write_bytes(bytes(size - 1) + b"x")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))  # as tools that keep dates do
    after = held(folder)
    assert after["bytes"] == before["bytes"] and after["print"] != before["print"]


def test_dates_play_no_part(folder, held):
    before = held(folder)
    os.utime(folder / "masks" / "a.png", (1, 1))
    assert held(folder) == before


def test_a_file_is_read_once(folder, held, monkeypatch):
    before = held(folder)
    monkeypatch.setattr(listing, "_content", lambda path, size: pytest.fail(f"{path} is read"))
    assert held(folder) == before


@pytest.mark.parametrize("text", ["", "[]", "{]", '{"images/a.png": []}', '{"images/a.png": 3}'])
def test_a_damaged_memory_is_none(folder, tmp_path, held, text):
    before = held(folder)
    for file in (tmp_path / "memory").iterdir():
        file.write_text(text)
    assert held(folder) == before


def test_a_memory_that_cannot_be_written_is_done_without(folder, tmp_path):
    (tmp_path / "memory").write_text("a file")
    assert fingerprint(folder, tmp_path / "memory") == fingerprint(folder, tmp_path / "other")


def test_a_pipe_is_named_and_not_waited_for(folder):
    os.mkfifo(folder / "images" / "b.png")
    with pytest.raises(InputError, match=r"b\.png is not a regular file"):
        fingerprint(folder, folder / ".memory")


def test_a_link_to_nothing_is_named(folder):
    (folder / "images" / "b.png").symlink_to(folder / "nowhere.png")
    with pytest.raises(InputError, match=re.escape(f"{folder}/images/b.png cannot be read (No")):
        inventory(folder)


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path):
    assert inventory(tmp_path / "nowhere")["files"] == 0
