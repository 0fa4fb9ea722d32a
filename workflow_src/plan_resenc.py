"""Plan nnU-Net by a preset of residual encoders, from what `plan_nnunet` found in real images."""

import shutil
from pathlib import Path

from workflow_src.common.command_line import run
from workflow_src.common.hashing import file_sha256
from workflow_src.common.json_files import read_facts
from workflow_src.common.outputs import OutputFolder, whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.arrays import check_made, file_hashes
from workflow_src.downstream import environment as nnunet
from workflow_src.downstream.planning import plan_preset
from workflow_src.study.downstream import Network, Preset


def main(plan: Path, output: OutputFolder, preset: Preset, network: Network | None = None) -> None:
    """Plan by a preset.

    Args:
        plan: folder that `plan_nnunet` wrote.
        output: folder of the plan alone; the preprocessed cases of `plan` fit it.
        preset: the preset.
        network: replaces the planned network.
    """
    check_made(plan / "plan.json", "dataset.json", "dataset_fingerprint.json")
    facts = read_facts(plan / "plan.json", "dataset")
    name = facts["dataset"]
    with whole_folder(output, "plan.json") as folder:
        nnunet.set_environment(folder, threads=2)  # planning crashes with 0 workers
        for part in ("raw", "preprocessed"):
            (folder / part / name).mkdir(parents=True)
            shutil.copyfile(plan / "dataset.json", folder / part / name / "dataset.json")
        fingerprint = "dataset_fingerprint.json"
        shutil.copyfile(plan / fingerprint, folder / "preprocessed" / name / fingerprint)
        plans = plan_preset(folder, name, preset, network)
        for part in ("raw", "preprocessed"):
            shutil.rmtree(folder / part)
        shutil.copyfile(plan / "dataset.json", folder / "dataset.json")
        write_json(folder / f"{nnunet.PLANS}.json", plans)
        facts |= {
            "files": file_hashes(folder),
            "preset": preset,
            "network": network.complete() if network else None,
            "plans": file_sha256(folder / f"{nnunet.PLANS}.json"),
            "provenance": provenance("workflow_src.plan_resenc"),
        }
        write_json(folder / "plan.json", facts)


if __name__ == "__main__":
    run(main)
