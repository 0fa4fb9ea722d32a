"""Fetch KiTS19: 210 CT volumes and their labels, each verified; goes on where it was broken off."""

from pathlib import Path

from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import require_space, write_json
from workflow_src.data.arrays import file_sha256
from workflow_src.data.download import download, download_from_hub, list_hub
from workflow_src.data.kits19 import find_cases

GIBIBYTE = 2**30


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
    imaging = find_imaging(imaging_repository, imaging_revision, list(checksums))
    sizes = {case: size for case, (size, _) in imaging.items()}
    lacking = [case for case in checksums if not is_right(output / case, *imaging[case])]
    total, rest = sum(sizes.values()), sum(sizes[case] for case in lacking)
    print(
        f"KiTS19: {len(checksums)} cases of {total / GIBIBYTE:.1f} GiB; "
        f"to fetch: {len(lacking)} of {rest / GIBIBYTE:.1f} GiB"
    )
    require_space(output, rest, "KiTS19")
    for case in tqdm(checksums, unit="case"):
        labels = output / case / "segmentation.nii.gz"
        download(labels_url.format(case=case), labels, checksums[case])
    hub = output / ".hub"
    with tqdm(total=rest, unit="B", unit_scale=True) as bar:
        for case in lacking:
            file = f"images/{case}.nii.gz"
            download_from_hub(imaging_repository, imaging_revision, [file], hub, kind="dataset")
            (hub / file).replace(output / case / "imaging.nii.gz")
            if not is_right(output / case, *imaging[case]):
                raise InputError(
                    f"{output / case}/imaging.nii.gz is not what {imaging_repository} lists: "
                    "start again, and what is right already is kept"
                )
            bar.update(sizes[case])
    find_cases(output)  # names a case that lacks a file
    facts = {"source": "KiTS19", "imaging": f"{imaging_repository}@{imaging_revision}"}
    write_json(output / "source.json", facts | {"labels": checksums})


def find_imaging(repository: str, revision: str, cases: list[str]) -> dict[str, tuple]:
    """Size and sha256 of each case's volume, as the repository lists them.

    Raises:
        InputError: naming the cases whose volumes it does not hold.
    """
    listed = list_hub(repository, revision, "images", kind="dataset")
    missing = [case for case in cases if f"images/{case}.nii.gz" not in listed]
    if missing:
        raise InputError(
            f"{repository} at {revision[:12]} holds no imaging of {', '.join(missing)}: remove "
            "them from the file of checksums, or give another repository"
        )
    return {case: listed[f"images/{case}.nii.gz"] for case in cases}


def is_right(case: Path, size: int, sha256: str | None) -> bool:
    """Whether a case's volume is there and is the one that the repository lists."""
    file = case / "imaging.nii.gz"
    if not file.is_file() or file.stat().st_size != size:
        return False
    return sha256 is None or file_sha256(file) == sha256


if __name__ == "__main__":
    run(main)
