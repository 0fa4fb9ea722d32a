"""Keep a trained small backbone for other studies: in half precision, with what made it."""

import shutil
from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.json_files import read_json
from workflow_src.common.outputs import OutputFolder, whole_folder, write_json
from workflow_src.data.arrays import file_hashes

WEIGHTS = "diffusion_pytorch_model.safetensors"


def main(backbone: Path, output: OutputFolder) -> None:
    """Copy a small backbone, its weights in half the bytes.

    Args:
        backbone: backbone.json of the model, as `train_denoiser` writes it.
        output: folder of the copy: `vae/`, `unet/`, `scheduler/` and backbone.json, which holds the
            sha256 of each file beside what the model was made of.
    """
    from safetensors.torch import load_file, save_file

    from workflow_src.diffusion.backbone import backbone_folder

    source = backbone_folder(backbone)
    with whole_folder(output, "backbone.json") as folder:
        shutil.copytree(source / "scheduler", folder / "scheduler")
        for part in ("vae", "unet"):
            (folder / part).mkdir()
            shutil.copy(source / part / "config.json", folder / part)
            weights = load_file(source / part / WEIGHTS)
            halves = {name: value.half() for name, value in weights.items()}
            save_file(halves, folder / part / WEIGHTS, metadata={"format": "pt"})
        hashes = file_hashes(folder)
        facts = read_json(backbone) | {"sha256": hashes[f"unet/{WEIGHTS}"], "files": hashes}
        for made in (facts, facts.get("autoencoder", {})):
            made.get("provenance", {}).pop("commit", None)  # others may lack it; the hashes stay
        write_json(folder / "backbone.json", facts)


if __name__ == "__main__":
    run(main)
