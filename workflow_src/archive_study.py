"""Archive a study as an RO-Crate: results, config, code and lock in one zip that can be verified.

In the unpacked folder `sha256sum --check SHA256SUMS` verifies every file, without a network, and
`snakemake --configfile config/archived.yaml` makes the study again.
"""

import shutil
import subprocess
from pathlib import Path

import yaml
from rocrate.rocrate import ROCrate

from workflow_src.common.code_hash import ROOT
from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder
from workflow_src.common.provenance import provenance
from workflow_src.study.loading import load_study

CONFIG = Path("config/archived.yaml")
SUMS = "SHA256SUMS"
# What a reader needs to judge a study, and what takes its place on disk: trained and drawn.
JUDGED = ("tables", "figures", "report.html", "audit.*", "claims.*", "benchmarks",
          "scores/**/metrics.*", "models/**/recipe.json", "models/**/log.csv",
          "controlnet/**/recipe.json", "controlnet/**/log.csv", "fidelity", "cost")  # fmt: skip
WEIGHTS = ("models", "controlnet", "backbone", "autoencoder")


def main(configfiles: list[Path], output: OutputFolder, weights: bool = False) -> None:
    """Write the archive, as a folder and a zip beside it.

    Args:
        configfiles: of the study, as Snakemake takes them.
        output: folder of the archive; the zip has its name.
        weights: archive trained weights too.

    Raises:
        InputError: if the study has no report yet.
    """
    config = load_study(configfiles)
    results = Path("results") / config["study"]
    if not (results / "report.html").is_file():
        raise InputError(f"{results} has no report.html: run `snakemake` for it first")
    crate = output / "crate"
    shutil.rmtree(crate, ignore_errors=True)
    files = copied(ROOT, code_files(ROOT), crate)
    files += copied(Path(), results_files(results, weights), crate)
    (crate / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    files.append(CONFIG)
    described(crate, config, files)
    every = sorted(path.relative_to(crate) for path in crate.rglob("*") if path.is_file())
    lines = [f"{file_sha256(crate / path)}  {path}\n" for path in every]
    (crate / SUMS).write_text("".join(lines))
    shutil.make_archive(str(output / config["study"]), "zip", crate)
    print(f"{output / config['study']}.zip: {len(every)} files")


def code_files(root: Path) -> list[Path]:
    """The files of the checkout that git knows, as they are now."""
    try:
        said = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"{root} is not a git checkout: archive from one") from error
    names = [Path(name) for name in said.stdout.decode().split("\0") if name]
    return [name for name in names if (root / name).is_file()]


def results_files(results: Path, weights: bool) -> list[Path]:
    """The files of a study that are archived."""
    patterns = JUDGED + (WEIGHTS if weights else ())
    found = {path for pattern in patterns for place in results.glob(pattern)
             for path in ([place] if place.is_file() else place.rglob("*"))}  # fmt: skip
    shown = (path for path in found if not any(part.startswith(".") for part in path.parts))
    return sorted(path for path in shown if path.is_file())


def copied(root: Path, files: list[Path], crate: Path) -> list[Path]:
    """Copy files into the archive, each to its own path."""
    for file in files:
        (crate / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / file, crate / file)
    return files


def described(crate: Path, config: dict, files: list[Path]) -> None:
    """Write ro-crate-metadata.json: what each file is, its size and checksum."""
    written = ROCrate()
    origin = provenance("workflow_src.archive_study")
    written.name = f"{config['study']}: tables and figures of LAW & ORDER, and what made them"
    written.description = (
        f"Seeds {config['seeds']}. Code at commit {origin['commit']}, environment of "
        "requirements.lock. README.md says how to run it."
    )
    written.license = "https://spdx.org/licenses/MIT"
    for file in files:
        facts = {"sha256": file_sha256(crate / file),
                 "contentSize": str((crate / file).stat().st_size)}  # fmt: skip
        if file == Path("Snakefile"):
            written.add_workflow(crate / file, file, main=True, lang="snakemake", properties=facts)
        else:
            written.add_file(crate / file, file, properties=facts)
    written.root_dataset["version"] = origin["commit"] or ""
    written.metadata.write(crate)


if __name__ == "__main__":
    run(main)
