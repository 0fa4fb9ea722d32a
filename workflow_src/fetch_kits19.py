"""Fetch KiTS19: 210 CT volumes and their labels, each verified; goes on where it was broken off."""

from pathlib import Path

from tqdm import tqdm

from workflow_src.command import run
from workflow_src.data.download import download, download_from_hub
from workflow_src.data.kits19 import find_cases
from workflow_src.runs import require_space, write_json

GIGABYTE = 2**30
SIZE = 30 * GIGABYTE


def main(
    output: Path,
    imaging_repository: str,
    imaging_revision: str,
    labels_url: str,
    labels_sha256: Path,
) -> None:
    """Fetch KiTS19.

    Args:
        output: root of the raw set; gets case_XXXXX/imaging.nii.gz and segmentation.nii.gz.
        imaging_repository: Hugging Face data set of the volumes.
        imaging_revision: its commit.
        labels_url: where the labels lie, with {case}.
        labels_sha256: file of the labels' checksums, a line a case.
    """
    lines = [line for line in labels_sha256.read_text().splitlines() if not line.startswith("#")]
    checksums = {case: digest for digest, case in (line.split() for line in lines)}
    print(f"KiTS19: {len(checksums)} cases, about {SIZE / GIGABYTE:.0f} GiB")
    missing = [c for c in checksums if not (output / c / "imaging.nii.gz").is_file()]
    require_space(output, SIZE * len(missing) // len(checksums), "KiTS19")
    for case in tqdm(checksums, unit="case"):
        place = output / case
        download(labels_url.format(case=case), place / "segmentation.nii.gz", checksums[case])
        if case in missing:
            hub = output / ".hub"
            files = [f"images/{case}.nii.gz"]
            download_from_hub(imaging_repository, imaging_revision, files, hub, kind="dataset")
            (hub / files[0]).rename(place / "imaging.nii.gz")
    find_cases(output)  # names a case that lacks a file
    facts = {"source": "KiTS19", "imaging": f"{imaging_repository}@{imaging_revision}"}
    write_json(output / "source.json", facts | {"labels": checksums})


if __name__ == "__main__":
    run(main)
