"""Which patient or sequence a photograph is of: said by a table or file names, else guessed.

A guess joins images that are nearly the same, and images of consecutive numbers that are alike, as
frames of a video are. On CVC-ClinicDB, whose 29 sequences are published, it finds 244 groups, of
which none mixes two sequences (docs/statistics.md): better than each image alone, but too fine.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from workflow_src.common.errors import InputError
from workflow_src.data.prepared import Record
from workflow_src.data.splits import alike

NEARLY_SAME = 10.0  # root mean square difference of thumbnails, in grey levels of 0-255
FOLLOWING = 25.0  # likewise, of images whose numbers follow one another in a folder
BESIDE = "cases.csv"


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a table of cases, each with a stem, a case and perhaps sources.

    Raises:
        InputError: if the file is missing, not such a table, or leaves a stem or case empty.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a readable table of cases ({error})") from error
    for number, row in enumerate(rows, 2):
        if not row.get("stem") or not row.get("case"):
            raise InputError(
                f"{path}, line {number}: a table of cases has a stem and a case in each row, under "
                "the headings stem,case"
            )
    return rows


def name_cases(
    records: list[Record], folders: Sequence[Path], table: Path | None, pattern: str | None
) -> None:
    """Set the cases that are said, in place, and leave the others empty.

    A cases.csv in an image's folder goes first, then the table, then the pattern.

    Args:
        records: the images.
        folders: of each image, the one that holds images/ and perhaps cases.csv.
        table: stems and cases of any sources; `sources` of a row are divided by "|".
        pattern: regular expression whose first group, in a stem, is the case.

    Raises:
        InputError: if a table names an image that is not there, a cases.csv leaves one out, or the
            pattern is not valid or has no group.
    """
    if pattern is not None:
        _check(pattern)
    said: dict[tuple[str, str], str] = {}
    if table is not None:
        said |= _from_table(table, records)
    for folder in dict.fromkeys(folders):
        if (folder / BESIDE).is_file():
            here = [r for r, place in zip(records, folders, strict=True) if place == folder]
            said |= _from_folder(folder / BESIDE, here)
    for record in records:
        record.case = said.get((record.source, record.stem), "")
        if pattern and not record.case and (found := re.search(pattern, record.stem)):
            record.case = found[1] or ""


def _check(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise InputError(f"case_pattern {pattern} is not a regular expression: {error}") from error
    if not groups:
        raise InputError(f"case_pattern {pattern} has no group: put the case in ( )")


def _from_folder(path: Path, records: list[Record]) -> dict[tuple[str, str], str]:
    cases = {row["stem"]: row["case"] for row in read_table(path)}
    stems = {record.stem for record in records}
    if left := sorted(stems - cases.keys()):
        raise InputError(f"{path} has no row for {left[0]} ({len(left)} missing): add its case")
    if gone := sorted(cases.keys() - stems):
        raise InputError(f"{path} names {gone[0]}, which has no image: remove the row")
    return {(record.source, record.stem): cases[record.stem] for record in records}


def _from_table(path: Path, records: list[Record]) -> dict[tuple[str, str], str]:
    """Rows whose sources are all read count, and must then match: another set has other stems."""
    sources = {record.source for record in records}
    there = {(record.source, record.stem) for record in records}
    said: dict[tuple[str, str], str] = {}
    for row in read_table(path):
        named = row.get("sources") or ""
        among = set(named.split("|")) if named else sources
        if not among <= sources:
            continue
        found = {(source, row["stem"]) for source in among} & there
        if not found:
            raise InputError(
                f"{path} names {row['stem']} of {named or 'any source'}, which is not there: give "
                "`cases` a table of this set, or null"
            )
        said |= dict.fromkeys(found, row["case"])
    return said


def guess_cases(records: list[Record], thumbnails: np.ndarray) -> None:
    """Name cases by the likeness of images, in place: each after its first image.

    Args:
        records: images without a case.
        thumbnails: (N, 1024) of them.
    """
    pairs = [(i, j) for i, j, _ in alike(thumbnails, NEARLY_SAME)]
    for first, second in _following(records):
        if np.sqrt(((thumbnails[first] - thumbnails[second]) ** 2).mean()) < FOLLOWING:
            pairs.append((first, second))
    rows, columns = np.array(pairs, dtype=int).reshape(-1, 2).T
    joined = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(records),) * 2)
    _, groups = connected_components(joined, directed=False)
    names: dict[int, str] = {}
    for record, group in zip(records, groups.tolist(), strict=True):
        record.case = names.setdefault(group, f"{record.source}/{record.stem}")


def _following(records: list[Record]) -> list[tuple[int, int]]:
    """Images of a source whose stems end in numbers, otherwise alike, with the next ones."""
    series = defaultdict(list)
    for row, record in enumerate(records):
        if found := re.fullmatch(r"(.*?)(\d+)", record.stem):
            series[record.source, found[1]].append((int(found[2]), row))
    return [
        (first, second)
        for numbered in series.values()
        for (_, first), (_, second) in zip(sorted(numbered), sorted(numbered)[1:], strict=False)
    ]
