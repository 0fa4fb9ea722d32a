"""Unpacking an archive that may be hostile: links, paths, bombs and lies are refused."""

import stat
import zipfile
from pathlib import Path

import pytest

from workflow_src.common.errors import InputError
from workflow_src.data.archives import unpack


def zipped(place: Path, *entries: zipfile.ZipInfo | str, content: bytes = b"abc") -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            archive.writestr(entry, content)
    return place


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["../out.txt"], "leads out of the folder"),
        (["a/../../out.txt"], "leads out of the folder"),
        (["/out.txt"], "leads out of the folder"),
        (["..\\out.txt"], "leads out of the folder"),
        ([entry("link", stat.S_IFLNK | 0o777)], "is a link or device"),
        ([entry("pipe", stat.S_IFIFO | 0o777)], "is a link or device"),
        (["a" * 300], "name that is too long"),
        (["ü" * 200], "name that is too long"),
    ],
)
def test_an_archive_of_anything_but_plain_files_is_refused(entries, words, tmp_path):
    archive = zipped(tmp_path / "a.zip", *entries)
    with pytest.raises(InputError, match=rf"a\.zip holds .*{words}") as error:
        unpack(archive, tmp_path / "out" / "folder", most=2**20)
    assert "\n" not in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


def test_an_encrypted_archive_is_refused(tmp_path):
    archive = zipped(tmp_path / "a.zip", "a.txt")
    content = bytearray(archive.read_bytes())
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(sign) + place] |= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match="is encrypted"):
        unpack(archive, tmp_path / "out", most=2**20)


def test_a_zip_bomb_is_refused_by_its_directory(tmp_path):
    archive = zipped(tmp_path / "a.zip", "a.txt", content=bytes(2**22))
    with pytest.raises(InputError, match="would unpack to 1 files of 4 MiB, 1 MiB at most"):
        unpack(archive, tmp_path / "out", most=2**20)
    assert not (tmp_path / "out").exists()


def test_a_directory_that_lies_gets_no_more_than_it_promised(tmp_path):
    archive = zipped(tmp_path / "a.zip", "a.txt", content=bytes(2**22))
    content = archive.read_bytes().replace((2**22).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    archive.write_bytes(content)
    with pytest.raises(InputError, match="or damaged"):
        unpack(archive, tmp_path / "out", most=2**20)
    assert sum(p.stat().st_size for p in tmp_path.rglob("*.txt")) < 100
