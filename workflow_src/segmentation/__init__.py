"""Segmenters, one file each, built by name."""

from torch import nn

from workflow_src.common.errors import InputError

NAMES = ("mkunet", "order", "unext", "egeunet")


def build_segmenter(name: str, **options) -> nn.Module:
    """Build a segmenter: (B, 3, H, W) images in, (B, 1, H, W) logits out.

    Args:
        name: one of NAMES.
        options: of the architecture, such as `stages` for order.

    Returns:
        The module. In training mode it may return (logits, auxiliary outputs).

    Raises:
        InputError: for another name, or options that the architecture does not have.
    """
    if name == "mkunet":
        from workflow_src.segmentation.mkunet import MKUNet as network
    elif name == "order":
        from workflow_src.segmentation.order import ORDER as network
    elif name == "unext":
        from workflow_src.segmentation.unext import UNeXt as network
    elif name == "egeunet":
        from workflow_src.segmentation.egeunet import EGEUNet as network
    else:
        raise InputError(f"no segmenter is named {name!r}: {', '.join(NAMES)} are known")
    try:
        return network(**options)
    except (TypeError, ValueError, ArithmeticError, IndexError) as error:
        raise InputError(f"{name} cannot be built with {options}: {error}") from error
