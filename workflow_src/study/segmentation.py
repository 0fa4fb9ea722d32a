"""The settings of a segmenter's training, as data. Importing this loads no torch."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from workflow_src.study.registries import SEGMENTERS
from workflow_src.study.settings import (
    Fraction,
    Many,
    Options,
    Positive,
    Rate,
    Settings,
    Weight,
    named_in,
)

Side = Annotated[int, Field(ge=32, multiple_of=32)]  # every level of a segmenter halves it evenly


class SegmenterTraining(Settings):
    """What the segmenters' trainings share; a model may name its own."""

    epochs: Positive = 100
    """Passes over the training images."""
    batch_size: Positive = 16
    """Images per update."""
    image_size: Side = 512
    """Side length of what the network trains on."""
    fit: Literal["crop", "resize"] = "crop"
    """crop takes random crops of the native images, padded with black where an image is smaller, as
    the paper says; resize squashes each image to the size."""
    loss: Literal["bce_dice", "structure"] = "bce_dice"
    """bce_dice (Eq. 18), or structure, PraNet's boundary-weighted BCE and IoU."""
    optimizer: Literal["ademamix", "adamw"] = "ademamix"
    """ademamix as in the paper, or adamw."""
    learning_rate: Rate = 1e-4
    """At the start of half a cosine."""
    final_rate: Weight = 0.0
    """At its end; equal to learning_rate, the rate is constant, as in PraNet's recipe."""
    weight_decay: Weight = 1e-4
    """Decoupled."""
    alpha: Weight = 5.0
    """AdEMAMix's weight of the slow average. The paper gives none of AdEMAMix's settings; alpha and
    beta3 warm up over all steps."""
    beta3: Fraction = 0.9999
    """AdEMAMix's decay of the slow average."""
    gradient_clip: Weight = 0.0
    """Largest absolute gradient element, as in PraNet's recipe; 0 does not clip."""
    scales: Many[Rate] = (1.0,)
    """Sizes trained on per batch, relative to image_size, an update each; PraNet's recipe has 0.75,
    1, 1.25."""
    flips: bool = True
    """Flip at random, both ways."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 90.0
    """Rotate half of the images at random by at most this many degrees."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the computation."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the network; auto does where the training is long enough to earn it back."""
    validate_every: Positive = 1
    """Epochs between looks at the validation images; the best look is kept."""
    checkpoint_minutes: Weight = 10
    """Minutes between checkpoints; 0 makes one after each update."""


class SegmenterRecipe(SegmenterTraining):
    """One row of Tables 3, 5 or 6."""

    architecture: str = "order"
    """mkunet, order, unext, egeunet, or your own."""
    options: Options = {}
    """Of the architecture, such as stages for order."""

    _known_architecture = field_validator("architecture")(named_in(SEGMENTERS))
