"""A trained segmenter as an ONNX file that takes pixels, so that nothing can be prepared wrongly.

The file's one input is `image`, (batch, 3, height, width) uint8, red, green and blue from 0 to 255
as they are read, of any size; its one output is `logits`, (batch, 1, height, width) float32, above
0 where the lesion is likelier than not (the probability is 1 / (1 + exp(-logit))). Normalisation,
and resizing or padding as in training, are inside.
"""

import logging
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from workflow_src.segmentation.prediction import FromPixels

EXAMPLE = (2, 3, 155, 219)  # traced with; no side is special to any level of a network
AXES = {0: "batch", 2: "height", 3: "width"}


def write_onnx(model: FromPixels, file: Path, facts: dict[str, str]) -> None:
    """Export a segmenter.

    Args:
        model: in evaluation mode, on the CPU.
        file: to write.
        facts: noted in the file, where `onnxruntime` gives them as `custom_metadata_map`.
    """
    model.requires_grad_(False)  # networks may compute otherwise where gradients are wanted
    example = torch.randint(0, 256, EXAMPLE, dtype=torch.uint8)
    for talkative in ("torch.onnx", "onnx_ir", "onnxscript"):
        logging.getLogger(talkative).setLevel(logging.ERROR)
    with warnings.catch_warnings():  # of the exporter's own affairs
        warnings.simplefilter("ignore")
        shapes = ({axis: torch.export.Dim.DYNAMIC for axis in AXES},)
        program = torch.export.export(model, (example,), dynamic_shapes=shapes)
        pooling = torch.ops.aten.adaptive_avg_pool2d.default
        program = program.run_decompositions({pooling: adaptive_average})
        exported = torch.onnx.export(
            program, dynamo=True, verbose=False, dynamic_shapes=(AXES,),
            input_names=["image"], output_names=["logits"],
        )  # fmt: skip
    assert exported is not None  # as of dynamo=True
    for node in exported.model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, four times as large as the weights
    exported.model.metadata_props.update(facts)
    exported.save(file, external_data=False)


def adaptive_average(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Adaptive average pooling of (B, C, H, W) as two products, which ONNX has for any size.

    ONNX has no adaptive pooling, and PyTorch's own replacement fails at other sizes than the
    example's.
    """

    def shares(length: int, cells: int) -> Tensor:
        """What each position gives to each cell, (cells, length)."""
        position, cell = torch.arange(length), torch.arange(cells)[:, None]
        start, stop = cell * length // cells, ((cell + 1) * length + cells - 1) // cells
        inside = (position >= start) & (position < stop)
        return inside.to(x.dtype) / (stop - start).to(x.dtype)

    height, width = x.shape[-2:]
    return shares(height, size[0]) @ x @ shares(width, size[1]).T


def largest_difference(model: FromPixels, file: Path, shape: tuple[int, int, int]) -> float:
    """How far an exported file's logits are from the model's on random images.

    Args:
        model: what was exported.
        file: the file.
        shape: batch, height and width of the images.

    Returns:
        The largest difference of two logits, over the largest logit or 1.
    """
    batch, height, width = shape
    draws = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=draws)
    with torch.no_grad():
        expected = model(image).numpy()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"image": image.numpy()})
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1))
