"""Train a light segmenter: order, mkunet, unext, egeunet, or one of your own."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.common.registry import place_of
from workflow_src.common.resumable import State
from workflow_src.data.prepared import PreparedSet
from workflow_src.study.registries import SEGMENTERS
from workflow_src.study.segmentation import SegmenterRecipe

SCRIPT = "workflow_src.train_segmenter"


def main(data: Path, output: OutputFolder, recipe: SegmenterRecipe, seed: int = 0) -> None:
    """Train a segmenter.

    Args:
        data: folder of the prepared set: of the recipe's size, or of native sizes for crops.
        output: folder of the trained model.
        recipe: settings.
        seed: of weights, order and augmentation.
    """
    from safetensors.torch import save_file

    from workflow_src.segmentation.training import train_segmenter

    prepared = PreparedSet(data)
    facts = {"recipe": recipe.complete(), "seed": seed, "data": prepared.meta["sha256"]}
    network = place_of(SEGMENTERS, recipe.architecture, "a segmenter")
    state = State(output, "recipe.json", SCRIPT, facts, network)
    model, outcome = train_segmenter(prepared, recipe, seed, state)
    content = state.folder / "content"
    content.mkdir(exist_ok=True)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, content / "model.safetensors")
    facts |= {"kind": "segmenter", "outcome": outcome, "provenance": provenance(SCRIPT, network)}
    facts["weights"] = file_sha256(content / "model.safetensors")
    write_json(content / "recipe.json", facts)
    state.finish(content)


if __name__ == "__main__":
    run(main)
