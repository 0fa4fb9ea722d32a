"""Fetch Stable Diffusion 1.5 at a pinned revision, or take a folder or single file of your own."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.json_files import facts_of
from workflow_src.common.outputs import write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.inventory import fingerprint
from workflow_src.study.backbone import STABLE_DIFFUSION

FILES = ["model_index.json", "scheduler/*", "tokenizer/*"] + [
    f"{part}/{file}"
    for part in ("unet", "vae", "text_encoder")
    for file in ("config.json", "*model.safetensors")
]


def main(
    output: Path,
    repository: str,
    revision: str,
    sha256: dict[str, str],
    path: Path | None = None,
) -> None:
    """Fetch Stable Diffusion 1.5.

    Args:
        output: the marker backbone.json; a fetched or converted model goes beside it.
        repository: on Hugging Face.
        revision: its commit.
        sha256: of weight files in the repository, by path.
        path: a diffusers folder or a single .safetensors file instead of a download.
    """
    folder = output.parent
    if path is None:
        from workflow_src.data.download import download_from_hub

        download_from_hub(repository, revision, FILES, folder)
        for file, expected in sha256.items():
            found = file_sha256(folder / file)
            if found != expected:
                raise InputError(
                    f"{folder / file} has sha256 {found}, {expected} is pinned: remove it and try "
                    "again"
                )
        where, origin = ".", f"{repository}@{revision}"
    elif path.is_file():
        from workflow_src.diffusion.single_file import convert_single_file

        convert_single_file(path, folder)
        where, origin = ".", f"file with sha256 {file_sha256(path)}"
    else:
        where, origin = str(path.absolute()), f"folder with fingerprint {fingerprint(path)}"
        if not (path / "unet" / "config.json").is_file():
            raise InputError(
                f"{path} is not Stable Diffusion in diffusers' layout (it lacks unet/config.json) "
                "and no .safetensors file: give one of the two as `backbone.path`"
            )
    model = folder / where
    lacking = [part for part in STABLE_DIFFUSION if not (model / part).is_dir()]
    if lacking:
        raise InputError(f"{model} lacks {', '.join(lacking)}: fetch the whole model")
    with facts_of(model / "unet" / "config.json") as config:
        dimension = config["cross_attention_dim"]
    write_json(
        output,
        {
            "kind": "stable-diffusion",
            "folder": where,
            "origin": origin,
            "cross_attention_dim": dimension,
            "provenance": provenance("workflow_src.fetch_stable_diffusion"),
        },
    )


if __name__ == "__main__":
    run(main)
