"""Note what a raw set of your own holds, so that a changed file is seen by the workflow."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.data.inventory import fingerprint, inventory


def main(root: Path, output: Path) -> None:
    """List a raw set.

    Args:
        root: folder of the raw set.
        output: the list, a json file: what it holds, and a hash over names and contents.
    """
    found = inventory(root)
    if not found["files"]:
        raise InputError(f"{root} holds no file: give the folder of your images as `root`")
    write_json(output, {"source": "local", **found, "fingerprint": fingerprint(root)})


if __name__ == "__main__":
    run(main)
