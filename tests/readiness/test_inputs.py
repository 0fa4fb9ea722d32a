"""Data sets and weights are checked before a study: each fault is named, with its remedy."""

import shutil

import numpy as np
import pytest
from findings import said
from PIL import Image
from safetensors.numpy import save_file

from workflow_src import keep_backbone, prepare_data
from workflow_src.common.errors import InputError
from workflow_src.data.pairs import find_pairs
from workflow_src.preflight import findings as preflight_findings
from workflow_src.readiness import inputs


def test_raw_sets_are_counted_and_opened(paper, polyps_raw, kidneys_raw):
    paper["datasets"]["polyps"]["root"] = str(polyps_raw)
    paper["datasets"]["polyps"]["reading"]["test_sets"] = ["Phantom-A", "Phantom-B", "ETIS"]
    paper["datasets"]["kits19"]["root"] = str(kidneys_raw)
    levels, text = said(inputs.data_sets(paper))
    assert levels == ["WARN", "OK", "WARN", "OK"]  # a test set is lacking; few cases
    assert "test set ETIS is not under" in text
    assert "12 in TrainDataset, 3 in Phantom-A, 3 in Phantom-B" in text
    assert "opened: 18" in text and "5 cases" in text and "too few" in text


@pytest.mark.parametrize("fault", ["cut image", "no mask", "no test set"])
def test_a_faulty_set_is_refused(fault, paper, polyps_raw, tmp_path):
    root = tmp_path / "polyps"
    shutil.copytree(polyps_raw, root)
    image = find_pairs(root / "TrainDataset")[0][0]
    if fault == "cut image":
        image.write_bytes(image.read_bytes()[:200])
    elif fault == "no mask":
        (image.parent.parent / "masks" / image.with_suffix(".png").name).unlink()
    else:
        shutil.rmtree(root / "TestDataset")
    paper["datasets"] = {"polyps": paper["datasets"]["polyps"] | {"root": str(root)}}
    levels, text = said(inputs.data_sets(paper))
    assert "FAIL" in levels
    assert ("TestDataset" if fault == "no test set" else str(image)) in text


def test_one_folder_that_is_split_is_ready(paper, polyps_raw, tmp_path):
    paper["datasets"]["polyps"] |= {"root": str(polyps_raw / "TrainDataset")}
    paper["datasets"]["polyps"]["reading"] |= {"test_sets": None, "test_fraction": 0.2}
    for thorough in (False, True):
        levels, text = said(inputs.data_sets(paper, thorough))
        assert levels[0] == "OK" and "12 in TrainDataset" in text


def harm_mask(root):
    mask = find_pairs(root / "TrainDataset")[5][1]
    Image.fromarray(np.kron([[0, 127], [255, 0]], np.ones((32, 32))).astype(np.uint8)).save(mask)


def harm_image(root):
    image = find_pairs(root / "TestDataset" / "Phantom-A")[1][0]
    image.write_bytes(image.read_bytes()[:300])


def nest(root):
    folder = root / "TrainDataset" / "images"
    (folder / "more").mkdir()
    next(folder.glob("*.png")).rename(folder / "more" / "x.png")


def dangle(root):
    (root / "TrainDataset" / "images" / "99.png").symlink_to(root / "nowhere.png")


def turn(root):
    image = find_pairs(root / "TrainDataset")[3][0]
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(image).save(image, exif=exif)


def invert(root):
    for _, mask in find_pairs(root / "TestDataset" / "Phantom-B"):
        Image.fromarray(255 - np.asarray(Image.open(mask).convert("L"))).save(mask)


def two_pages(root):
    mask = find_pairs(root / "TestDataset" / "Phantom-A")[0][1]
    Image.open(mask).save(mask.with_suffix(".tif"), save_all=True, append_images=[Image.open(mask)])
    mask.unlink()


@pytest.mark.parametrize(
    "harm", [harm_mask, harm_image, nest, dangle, turn, invert, two_pages], ids=lambda f: f.__name__
)
def test_preflight_refuses_what_preparation_refuses_and_goes_on(
    harm, paper, polyps_raw, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(polyps_raw, tmp_path / "raw")
    harm(tmp_path / "raw")
    paper["datasets"]["polyps"]["root"] = str(tmp_path / "raw")
    paper["datasets"]["polyps"]["reading"]["test_sets"] = None
    reading = prepare_data.Reading(**paper["datasets"]["polyps"]["reading"])
    with pytest.raises(InputError) as error:
        prepare_data.main(tmp_path / "raw", tmp_path / "out", reading, size=32)
    found = [f for f in preflight_findings(paper, thorough=True) if f.subject == "data, polyps"]
    assert [f.level for f in found if f.level != "WARN"] == ["FAIL"]
    if harm is dangle:  # which the listing of the folder refuses before
        assert "99.png cannot be read" in found[-1].text
    else:
        assert found[-1].text == str(error.value)


def test_weights_are_whole_and_pinned(paper, tmp_path):
    for part in inputs.STABLE_DIFFUSION:
        (tmp_path / part).mkdir()
    for part in ("unet", "vae", "text_encoder"):
        save_file({"a": np.zeros(1000, np.float32)}, tmp_path / part / "model.safetensors")
    other = tmp_path / "inception.pth"
    other.write_bytes(b"something else")
    paper["backbone"]["path"] = str(tmp_path)
    paper["metrics"]["extractors"]["inception"]["path"] = str(other)
    levels, text = said(inputs.weights(paper))
    assert levels == ["OK", "WARN", "WARN", "WARN", "OK"]
    assert "3 whole files" in text and "inception.pth is not the pinned file" in text
    assert "snakemake --cores 1 resources/metrics/clip/open_clip_model.safetensors (with" in text
    cut = tmp_path / "vae" / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-8])
    levels, text = said(inputs.weights(paper))
    assert levels[0] == "FAIL" and f"{cut} is damaged" in text
    shutil.rmtree(tmp_path / "tokenizer")
    levels, text = said(inputs.weights(paper))
    assert levels[0] == "FAIL" and "lacks tokenizer" in text


def test_a_given_small_backbone_is_whole(paper, backbone, tmp_path):
    paper["backbone"] |= {"kind": "small", "path": str(tmp_path)}
    for name in ("polyps", "kits19"):
        keep_backbone.main(backbone, tmp_path / name)
    levels, text = said(inputs.weights(paper))
    assert levels[:2] == ["OK", "OK"] and f"{tmp_path / 'kits19'}, each file as" in text
    shutil.rmtree(tmp_path / "polyps")
    config = tmp_path / "kits19" / "vae" / "config.json"
    config.write_text(config.read_text() + " ")
    levels, text = said(inputs.weights(paper))
    assert levels[:2] == ["FAIL", "FAIL"]
    assert "lacks polyps/backbone.json" in text and f"{config} was changed" in text


def test_a_fetched_file_that_is_not_the_pinned_one_is_refused(paper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "resources/metrics/clip/open_clip_model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"cut")
    levels, text = said(inputs.weights(paper))
    assert levels[2] == "FAIL" and "remove it, then: snakemake --cores 1 resources" in text
    paper["metrics"]["extractors"]["clip"]["sha256"] = inputs.file_sha256(file)
    assert said(inputs.weights(paper))[0][2] == "OK"
