"""The settings of a segmenter's training, as data. Importing this loads no torch."""

from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_src.common.errors import InputError


@dataclass
class SegmenterRecipe:
    """One row of Tables 3, 5 or 6.

    Args:
        architecture: mkunet, order, unext, egeunet, or your own.
        options: of the architecture, such as stages for order.
        epochs: passes over the training images.
        batch_size: images per update.
        image_size: side length of what the network trains on.
        fit: "crop" takes random crops of the native images, padded with black where an image is
            smaller, as the paper says; "resize" squashes each image to the size.
        loss: "bce_dice" (Eq. 18), or "structure", PraNet's boundary-weighted BCE and IoU.
        optimizer: ademamix as in the paper, or adamw.
        learning_rate: at the start of half a cosine.
        final_rate: at its end; equal to learning_rate, the rate is constant, as in PraNet's recipe.
        weight_decay: decoupled.
        alpha: AdEMAMix's weight of the slow average. The paper gives none of AdEMAMix's settings;
            alpha and beta3 warm up over all steps.
        beta3: AdEMAMix's decay of the slow average.
        gradient_clip: largest absolute gradient element, as in PraNet's recipe; 0 does not clip.
        scales: sizes trained on per batch, relative to image_size; an update each.
        flips: flip at random, both ways.
        rotate: rotate half of the images at random by up to so many degrees.
        precision: fp32 or bf16.
        compile: compile the network: "auto" does where the training is long enough to earn it back.
        validate_every: epochs between looks at the validation images; the best look is kept.
        checkpoint_every: epochs between checkpoints.
    """

    architecture: str = "order"
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 100
    batch_size: int = 16
    image_size: int = 512
    fit: Literal["crop", "resize"] = "crop"
    loss: Literal["bce_dice", "structure"] = "bce_dice"
    optimizer: Literal["ademamix", "adamw"] = "ademamix"
    learning_rate: float = 1e-4
    final_rate: float = 0.0
    weight_decay: float = 1e-4
    alpha: float = 5.0
    beta3: float = 0.9999
    gradient_clip: float = 0.0
    scales: tuple[float, ...] = (1.0,)
    flips: bool = True
    rotate: float = 90.0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: Literal["auto", "on", "off"] = "auto"
    validate_every: int = 1
    checkpoint_every: int = 5

    def __post_init__(self):
        for name in ("epochs", "batch_size", "validate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: give 1 or more")
        if self.image_size < 32 or self.image_size % 32:
            raise InputError(
                f"image_size is {self.image_size}: give a multiple of 32, which every level of a "
                "segmenter halves evenly"
            )
        if self.learning_rate <= 0:
            raise InputError(f"learning_rate is {self.learning_rate}: give more than 0")
