"""A small study by the literal `snakemake --profile slurm`, under a Slurm of this machine.

Run by `make test-slurm`; `make test` leaves it out.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import copy_of_the_workflow, run_snakemake
from slurm_cluster import Cluster

pytestmark = pytest.mark.slurm
STUDY = ["--configfile", "config/demo.yaml", "tests/study.yaml", "tests/slurm.yaml"]
# A real cluster is asked less often.
OFTEN = ["--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3"]
RESULTS = Path("results/smallest")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    os.environ["ACCELERATE_USE_CPU"] = "true"  # also where a job has two processes
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))  # skips where there can be none
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def copy_without_gpu_checks(folder: Path) -> None:
    """Copy the workflow so that a job may ask for devices that PyTorch knows nothing of."""
    copy_of_the_workflow(folder)
    gpus = folder / "workflow_src/common/gpus.py"
    checking = gpus.read_text()
    trusting = checking.replace("int(os.environ.get(ASKED, 0))", "0")
    assert trusting != checking
    gpus.write_text(trusting)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory) -> Path:
    """A checkout whose lines marked SET are set for a Slurm without accounting."""
    folder = tmp_path_factory.mktemp("checkout") / "workflow"
    copy_without_gpu_checks(folder)
    profile = folder / "slurm/profile.yaml"
    text = re.sub(r".*CHANGE_ME.*\n", "", profile.read_text())
    profile.write_text(text.replace("# slurm-status-command", "slurm-status-command"))
    return folder


def command(*arguments: str) -> list[str]:
    """The literal command, with what only these tests add."""
    snakemake = [sys.executable, "-m", "snakemake", "--profile", "slurm"]
    return [*snakemake, *arguments, *STUDY, *OFTEN]


def run(checkout: Path, *arguments: str) -> tuple[int, str]:
    """Run the command: arguments in, exit code and printed text out."""
    done = subprocess.run(command(*arguments), cwd=checkout, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="session")
def first_run(cluster, checkout) -> str:
    """What a call prints that makes Table 3."""
    code, printed = run(checkout, "table3")
    assert code == 0, printed[-5000:]
    return printed


def of_rule(jobs: list[dict], rule: str) -> list[dict]:
    return [job for job in jobs if f"rule_{rule}" in job.get("Comment", "")]


def test_jobs_land_where_their_resources_ask(cluster, first_run):
    trainings = of_rule(cluster.jobs(), "train_segmenter")
    assert len(trainings) == 2
    for job in trainings:
        assert job["Partition"] == "gpu" and job["devices"] <= {"0", "1"} and job["devices"]
    others = of_rule(cluster.jobs(), "prepare_data")
    assert others
    for job in others:
        assert job["Partition"] == "cpu" and job["devices"] == {"none"}


def test_two_gpu_jobs_run_side_by_side_on_different_devices(cluster, first_run):
    first, second = of_rule(cluster.jobs(), "train_segmenter")
    assert first["devices"] != second["devices"]
    assert max(first["StartTime"], second["StartTime"]) < min(first["EndTime"], second["EndTime"])


def test_a_job_of_two_gpus_is_one_task_that_sees_both(cluster, checkout, first_run):
    target = str(RESULTS / "controlnet/polyps/law/seed0/recipe.json")
    passes = "synthesis={training: {micro_batch: 2}}"
    both = ["--config", "resources={train_controlnet: {gpu: 2}}", passes]
    code, printed = run(checkout, target, *both)
    assert code == 0, printed[-5000:]
    (job,) = of_rule(cluster.jobs(), "train_controlnet")
    assert job["NumTasks"] == "1" and job["devices"] == {"0,1"}


def test_downloads_tables_and_figures_are_no_jobs_of_the_cluster(cluster, checkout, first_run):
    assert (checkout / RESULTS / "tables/table3.md").is_file()
    assert not of_rule(cluster.jobs(), "make_table")


def test_a_second_call_finds_nothing_to_do(first_run, checkout):
    code, printed = run(checkout, "table3")
    assert code == 0 and "Nothing to be done" in printed


def test_a_preempted_training_resumes_and_ends_as_an_undisturbed_one(
    cluster, checkout, first_run, tmp_path
):
    place = RESULTS / "models/polyps/mkunet/seed1"
    longer = ["--config", "segmentation={training: {epochs: 60}}", "seeds=[1]"]
    target = str(place / "recipe.json")
    call = subprocess.Popen(
        command(target, *longer),
        cwd=checkout, stdout=(tmp_path / "out").open("w"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    for _ in range(240):
        time.sleep(0.5)
        if list((checkout / place).glob(".state-*/checkpoint.pt")):
            break
    (job,) = [j for j in of_rule(cluster.jobs(), "train_segmenter") if j["JobState"] == "RUNNING"]
    urgent = ["sbatch", "-p", "urgent", "--gpus=2", "--mem=100", "-o", "/dev/null"]
    subprocess.run([*urgent, "--wrap", "sleep 3"], check=True, capture_output=True)
    assert call.wait(timeout=400) == 0, (tmp_path / "out").read_text()[-5000:]
    (job,) = [j for j in cluster.jobs() if j["JobId"] == job["JobId"]]
    assert job["Restarts"] == "1", job
    log = (checkout / RESULTS / "logs/train_segmenter/polyps-mkunet-1.log").read_text()
    assert re.search(r"resumed from .* at step [1-9]", log)
    undisturbed = tmp_path / "workflow"
    copy_without_gpu_checks(undisturbed)
    code, printed = run_snakemake(undisturbed, target, *STUDY, *longer)
    assert code == 0, printed[-5000:]
    weights = place / "model.safetensors"
    assert (checkout / weights).read_bytes() == (undisturbed / weights).read_bytes()


def test_a_job_out_of_memory_is_tried_again_with_more(cluster, checkout, first_run):
    target = str(RESULTS / "models/polyps/mkunet/seed2/recipe.json")
    small = ["--config", "resources={train_segmenter: {mem_mb: 600}}", "seeds=[2]"]
    before = {job["JobId"] for job in cluster.jobs()}
    code, printed = run(checkout, target, *small)
    assert code == 0, printed[-5000:]
    tries = [j for j in cluster.jobs() if j["JobId"] not in before]
    states = {re.search(r"mem=(\w+)", job["TRES"])[1]: job["JobState"] for job in tries}
    assert states.pop("600M") in ("OUT_OF_MEMORY", "FAILED", "CANCELLED")
    assert list(states.values())[-1] == "COMPLETED" and "1200M" in states


def test_a_failed_job_leaves_the_others_running_and_names_its_log(cluster, checkout, first_run):
    wrong = "segmentation={models: {order: {options: {heads: 5}}}}"
    code, printed = run(checkout, "table3", "--retries", "0", "--config", wrong, "seeds=[3]")
    assert code == 1
    assert (checkout / RESULTS / "scores/polyps/mkunet/seed3/metrics.json").is_file()
    assert "logs/train_segmenter/polyps-order-3.log" in printed
    assert "heads" in printed  # the log itself is shown
