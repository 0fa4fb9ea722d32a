"""Compare two result folders: what changed, and whether it matters; prints Markdown.

Two studies, two commits, two sites. Cells are tested over the images that both scored, or over
seeds; the p-values are adjusted for their number.
"""

from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_text
from workflow_src.paper.comparison import to_markdown


def main(first: Path, second: Path, output: Path | None = None, every: bool = False) -> None:
    """Compare two folders of results.

    Args:
        first: such as results/demo.
        second: the other; differences are second minus first.
        output: an md file to write beside printing.
        every: show also cells that are the same.
    """
    for folder in (first, second):
        if not (folder / "claims.json").is_file():
            raise InputError(f"{folder} has no claims.json: run `snakemake report` for it first")
    text = to_markdown(first, second, every)
    print(text)
    if output:
        write_text(output, text)


if __name__ == "__main__":
    run(main)
