"""Fetching KiTS19 and the polyps from servers of our own: totals, checks, and going on."""

import hashlib
import http.server
import io
import json
import shutil
import threading
import zipfile
from pathlib import Path

import pytest
from huggingface_hub import constants

from workflow_src import fetch_kits19, fetch_polyps
from workflow_src.common.errors import InputError
from workflow_src.data.download import list_hub

CASES = ["case_00000", "case_00001", "case_00002"]
REVISION = "0123456789abcdef0123456789abcdef01234567"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server(tmp_path):
    """Address of a server on this machine, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", folder
        serving.shutdown()
        thread.join()


@pytest.fixture
def kits19(server, tmp_path, monkeypatch):
    """KiTS19 on servers: labels over HTTP, volumes in a folder that stands for the hub."""
    address, served = server
    volumes = tmp_path / "hub"
    volumes.mkdir()
    lines = ["# checksums"]
    for case in CASES:
        labels = f"labels of {case}".encode()
        (served / f"{case}.nii.gz").write_bytes(labels)
        (volumes / f"{case}.nii.gz").write_bytes(b"volume of " + case.encode() * 100)
        lines.append(f"{sha256(labels)}  {case}")
    checksums = tmp_path / "labels.sha256"
    checksums.write_text("\n".join(lines) + "\n")

    class Hub:
        listed = {f"images/{p.name}": (p.stat().st_size, sha256(p.read_bytes()))
                  for p in volumes.iterdir()}  # fmt: skip
        asked: list[str] = []

        def fetch(self, repository, revision, files, folder, kind):
            assert (repository, revision, kind) == ("someone/kits", REVISION, "dataset")
            for file in files:
                self.asked.append(file)
                place = folder / file
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(volumes / place.name, place)

        def run(self):
            url = f"{address}/{{case}}.nii.gz"
            fetch_kits19.main(tmp_path / "raw", "someone/kits", REVISION, url, checksums)

    hub = Hub()
    hub.asked, hub.volumes, hub.root, hub.served = [], volumes, tmp_path / "raw", served
    monkeypatch.setattr(fetch_kits19, "list_hub", lambda *arguments, **kind: hub.listed)
    monkeypatch.setattr(fetch_kits19, "download_from_hub", hub.fetch)
    return hub


def test_all_cases_arrive_and_the_total_is_said_first(kits19, capsys):
    kits19.run()
    for case in CASES:
        assert (kits19.root / case / "segmentation.nii.gz").read_text() == f"labels of {case}"
        volume = (kits19.root / case / "imaging.nii.gz").read_bytes()
        assert volume == (kits19.volumes / f"{case}.nii.gz").read_bytes()
    assert "KiTS19: 3 cases of 0.0 GiB; to fetch: 3 of 0.0 GiB" in capsys.readouterr().out
    facts = json.loads((kits19.root / "source.json").read_text())
    assert facts["imaging"] == f"someone/kits@{REVISION}" and list(facts["labels"]) == CASES


def test_an_interrupted_fetch_resumes_and_replaces_what_is_wrong(kits19, capsys):
    kits19.run()
    (kits19.root / "source.json").unlink()
    first, second = (kits19.root / case / "imaging.nii.gz" for case in CASES[:2])
    second.write_bytes(second.read_bytes()[:50])  # broken off
    first.write_bytes(first.read_bytes()[:-1] + b"?")  # as long as it should be, but damaged
    (kits19.root / CASES[2] / "segmentation.nii.gz").write_bytes(b"damaged")
    kits19.asked.clear()
    kits19.run()
    assert kits19.asked == [f"images/{case}.nii.gz" for case in CASES[:2]]
    assert "to fetch: 2 of" in capsys.readouterr().out
    assert (kits19.root / CASES[2] / "segmentation.nii.gz").read_text().startswith("labels")
    assert first.read_bytes() == (kits19.volumes / "case_00000.nii.gz").read_bytes()


def test_a_volume_that_is_not_the_listed_one_is_refused(kits19):
    (kits19.volumes / "case_00001.nii.gz").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"case_00001/imaging\.nii\.gz is not what someone/kits"):
        kits19.run()
    assert not (kits19.root / "source.json").exists()
    assert (kits19.root / "case_00000" / "imaging.nii.gz").exists()  # kept for the next time


def test_cases_without_imaging_are_named_before_anything_is_fetched(kits19):
    del kits19.listed["images/case_00000.nii.gz"], kits19.listed["images/case_00002.nii.gz"]
    with pytest.raises(InputError, match="holds no imaging of case_00000, case_00002"):
        kits19.run()
    assert kits19.asked == [] and not kits19.root.exists()


def test_labels_that_are_not_the_pinned_ones_are_refused(kits19):
    (kits19.served / "case_00002.nii.gz").write_bytes(b"changed")
    with pytest.raises(InputError, match=r"case_00002\.nii\.gz is not the pinned file"):
        kits19.run()


def test_labels_that_cannot_be_fetched_are_named(kits19):
    (kits19.served / "case_00001.nii.gz").unlink()
    with pytest.raises(InputError, match=r"case_00001\.nii\.gz could not be fetched"):
        kits19.run()


def test_the_hubs_sizes_and_checksums_are_read(server, monkeypatch):
    address, served = server
    place = served / "api" / "datasets" / "someone" / "kits" / "tree" / REVISION
    place.mkdir(parents=True)
    oid = "ab" * 32
    (place / "images").write_text(json.dumps([
        {"type": "file", "path": "images/big", "size": 300, "oid": "0" * 40,
         "lfs": {"oid": oid, "size": 300, "pointerSize": 130}},
        {"type": "file", "path": "images/small", "size": 3, "oid": "1" * 40},
        {"type": "directory", "path": "images/more", "oid": "2" * 40},
    ]))  # fmt: skip
    monkeypatch.setattr(constants, "ENDPOINT", address)
    found = list_hub("someone/kits", REVISION, "images", kind="dataset")
    assert found == {"images/big": (300, oid), "images/small": (3, None)}
    with pytest.raises(InputError, match="someone/other at 0123456789ab could not be fetched"):
        list_hub("someone/other", REVISION, "images", kind="dataset")


@pytest.fixture
def polyps_served(server, polyps_raw, monkeypatch) -> tuple[dict[str, str], Path]:
    """Addresses of the two archives, made of the phantoms, and the folder that is served."""
    address, served = server
    for name in ("TrainDataset", "TestDataset"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for file in (polyps_raw / name).rglob("*.*"):
                archive.write(file, file.relative_to(polyps_raw))
        (served / f"{name}.zip").write_bytes(packed.getvalue())
    monkeypatch.setattr(fetch_polyps, "GIBIBYTE", 1)
    counts = {"TrainDataset": 12, "Phantom-A": 3, "Phantom-B": 3}
    monkeypatch.setattr(fetch_polyps, "IMAGES", counts)
    names = ("TrainDataset", "TestDataset")
    return {name: f"{address}/{name}.zip" for name in names}, served


def test_polyps_are_fetched_counted_and_recorded(polyps_served, tmp_path):
    archives, served = polyps_served
    fetch_polyps.main(tmp_path / "raw", archives, {"TrainDataset": None, "TestDataset": None})
    facts = json.loads((tmp_path / "raw" / "source.json").read_text())["archives"]
    for name in archives:
        assert facts[name]["sha256"] == sha256((served / f"{name}.zip").read_bytes())
    assert len(list((tmp_path / "raw" / "TestDataset" / "Phantom-B").glob("*/*.*"))) == 6


def test_polyps_that_are_not_the_pinned_ones_are_refused(polyps_served, tmp_path):
    archives, _ = polyps_served
    with pytest.raises(InputError, match=r"TrainDataset\.zip is not the pinned file"):
        fetch_polyps.main(tmp_path / "raw", archives, {"TrainDataset": "0" * 64})


def test_a_page_in_place_of_an_archive_is_named(polyps_served, tmp_path):
    archives, served = polyps_served
    (served / "TestDataset.zip").write_text("<html>too many downloads today</html>")
    with pytest.raises(InputError, match=r"TestDataset\.zip is not a zip file"):
        fetch_polyps.main(tmp_path / "raw", archives, {})


def test_a_set_with_images_missing_is_named(polyps_served, tmp_path, monkeypatch):
    archives, _ = polyps_served
    monkeypatch.setitem(fetch_polyps.IMAGES, "Phantom-A", 60)
    with pytest.raises(InputError, match="Phantom-A holds 3 images, 60 expected"):
        fetch_polyps.main(tmp_path / "raw", archives, {})


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([f"{'a' * 64}  ../../out"], "line 1: .* is not a sha256 and a case_XXXXX"),
        ([f"{'a' * 64}  /etc/case_00000"], "line 1"),
        ([f"{'a' * 63}  case_00000"], "line 1"),
        (["# checksums", "", "case_00000"], "line 3"),
        ([f"{'a' * 64}  case_00000"] * 2, "line 2: case_00000 appears twice"),
        (["", "# nothing"], "holds no checksum"),
    ],
)
def test_a_file_of_checksums_names_the_line_that_is_wrong(lines, words, tmp_path):
    (tmp_path / "sums").write_text("\n".join(lines))
    with pytest.raises(InputError, match=words) as error:
        fetch_kits19.read_checksums(tmp_path / "sums")
    assert "\n" not in str(error.value)


def test_empty_lines_of_checksums_do_not_count(tmp_path):
    (tmp_path / "sums").write_text(f"\n# a\n{'a' * 64}  case_00001\n\n  \n")
    assert fetch_kits19.read_checksums(tmp_path / "sums") == {"case_00001": "a" * 64}
