"""The columns that the tables can show: all that is known of each stands here.

A new column is an entry of COLUMNS, and a step that writes its value into a metrics file:

* An existing kind of METRICS: let the step that writes these files write one more key, and name it
  in `path`. The file is JSON; its value is a number in the file's own unit, which `scale` brings to
  the table's, or null where it was not measured. `per_image` names a column of the metrics.csv
  beside the file, with one row per image, if the value is a mean over them; `size`, if only over
  images whose lesions are of that size.
* A new kind: an entry of METRICS says where its files lie, and a rule makes them there.

Nothing else lists columns: which tables may show one, its heading, its format, its tests and its
arrow follow from the entry.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from workflow_src.study.registries import EXTRACTORS

Best = Literal["low", "high", ""]
Size = Literal["small", "medium", "large"]


@dataclass(frozen=True)
class MetricsFile:
    """A kind of metrics file: one for each row, data set and seed.

    Args:
        place: below the study's results, with {dataset}, {row} and, unless one file serves all
            seeds, {seed}. A row is a method's name, or a model's.
        of: what it measures, and so which rows can show its columns; a mix is shown by the nnU-Net
            trained on it, a model.
        images: keys to the number of images that its values are over.
        counted: what these images are.
        per_image: the table of the same scores, one row per image, beside it.
    """

    place: str
    of: Literal["methods", "models"]
    images: tuple[str, ...] = ()
    counted: str = ""
    per_image: str = ""


METRICS = {
    "fidelity": MetricsFile(
        "synthetic/{dataset}/{row}/seed{seed}/fidelity.json", "methods",
        ("images",), "synthetic images",
    ),
    "faithfulness": MetricsFile(
        "faithfulness/{dataset}/{row}/seed{seed}/metrics.json", "methods",
        ("all", "images"), "synthetic images", "metrics.csv",
    ),
    "stability": MetricsFile("controlnet/{dataset}/{row}/seed{seed}/stability.json", "methods"),
    "score": MetricsFile(
        "scores/{dataset}/{row}/seed{seed}/metrics.json", "models",
        ("all", "images"), "test images", "metrics.csv",
    ),
    "case_score": MetricsFile(
        "scores/{dataset}/{row}/seed{seed}/cases.json", "models",
        ("all", "cases"), "test cases", "cases.csv",
    ),
    "cost": MetricsFile("cost/{dataset}/{row}.json", "models"),
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One measure.

    Args:
        title: heading.
        kind: of METRICS, which file holds it.
        path: keys into that file.
        best: "low", "high", or "" where no value is better.
        decimals: digits behind the point.
        scale: factor from the file's unit to the table's.
        extractor: whose features it is made from.
        per_image: column of the file's `per_image` table that it is the mean of, for intervals and
            tests.
        size: of the lesions of the images that it is over; None for all images.
        outline: whether it compares outlines, in mm or pixels.
        count: whether it counts something: whole, with commas, in millions from one million on.
        verdict: words for true and for false where the value is not a number; the file then lists
            under "because" what made it false.
        worst: further keys of such a file, and what makes one of several seeds.
    """

    title: str
    kind: str
    path: tuple[str, ...]
    best: Best = ""
    decimals: int = 2
    scale: float = 1.0
    extractor: str = ""
    per_image: str = ""
    size: Size | None = None
    outline: bool = False
    count: bool = False
    verdict: tuple[str, str] | None = None
    worst: dict[str, Callable] = field(default_factory=dict)

    def written(self, value: float) -> str:
        """A value in the table's unit, as text."""
        if not self.count:
            return f"{value:.{self.decimals}f}"
        return f"{value:,.0f}" if value < 1e6 else f"{value / 1e6:.2f}M"


# What real images are scored as, in a row each below those of methods: the floor of every measure.
REAL_ROWS = {
    "real_halves": "Real images, half against half",
    "real_test": "Real images, test against training",
}
REAL_PLACE = "floors/{dataset}/{row}.json"

EXTRACTOR_TITLES = {
    "inception": "Inception", "clip": "CLIP", "dinov2": "DINOv2", "lite0": "EfficientNet-Lite0",
}  # fmt: skip


