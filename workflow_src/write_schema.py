"""Write config/schema.yaml, which lists every key of the configuration: for editors and readers."""

from pathlib import Path

from workflow_src.common.code_hash import ROOT
from workflow_src.common.command_line import run
from workflow_src.common.outputs import write_text
from workflow_src.study.schema import schema_text


def main(output: Path = ROOT / "config" / "schema.yaml") -> None:
    """Write the schema.

    Args:
        output: the file to write.
    """
    write_text(output, schema_text())


if __name__ == "__main__":
    run(main)
