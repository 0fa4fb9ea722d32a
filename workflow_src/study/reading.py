"""How a raw image set is read."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class Reading:
    """How a raw set is read.

    Args:
        format: "photographs" (PraNet's folders, or one folder of images and masks), "kits19", or
            your own.
        options: what a format of your own takes besides these.
        test_sets: photographs: the test sets wanted; null takes those that are there.
        test_fraction: part of the cases to test on; null for photographs in PraNet's layout.
        validation_fraction: part of the training cases that picks checkpoints.
        split_seed: seed of the splits.
        empty_masks: what to do with a mask that is all background: keep, drop or refuse.
        cases: photographs: table of stems and cases; a cases.csv beside images/ goes before it.
        case_pattern: photographs: regular expression whose first group, in a stem, is the case.
        large_lesions: photographs: refuse a folder in most of whose masks the lesion fills more
            than half of the image, as it seems to in masks that are black on white; or keep it.
        plane: kits19: axial, coronal or sagittal.
        window: kits19: Hounsfield units that become black and white.
        target: kits19: labels that make the foreground.
        slices: kits19: slices with the target, or all.
        split: kits19: by case; leaky_slice puts one patient's slices on both sides.
    """

    format: str = "photographs"
    options: dict[str, Any] = field(default_factory=dict)
    test_sets: list[str] | None = None
    test_fraction: float | None = None
    validation_fraction: float = 0.1
    split_seed: int = 0
    empty_masks: Literal["keep", "drop", "refuse"] = "keep"
    cases: str | None = None
    case_pattern: str | None = None
    large_lesions: Literal["refuse", "keep"] = "refuse"
    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    window: tuple[float, float] = (-160.0, 240.0)
    target: Literal["kidney_and_tumour", "tumour"] = "kidney_and_tumour"
    slices: Literal["lesion", "all"] = "lesion"
    split: Literal["case", "leaky_slice"] = "case"
