"""Turn a raw image set into a prepared set: checked, resized, memory-mapped."""

from pathlib import Path

from jsonargparse.typing import PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.outputs import OutputFolder
from workflow_src.data.preparation import prepare
from workflow_src.study.reading import Reading


def main(
    root: Path,
    output: OutputFolder,
    reading: Reading,
    size: PositiveInt | None = None,
    threads: PositiveInt = 1,
) -> None:
    """Prepare a raw set.

    Args:
        root: folder of the raw set.
        output: folder of the prepared set.
        reading: how the raw set is read.
        size: side length in pixels; without it every image keeps its own size.
        threads: images or volumes read at once.
    """
    prepare(root, output, reading, size, threads)


if __name__ == "__main__":
    run(main)
