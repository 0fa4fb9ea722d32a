"""Checks of what a study reads, raw sets and weights: all files are listed, samples opened."""

from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from workflow_src.common.errors import InputError
from workflow_src.data.kits19 import find_cases
from workflow_src.data.nifti import read_blocks, read_header
from workflow_src.data.photographs import find_pairs, read_image, read_mask
from workflow_src.data.prepared import file_sha256
from workflow_src.readiness.findings import Finding, guarded
from workflow_src.study.backbone import STABLE_DIFFUSION

OPENED = 12  # images of each folder; of volumes, which are large, 3


def fetching(file: Path) -> str:
    """The command that fetches a file."""
    return f"snakemake --cores 1 {file} (with the --configfile of your study, if any)"


def data_sets(config: dict) -> Iterator[Finding]:
    """Whether each raw set is there, laid out as its reading says, and readable."""
    for name, dataset in config["datasets"].items():
        subject = f"data, {name}"
        root = Path(dataset["root"] or f"data/{name}")
        if dataset["phantom"]:
            yield Finding("OK", subject, "drawn by the workflow")
        elif not dataset["root"] and not (root / "source.json").is_file():
            text = f"not here yet; on a machine with internet: {fetching(root / 'source.json')}"
            yield Finding("WARN", subject, f"{text}, or give your own as datasets.{name}.root")
        elif dataset["reading"]["format"] == "photographs":
            yield from guarded(subject, _photographs, subject, root, dataset["reading"])
        else:
            yield from guarded(subject, _volumes, subject, root)


def _photographs(subject: str, root: Path, reading: dict) -> Iterator[Finding]:
    folders = [root]
    if reading.get("test_fraction") is None:
        tests = root / "TestDataset"
        there = sorted(p.name for p in tests.iterdir() if p.is_dir()) if tests.is_dir() else []
        wanted = reading.get("test_sets")
        wanted = there if wanted is None else wanted
        folders = [root / "TrainDataset", *(tests / name for name in wanted if name in there)]
        missing = [name for name in wanted if name not in there]
        if len(folders) == 1:
            text = f"{tests} holds no test set: add one as {tests}/NAME, or set `test_fraction`"
            yield Finding("FAIL", subject, f"{text} for one folder of images/ and masks/")
        elif missing:
            text = f"test sets {', '.join(missing)} are not under {tests}: shown as not run"
            yield Finding("WARN", subject, f"{text}; add them, or cut them from `test_sets`")
    counts, opened = [], 0
    for folder in folders:
        pairs = find_pairs(folder)
        counts.append(f"{len(pairs)} in {folder.name}")
        for image, mask in _spread(pairs, OPENED):
            size, mask_size = read_image(image).shape[:2], read_mask(mask).shape
            if size != mask_size:
                raise InputError(
                    f"mask {mask} is {mask_size[1]}x{mask_size[0]} pixels but its image {image} is "
                    f"{size[1]}x{size[0]}: they must be equal; export the mask again"
                )
            opened += 1
    text = f"{', '.join(counts)}, each image with its mask; {opened} pairs opened"
    yield Finding("OK", subject, text)


def _volumes(subject: str, root: Path) -> Iterator[Finding]:
    cases = find_cases(root)
    opened = _spread(cases, 3)
    for case in opened:
        scan, labels = (read_header(case / f"{n}.nii.gz") for n in ("imaging", "segmentation"))
        if scan.shape != labels.shape:
            raise InputError(
                f"{case} has a segmentation of shape {labels.shape} and imaging of {scan.shape}: "
                "they must be equal; fetch the case again"
            )
        for _ in read_blocks(case / "segmentation.nii.gz"):
            pass
    few = "" if len(cases) >= 10 else ", too few for a study"
    text = f"{len(cases)} cases, each with imaging and segmentation{few}; {len(opened)} opened"
    yield Finding("WARN" if few else "OK", subject, text)


def _spread(items: list, number: int) -> list:
    """Up to so many of the items, evenly spread, the first and the last among them."""
    if len(items) <= number:
        return items
    return [items[round(i * (len(items) - 1) / (number - 1))] for i in range(number)]


def weights(config: dict) -> Iterator[Finding]:
    """Whether the weights that a study starts from are there, whole, and the pinned ones."""
    backbone = config["backbone"]
    if backbone["kind"] == "small":
        given = backbone["autoencoder"].get("path")
        text = "trained by the workflow" + (f", on the autoencoder {given}" if given else "")
        yield Finding("OK", "weights, backbone", text)
    else:
        yield from guarded("weights, backbone", _stable_diffusion, backbone, config["study"])
    for name, metric in config["metrics"].items():
        yield from guarded(f"weights, {name}", _metric, name, metric)


def _stable_diffusion(backbone: dict, study: str) -> Iterator[Finding]:
    subject, marker = "weights, backbone", Path(f"results/{study}/stable-diffusion/backbone.json")
    if not backbone["path"] and not marker.is_file():
        text = f"not here yet; on a machine with internet: {fetching(marker)}, or give"
        yield Finding("WARN", subject, f"{text} a folder of Stable Diffusion 1.5 as backbone.path")
        return
    place = Path(backbone["path"] or marker.parent)
    lacking = [part for part in STABLE_DIFFUSION if place.is_dir() and not (place / part).is_dir()]
    if lacking:
        raise InputError(f"{place} lacks {', '.join(lacking)}: fetch the whole model")
    parts = ("unet", "vae", "text_encoder")
    files = [place] if place.is_file() else [f for p in parts for f in _weights_of(place / p)]
    for file in files:
        try:
            with safe_open(file, framework="np"):  # compares the file's size with its header
                pass
        except (SafetensorError, OSError) as error:
            raise InputError(f"{file} is damaged ({error}): fetch it again") from error
    pinned = {} if backbone["path"] else backbone["sha256"]
    for file, expected in pinned.items():
        if file_sha256(place / file) != expected:
            raise InputError(f"{place / file} is not the pinned file: remove it and fetch it again")
    size = sum(file.stat().st_size for file in files) / 2**30
    text = f"{place}, {len(files)} whole files of {size:.1f} GiB"
    yield Finding("OK", subject, text + (f", {len(pinned)} as pinned" if pinned else ""))


def _weights_of(folder: Path) -> list[Path]:
    """The weights' files of a part of the model, as diffusers would load them."""
    files = sorted(folder.glob("*model*.safetensors"))
    if not files:
        raise InputError(f"{folder} holds no *model.safetensors: fetch the whole model")
    return files


def _metric(name: str, metric: dict) -> Iterator[Finding]:
    subject, path = f"weights, {name}", metric["path"]
    if path == "stand-in":
        yield Finding("OK", subject, "a stand-in: its scores compare only within this study")
        return
    file = Path(path or f"resources/metrics/{Path(metric['url']).name}")
    remove = f"remove it, then: {fetching(file)}"
    if not file.is_file():
        text = f"not here yet; on a machine with internet: {fetching(file)}"
        yield Finding("WARN", subject, f"{text}, or give it as metrics.{name}.path")
    elif file_sha256(file) == metric["sha256"]:
        yield Finding("OK", subject, f"{file}, as pinned")
    elif path:
        text = f"{file} is not the pinned file: scores compare with nobody else's; null fetches it"
        yield Finding("WARN", subject, text)
    else:
        yield Finding("FAIL", subject, f"{file} is not the pinned file: {remove}")
