"""The columns that the tables can show: where a value lies, and how it is written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One measure.

    Args:
        title: heading.
        kind: which metrics file holds it: fidelity, faithfulness, score, cost or stability.
        path: keys into that file.
        best: "low", "high", or "" where no value is better.
        decimals: digits behind the point.
        scale: factor from the file's unit to the table's.
        extractor: key of the feature extractor that made it, named in the heading if a stand-in.
        per_image: column of metrics.csv that it is the mean of, for intervals and tests.
    """

    title: str
    kind: str
    path: tuple[str, ...]
    best: str = ""
    decimals: int = 2
    scale: float = 1.0
    extractor: str = ""
    per_image: str = ""


COLUMNS = {
    "fid": Column("FID", "fidelity", ("fid",), "low", 2, extractor="inception"),
    "kid": Column("KID ×10³", "fidelity", ("kid",), "low", 2, 1e3, extractor="inception"),
    "clip_i": Column("CLIP-I", "fidelity", ("clip_i",), "high", 3, extractor="clip"),
    "clip_i_paired": Column(
        "CLIP-I paired", "fidelity", ("clip_i_paired",), "high", 3, extractor="clip"
    ),
    "faithfulness": Column(
        "mask Dice", "faithfulness", ("all", "dice"), "high", 1, 100, per_image="dice"
    ),
    "stability": Column("Stability", "stability", ("stable",)),
    "dice": Column("mDice", "score", ("all", "dice"), "high", 1, 100, per_image="dice"),
    "iou": Column("mIoU", "score", ("all", "iou"), "high", 1, 100, per_image="iou"),
    "iou_class_mean": Column(
        "mIoU with background", "score", ("all", "iou_class_mean"), "high", 1, 100,
        per_image="iou_class_mean",
    ),
    "dice_256": Column(
        "mDice, 256 thresholds", "score", ("all", "dice_256"), "high", 1, 100, per_image="dice_256"
    ),
    "parameters": Column("Params", "cost", ("parameters",), "low", 0),
    "gflops": Column("GFLOPs", "cost", ("gflops",), "low", 3),
}  # fmt: skip
