"""Plan nnU-Net on the real training images alone, and preprocess them once for all mixes."""

import shutil
from pathlib import Path

from jsonargparse.typing import PositiveInt

from workflow_src.common.command_line import run
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, require_space, whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.prepared import PreparedSet
from workflow_src.downstream import environment as nnunet
from workflow_src.downstream.cases import (
    bytes_needed,
    dataset_json,
    preprocess_cases,
    write_raw,
    written,
)
from workflow_src.downstream.planning import plan
from workflow_src.study.downstream import Network


def main(
    data: Path,
    output: OutputFolder,
    lesion: str,
    network: Network | None = None,
    threads: PositiveInt = 1,
) -> None:
    """Plan and preprocess.

    Args:
        data: folder of the prepared set, of one size.
        output: folder of the plan and the preprocessed real cases.
        lesion: name of the foreground label.
        network: replaces the planned network.
        threads: processes to use.
    """
    prepared = PreparedSet(data)
    rows = prepared.rows("train", "val")
    require_space(output, bytes_needed(prepared, rows), str(output))
    with whole_folder(output, "plan.json") as folder:
        nnunet.set_environment(folder, max(threads, 2))  # planning crashes with 0 workers
        name = nnunet.dataset_name(lesion)
        raw = folder / "raw" / name
        names = write_raw(prepared, rows, "real", raw)
        description = dataset_json(prepared, len(names), lesion)
        write_json(raw / "dataset.json", description)
        pixels = sum(prepared.mask(row).size for row in rows)
        plans = plan(folder / "preprocessed" / name, network, threads, pixels)
        preprocessed = folder / "preprocessed" / name
        preprocess_cases(
            names, raw, folder / "cases", plans, nnunet.CONFIGURATION, description, threads
        )
        for file in ("dataset.json", "dataset_fingerprint.json"):
            shutil.copyfile(preprocessed / file, folder / file)
        write_json(folder / f"{nnunet.PLANS}.json", plans)
        shutil.rmtree(folder / "preprocessed")
        shutil.rmtree(folder / "raw")  # all further work is on the preprocessed cases
        by_split = {
            split: [n for n, r in zip(names, rows, strict=True) if prepared.index.split[r] == split]
            for split in ("train", "val")
        }
        facts = {
            "data": prepared.meta["sha256"],
            "dataset": name,
            "network": network.complete() if network else None,
            "plans": file_sha256(folder / f"{nnunet.PLANS}.json"),
            "cases": by_split,
            "files": written(folder),
            "groups": {
                n: prepared.index.case[r]
                for n, r in zip(names, rows, strict=True)
                if prepared.index.split[r] == "train"
            },
            "provenance": provenance("workflow_src.plan_nnunet"),
        }
        write_json(folder / "plan.json", facts)


if __name__ == "__main__":
    run(main)
