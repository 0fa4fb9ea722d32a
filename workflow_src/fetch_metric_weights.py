"""Fetch the weights of a feature extractor, at a pinned revision or checksum."""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.data.download import download


def main(output: Path, url: str, sha256: str | None = None) -> None:
    """Fetch one file of weights.

    Args:
        output: where it goes.
        url: where it lies.
        sha256: of its content; left out where the url names a commit, whose content cannot change.
    """
    download(url, output, sha256)


if __name__ == "__main__":
    run(main)
