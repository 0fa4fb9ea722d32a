"""Fetch PraNet's polyp sets: 1,450 training images and five test sets."""

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, require_space, write_json
from workflow_src.data.archives import unpack
from workflow_src.data.download import download
from workflow_src.data.pairs import find_pairs

IMAGES = {"TrainDataset": 1450, "CVC-300": 60, "CVC-ClinicDB": 62, "CVC-ColonDB": 380,
          "ETIS-LaribPolypDB": 196, "Kvasir": 100}  # fmt: skip
GIBIBYTE = 2**30
UNPACKED = 2 * GIBIBYTE  # PraNet's larger archive holds a fifth of it


def main(output: OutputFolder, archives: dict[str, str], sha256: dict[str, str | None]) -> None:
    """Fetch the polyp sets.

    Args:
        output: root of the raw set.
        archives: where TrainDataset.zip and TestDataset.zip lie.
        sha256: of the archives; their maker publishes none, so null is allowed, and what arrived
            is checked by its number of images and recorded in source.json.
    """
    require_space(output, 2 * GIBIBYTE, "PraNet's polyp sets")
    facts = {}
    for name, url in archives.items():
        archive = output / f"{name}.zip"
        download(url, archive, sha256.get(name))
        facts[name] = {"url": url, "sha256": file_sha256(archive)}
        unpack(archive, output, most=UNPACKED)
    for name, expected in IMAGES.items():
        folder = output / (name if name == "TrainDataset" else f"TestDataset/{name}")
        found = len(find_pairs(folder))
        if found != expected:
            raise InputError(f"{folder} holds {found} images, {expected} expected: fetch it again")
    write_json(output / "source.json", {"source": "PraNet", "archives": facts})


if __name__ == "__main__":
    run(main)
