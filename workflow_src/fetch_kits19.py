"""Fetch KiTS19: 210 CT volumes and their labels, each verified; resumes if interrupted."""

import re
from pathlib import Path

from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, require_space, write_json
from workflow_src.data.download import download, download_from_hub, list_hub
from workflow_src.data.kits19 import find_cases

GIBIBYTE = 2**30


def main(
    output: OutputFolder,
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
        labels_sha256: file of the labels' checksums, one line per case.
    """
    checksums = read_checksums(labels_sha256)
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
        download(labels_url.replace("{case}", case), labels, checksums[case])
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


def read_checksums(file: Path) -> dict[str, str]:
    """The sha256 of each case's labels. Empty lines, and those that begin with #, do not count.

    Raises:
        InputError: naming the line that is not a checksum and a case.
    """
    checksums: dict[str, str] = {}
    try:
        lines = file.read_text().splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not text: give a file of checksums") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"([0-9a-f]{64})\s+(case_[0-9]{5})\s*", line)
        if not found:
            raise InputError(
                f"{file}, line {number}: {line[:80]!r} is not a sha256 and a case_XXXXX"
            )
        if found[2] in checksums:
            raise InputError(f"{file}, line {number}: {found[2]} appears twice")
        checksums[found[2]] = found[1]
    if not checksums:
        raise InputError(f"{file} holds no checksum: give a line with a sha256 and a case per case")
    return checksums


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
