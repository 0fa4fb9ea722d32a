"""The settings of nnU-Net's trainings, as data. Importing this loads neither torch nor nnunetv2."""

from dataclasses import dataclass

CONTROL = "augmented"  # what a mix calls augmented real images, in place of a method's name


@dataclass
class Network:
    """A network instead of the one that nnU-Net plans, for machines that cannot train that.

    Args:
        features: channels of each stage; each stage but the first halves the side.
        patch_size: side length of a training patch.
        batch_size: patches per update.
    """

    features: tuple[int, ...]
    patch_size: int
    batch_size: int


@dataclass
class NnunetRecipe:
    """How nnU-Net is trained; what is not here is nnU-Net's own.

    Args:
        epochs: nnU-Net's default is 1000.
        iterations: updates per epoch, whatever the set's size: all mixes see the same number.
        validation_iterations: validation batches per epoch.
        network: replaces the planned network; null keeps it.
        mirror: average predictions over mirrored images.
        checkpoint_every: epochs between checkpoints.
    """

    epochs: int = 1000
    iterations: int = 250
    validation_iterations: int = 50
    network: Network | None = None
    mirror: bool = True
    checkpoint_every: int = 10


@dataclass
class Mix:
    """What an nnU-Net is trained on.

    Args:
        real: whether the real training images are in.
        method: whose synthetic images are in, "augmented" for augmented real ones; null for none.
        ratio: how many synthetic images, relative to the number of real training images.
    """

    real: bool = True
    method: str | None = None
    ratio: float = 1.0
