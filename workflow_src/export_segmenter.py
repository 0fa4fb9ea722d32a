"""Export a trained light segmenter to ONNX, for use without Python or PyTorch.

The file takes plain pixels, red, green and blue from 0 to 255, of any size, and gives logits of the
same size; see workflow_src/segmentation/exporting.py.
"""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import whole_file

TOLERANCE = 1e-4  # of the largest logit


def main(model: Path, output: Path) -> None:
    """Export a trained segmenter; the file is written only if its outputs equal the model's.

    Args:
        model: folder of the trained segmenter.
        output: file to write, *.onnx.
    """
    from workflow_src.segmentation.exporting import largest_difference, write_onnx
    from workflow_src.segmentation.prediction import TrainedSegmenter

    if output.suffix != ".onnx":
        raise InputError(f"--output {output} must end in .onnx")
    trained = TrainedSegmenter(model, "cpu")
    facts = {
        "input": "image: red, green and blue, 0 to 255, of any size",
        "output": "logits: above 0 where the lesion is likelier than not",
        "architecture": trained.recipe.architecture,
        "weights": trained.weights,
    }
    side = trained.recipe.image_size
    with whole_file(output) as beside:
        print(f"exporting {trained.recipe.architecture}, which takes up to a minute")
        write_onnx(trained.model, beside, facts)
        for batch, height, width in ((2, side, side), (1, side + 37, side + 11)):
            difference = largest_difference(trained.model, beside, (batch, height, width))
            print(f"{batch} x {height} x {width}: logits differ by {difference:.1e} of the largest")
            if not difference <= TOLERANCE:
                raise FloatingPointError(
                    f"{output} is not written: its logits differ from those of {model} by "
                    f"{difference:.1e} of the largest, more than {TOLERANCE:.0e}; use "
                    "`python -m workflow_src.segment_images` instead"
                )


if __name__ == "__main__":
    run(main)
