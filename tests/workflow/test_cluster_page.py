"""Every command of docs/cluster.md is planned, parsed or run by a test; others are refused."""

import importlib
import re
import shlex
import subprocess

import pytest
from conftest import ROOT
from jsonargparse import auto_parser
from test_readme import COMMANDS as PLANNED

# Commands that a test runs: the file under tests/, and the words in it that do so.
RUN = {
    'squeue --me -o "%i %P %T %M %k"': ("workflow/test_slurm.py", "(squeue .*?)"),
    "snakemake --profile slurm": ("slurm_study.py", '"--profile", "slurm"'),
    "sha256sum --check SHA256SUMS": ("paper/test_archive.py", '["sha256sum", "--check"'),
    "python benchmarks/gpu.py": ("workflow/test_benchmarks.py", '"--toy", "--only"'),
}
# Commands that none can run here.
NOT_RUN = {
    "apptainer build envs/workflow.sif envs/apptainer.def": "needs Apptainer, as the page says",
    "srun --gpus=4 --cpus-per-task=32 apptainer exec --nv envs/workflow.sif "
    "snakemake --cores 32 --resources gpu=4": "likewise; its plan in the image's root is tried",
    "snakemake --unlock": "Snakemake's own, for a second login node",
    "source .venv/bin/activate": "the shell's own",
}


def commands() -> list[str]:
    """The lines of the page's blocks, and what in its sentences starts a program."""
    text = re.sub(r"```.*?```", "", (ROOT / "docs/cluster.md").read_text(), flags=re.S)
    text = re.sub(r" \\\n\s+", " ", text)
    blocks = [line.split("  #")[0].strip() for line in text.splitlines() if line[:4] == "    "]
    programs = r"(?:make|snakemake|python|sbatch|srun|squeue|scancel|sha256sum|apptainer|docker) "
    quoted = re.findall(r"`([^`]+)`", re.sub(r"\s+", " ", text))
    inline = [text for text in quoted if re.match(programs, text)]
    return sorted({part for line in blocks + inline for part in line.split(" && ")})


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_page_is_known_to_work(command):
    if command in NOT_RUN or command in PLANNED:
        return
    if command in RUN:
        file, words = RUN[command]
        assert words in (ROOT / "tests" / file).read_text()
        return
    assert command.startswith("make "), f"no test runs `{command}`: let one, and name it here"
    done = subprocess.run(
        ["make", "-n", "-o", "setup", *shlex.split(command)[1:]],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for line in re.sub(r" \\\n\s*", " ", done.stdout).splitlines():
        if step := re.search(r"-m (workflow_src\.\S+) (.+)", line):
            main = importlib.import_module(step[1]).main
            auto_parser(main, as_positional=False).parse_args(shlex.split(step[2]))


def test_nothing_is_listed_that_the_page_no_longer_has():
    assert {*RUN, *NOT_RUN} <= set(commands())
