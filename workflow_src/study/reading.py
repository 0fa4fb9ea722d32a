"""How a raw image set is read."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Strict, field_validator
from pydantic_core import PydanticCustomError

from workflow_src.study.registries import RAW_FORMATS
from workflow_src.study.settings import (
    Count,
    Distinct,
    Fraction,
    OptionalPath,
    OptionalText,
    Options,
    Settings,
    Share,
    Text,
    named_in,
)


def _rising(window: tuple[float, float]) -> tuple[float, float]:
    if window[0] >= window[1]:
        raise PydanticCustomError("rising", "rising limits")
    return window


def _folder_name(name: str) -> str:
    if "/" in name or name in ("all", ".", ".."):
        raise PydanticCustomError("folder_name", "the name of a folder, other than all")
    return name


class Reading(Settings):
    """How a raw set is read."""

    format: str = "photographs"
    """photographs (PraNet's folders, or one folder of images and masks), kits19 (its cases), or
    your own."""
    options: Options = {}
    """What a format of your own takes besides these."""
    test_sets: Distinct[Annotated[Text, AfterValidator(_folder_name)]] | None = None
    """Photographs: the test sets wanted; one that is missing is shown as not run. Null takes those
    that are there."""
    test_fraction: Share | None = None
    """Part of the cases to test on. Null tests on the test sets of PraNet's layout, and on a fifth
    of KiTS19's cases."""
    validation_fraction: Fraction = 0.1
    """Part of the training cases that picks checkpoints. The paper names no validation set; test
    images never pick anything here."""
    split_seed: Count = 0
    """Seed of the splits."""
    empty_masks: Literal["keep", "drop", "refuse"] = "keep"
    """Photographs: what to do with a mask that is all background."""
    cases: OptionalPath = None
    """Photographs: table of stems and cases (stem, case, and sources where stems repeat). A
    cases.csv beside images/ goes before it; what nothing names is guessed from likeness."""
    case_pattern: OptionalText = None
    """Photographs: regular expression whose first group, in a file's stem, is its case; (.+) makes
    each image a case."""
    large_lesions: Literal["refuse", "keep"] = "refuse"
    """Photographs: refuse a folder in most of whose masks the lesion fills more than half of the
    image, as it seems to in masks that are black on white; or keep it."""
    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    """KiTS19: slicing plane; orientation comes from each header."""
    window: Annotated[tuple[float, float], Strict(False), AfterValidator(_rising)] = (-160.0, 240.0)
    """KiTS19: Hounsfield units that become black and white."""
    target: Literal["kidney_and_tumour", "tumour"] = "kidney_and_tumour"
    """KiTS19: labels that make the foreground. The paper's 96-98 Dice needs kidney and tumour
    together: the challenge's best tumour Dice was 0.85."""
    slices: Literal["lesion", "all"] = "lesion"
    """KiTS19: slices that show the target, or all."""
    split: Literal["case", "leaky_slice"] = "case"
    """KiTS19: split by patient; leaky_slice puts one patient's slices on both sides, which inflates
    scores, only to show that."""

    _known_format = field_validator("format")(named_in(RAW_FORMATS))
