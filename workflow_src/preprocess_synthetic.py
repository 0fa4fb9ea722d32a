"""Preprocess a synthetic set by the real set's nnU-Net plan, once for all mixes that use it."""

import shutil
from pathlib import Path

from jsonargparse.typing import PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.json_files import read_json
from workflow_src.common.outputs import OutputFolder, require_space, whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.arrays import check_made
from workflow_src.data.prepared import PreparedSet
from workflow_src.downstream import environment as nnunet
from workflow_src.downstream.cases import bytes_needed, preprocess_cases, write_raw, written


def main(data: Path, plan: Path, output: OutputFolder, threads: PositiveInt = 1) -> None:
    """Preprocess synthetic images.

    Args:
        data: folder of the synthetic prepared set.
        plan: folder that `plan_nnunet` wrote.
        output: folder of the preprocessed cases.
        threads: processes to use.
    """
    prepared = PreparedSet(data)
    check_made(plan / "plan.json", f"{nnunet.PLANS}.json", "dataset.json")
    rows = prepared.rows("train")
    require_space(output, bytes_needed(prepared, rows), str(output))
    with whole_folder(output, "cases.json") as folder:
        nnunet.set_environment(folder, threads)
        names = write_raw(prepared, rows, "synthetic", folder / "raw")
        plans = read_json(plan / f"{nnunet.PLANS}.json")
        description = read_json(plan / "dataset.json")
        preprocess_cases(
            names,
            folder / "raw",
            folder / "cases",
            plans,
            nnunet.CONFIGURATION,
            description,
            threads,
        )
        shutil.rmtree(folder / "raw")  # all further work is on the preprocessed cases
        facts = {
            "data": prepared.meta["sha256"],
            "cases": names,
            "files": written(folder),
            "provenance": provenance("workflow_src.preprocess_synthetic"),
        }
        write_json(folder / "cases.json", facts)


if __name__ == "__main__":
    run(main)
