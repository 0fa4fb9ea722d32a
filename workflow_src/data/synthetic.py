"""Rows of a synthetic set: which training image's mask each of its images was made for."""

from workflow_src.data.prepared import PreparedSet, Record


def synthetic_records(prepared: PreparedSet, method: str, count: int) -> list[Record]:
    """The rows of a synthetic set: the training masks in order, as many times over as it takes.

    Args:
        prepared: the set whose training masks conditioned the images.
        method: name of the method, for the stems.
        count: number of images.
    """
    rows = prepared.rows("train")
    records = []
    for number in range(count):
        row, copy = rows[number % len(rows)], number // len(rows)
        stem = f"{method}_{prepared.index.source[row]}_{prepared.index.stem[row]}_{copy}"
        case, side = prepared.index.case[row], prepared.size
        records.append(Record(stem, f"synthetic/{method}", case, "train", side, side))
    return records
