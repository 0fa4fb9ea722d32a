"""Light segmenters, one file each, built by name."""

from torch import nn

from workflow_src.common.registry import build
from workflow_src.study.registries import SEGMENTERS


def build_segmenter(name: str, **options) -> nn.Module:
    """Build a segmenter: (B, 3, H, W) normalised images in, (B, 1, H, W) logits out.

    Every segmenter is a module whose options have defaults. It takes any height and width that are
    multiples of its attribute `stride`, of at most 32, in any batch.

    In training mode it may return (logits, auxiliary logits), a list of maps (B, 1, H, W) as large
    as the logits. Its attribute `auxiliary_weights` then says what the loss of each counts beside
    that of the logits; in evaluation mode it returns logits alone.

    Args:
        name: of the architecture, from workflow_src.study.registries.SEGMENTERS.
        options: of the architecture, such as `stages` for order.

    Raises:
        InputError: for another name, or options that the architecture does not have or refuses.
    """
    return build(SEGMENTERS, name, "a segmenter", **options)
