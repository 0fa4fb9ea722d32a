"""The settings of nnU-Net's trainings, as data. Importing this loads neither torch nor nnunetv2."""

from typing import Annotated, Literal

from pydantic import Field

from workflow_src.study.settings import Many, OptionalText, Positive, Rate, Settings

Preset = Literal["m", "l", "xl"]  # of nnU-Net's residual encoders
CONTROL = "augmented"  # what a mix calls augmented real images, in place of a method's name


class Network(Settings):
    """A network instead of the one that nnU-Net plans, for machines that cannot train that."""

    features: Annotated[Many[Positive], Field(min_length=2)]
    """Channels of each stage; each stage but the first halves the side."""
    patch_size: Annotated[int, Field(ge=16, multiple_of=8)]
    """Side length of a training patch."""
    batch_size: Annotated[int, Field(ge=2)]
    """Patches per update."""


class NnunetRecipe(Settings):
    """How nnU-Net is trained; what is not here is nnU-Net's own."""

    epochs: Positive = 1000
    """Epochs; nnU-Net's default is 1000."""
    iterations: Positive = 250
    """Updates per epoch, whatever the set's size: all mixes see the same number."""
    validation_iterations: Positive = 50
    """Validation batches per epoch."""
    network: Network | None = None
    """Replaces the planned network; null keeps it."""
    checkpoint_every: Positive = 10
    """Epochs between checkpoints."""


class Mix(Settings):
    """What an nnU-Net is trained on."""

    real_fraction: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How many of the real training images are in: whole cases, drawn by the training's seed, so
    that a smaller part of one seed is within a larger one. With 0 the mix is synthetic only, still
    validated on real images. Synthetic images are made by a model of all real images."""
    method: OptionalText = None
    """Whose synthetic images are in; null for none. augmented is the control: real images, plainly
    augmented, under the same masks, so that more data is told apart from better data."""
    ratio: Rate = 1.0
    """How many synthetic images, relative to the number of all real training images; at most
    synthesis.sampling.per_mask, the images made per mask."""
    found: Annotated[float, Field(ge=0, le=1)] | None = None
    """Of these, keep the images in which synthesis.faithfulness_model, trained on real images,
    finds the mask with at least this Dice. Null keeps all."""
    resenc: Preset | None = None
    """A preset of nnU-Net's residual encoders plans the network: m, l or xl, for GPUs of about 10,
    24 and 40 GB. Null leaves that to nnU-Net's default planner."""
