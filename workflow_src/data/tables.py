"""Reading the .csv files in which one step hands another a table."""

from pathlib import Path

import pandas as pd

from workflow_src.common.errors import InputError
from workflow_src.common.json_files import facts_of
from workflow_src.data.arrays import AGAIN, check_file, check_made

# Columns that stay text: "007", "nan".
TEXT = (
    "stem",
    "source",
    "case",
    "duplicate_of",
    "split",
    "lesion_size",
)


def read_table(path: Path, *columns: str, marker: str | None = None) -> pd.DataFrame:
    """A table, none of whose text is taken for a number or for nothing.

    Args:
        path: the .csv file.
        columns: that it must have.
        marker: the json file beside it that holds its hash, where its step wrote one.

    Raises:
        InputError: if it is cut off, damaged, empty, or not what its marker describes.
    """
    if marker:
        check_made(path.with_name(marker), path.name)
    try:
        numbers = pd.read_csv(path, nrows=0).columns.difference(TEXT)
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(TEXT, str),
            keep_default_na=False,
            na_values=dict.fromkeys(numbers, ["", "nan"]),
        )
    except ValueError as error:  # pandas' own errors, and of what is not text
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is damaged ({reason}): {AGAIN}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path} has rows that are longer than its headings: {AGAIN}")
    lacking = [name for name in columns if name not in table]
    if lacking:
        raise InputError(f"{path} lacks {', '.join(lacking)}: {AGAIN}")
    if table.empty:
        raise InputError(f"{path} has no rows: {AGAIN}")
    return table


def read_index(path: Path) -> pd.DataFrame:
    """The index.csv of a prepared set.

    Raises:
        InputError: as `read_table`; the marker is the set's meta.json.
    """
    with facts_of(path.with_name("meta.json")) as facts:
        sha256 = facts["sha256"][path.name]
    check_file(path, sha256)
    return read_table(path, "stem", "split", "lesion_fraction")
