"""The settings of nnU-Net's trainings, as data. Importing this loads neither torch nor nnunetv2."""

from typing import Annotated

from pydantic import Field

from workflow_src.study.settings import Many, OptionalText, Positive, Rate, Settings

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

    real: bool = True
    """Whether the real training images are in; without them the mix is synthetic only, still
    validated on real images."""
    method: OptionalText = None
    """Whose synthetic images are in; null for none. augmented is the control: real images, plainly
    augmented, under the same masks, so that more data is told apart from better data."""
    ratio: Rate = 1.0
    """How many synthetic images, relative to the number of real training images; at most
    synthesis.sampling.per_mask, the images made per mask."""