def _by_features(extractor: str) -> dict[str, Column]:
    """What the features of any extractor give."""
    title = EXTRACTOR_TITLES.get(extractor, extractor)

    def column(measure: str, key: str, best: Best, decimals: int, scale: float = 1.0) -> Column:
        heading = f"{measure}, {title}"
        return Column(heading, "fidelity", (extractor, key), best, decimals, scale, extractor)

    return {
        f"fd_{extractor}": column("FD", "distance", "low", 2),
        f"precision_{extractor}": column("precision", "precision", "high", 3),
        f"recall_{extractor}": column("recall", "recall", "high", 3),
        f"density_{extractor}": column("density", "density", "high", 3),
        f"coverage_{extractor}": column("coverage", "coverage", "high", 3),
        f"copies_{extractor}": column("copies %", "copies", "low", 1, 100),
    }


def _by_size(name: str, title: str, kind: str, measure: str) -> dict[str, Column]:
    """A measure over the images of each third of the lesions."""

    def column(size: Size) -> Column:
        path = ("by_size", size, measure)
        return Column(f"{title}, {size}", kind, path, "high", 1, 100, per_image=measure, size=size)

    return {f"{name}_{size}": column(size) for size in get_args(Size)}


COLUMNS = {
    "fid": Column(
        "FID", "fidelity", ("inception", "distance"), "low", 2, extractor="inception"
    ),
    "kid": Column(
        "KID ×10³", "fidelity", ("inception", "kernel_distance"), "low", 2, 1e3,
        extractor="inception",
    ),
    "clip_i": Column("CLIP-I", "fidelity", ("clip", "similarity"), "high", 3, extractor="clip"),
    "clip_i_paired": Column(
        "CLIP-I paired", "fidelity", ("clip", "similarity_paired"), "high", 3, extractor="clip"
    ),
    "cmmd": Column("CMMD", "fidelity", ("clip", "discrepancy"), "low", 3, 1e3, extractor="clip"),
    **{name: column for extractor in EXTRACTORS
       for name, column in _by_features(extractor).items() if name != "fd_inception"},
    "faithfulness": Column(
        "mask Dice", "faithfulness", ("all", "dice"), "high", 1, 100, per_image="dice"
    ),
    **_by_size("faithfulness", "mask Dice", "faithfulness", "dice"),
    "stability": Column(
        "Stability", "stability", ("stable",), verdict=("Stable", "Unstable"),
        worst={"not_finite": max, "loss_spike": max, "gradient_spike": max, "weight_max": max,
               "weight_mean": min},
    ),
    "dice": Column("mDice", "score", ("all", "dice"), "high", 1, 100, per_image="dice"),
    "iou": Column("mIoU", "score", ("all", "iou"), "high", 1, 100, per_image="iou"),
    "iou_class_mean": Column(
        "mIoU with background", "score", ("all", "iou_class_mean"), "high", 1, 100,
        per_image="iou_class_mean",
    ),
    "dice_256": Column(
        "mDice, 256 thresholds", "score", ("all", "dice_256"), "high", 1, 100, per_image="dice_256"
    ),
    **_by_size("dice", "mDice", "score", "dice"),
    **_by_size("iou", "mIoU", "score", "iou"),
    "dice_case": Column(
        "Dice of a case", "case_score", ("all", "dice"), "high", 1, 100, per_image="dice"
    ),
    "iou_case": Column(
        "IoU of a case", "case_score", ("all", "iou"), "high", 1, 100, per_image="iou"
    ),
    "nsd": Column(
        "surface Dice", "score", ("all", "nsd"), "high", 1, 100, per_image="nsd", outline=True
    ),
    "hd95": Column(
        "HD95", "score", ("all", "hd95"), "low", 1, per_image="hd95", outline=True
    ),
    "sensitivity": Column(
        "sensitivity", "score", ("all", "sensitivity"), "high", 1, 100, per_image="sensitivity"
    ),
    "precision": Column(
        "precision", "score", ("all", "precision"), "high", 1, 100, per_image="precision"
    ),
    "lesion_recall": Column(
        "lesions found %", "score", ("all", "lesion_recall"), "high", 1, 100,
        per_image="lesion_recall",
    ),
    "false_lesions": Column(
        "false lesions an image", "score", ("all", "false_lesions"), "low", 2,
        per_image="false_lesions",
    ),
    "parameters": Column("Params", "cost", ("parameters",), "low", 0, count=True),
    "gflops": Column("GFLOPs", "cost", ("gflops",), "low", 3),
}  # fmt: skip


def columns_of(rows: str) -> list[str]:
    """Names of the columns that a table of methods, mixes or models can show."""
    measured = "methods" if rows == "methods" else "models"
    return [name for name, column in COLUMNS.items() if METRICS[column.kind].of == measured]


def all_columns(table: dict) -> list[str]:
    """The columns that a table shows, and those that only its csv holds."""
    return [*table["columns"], *table["more"]]
