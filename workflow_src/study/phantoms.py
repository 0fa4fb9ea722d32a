"""The settings of drawn image sets."""

from typing import Annotated, Literal

from pydantic import Field

from workflow_src.study.settings import Count, Positive, Settings


class Phantom(Settings):
    """How many phantoms to draw."""

    kind: Literal["polyps", "kidneys"] = "polyps"
    """Polyp photographs in PraNet's layout, or kidney volumes in KiTS19's."""
    train: Positive = 200
    """Polyps: training images."""
    test: Positive = 20
    """Polyps: images in each of the two test sets."""
    cases: Annotated[int, Field(ge=3)] = 30
    """Kidneys: volumes."""
    slices: Positive = 6
    """Kidneys: slices of a volume."""
    side: Annotated[int, Field(ge=32)] = 96
    """Kidneys: height and width; polyps: about the shorter side, in pixels."""
    seed: Count = 0
    """Of every random choice."""
