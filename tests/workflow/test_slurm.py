"""A small study by the literal `snakemake --profile slurm`, under a Slurm of this machine.

Run by `make test-slurm`; `make test` leaves it out.
"""

import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT, copy_of_the_workflow
from slurm_cluster import NODES, Cluster, ask, wait_for
from slurm_study import PLACE, RESULTS, Study, Training

pytestmark = pytest.mark.slurm


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    os.environ["ACCELERATE_USE_CPU"] = "true"  # also where a job has two processes
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))  # skips where there can be none
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def on_slurm(cluster, tmp_path_factory) -> Study:
    """A checkout whose lines marked SET are set for the tests' Slurm."""
    folder = tmp_path_factory.mktemp("checkout") / "workflow"
    copy_of_the_workflow(folder)
    profile = folder / "slurm/profile.yaml"
    profile.write_text(profile.read_text().replace("CHANGE_ME", "lab"))
    gpus = folder / "workflow_src/common/gpus.py"  # PyTorch knows nothing of the tests' devices
    checking = gpus.read_text()
    trusting = checking.replace("int(os.environ.get(ASKED, 0))", "0")
    assert trusting != checking
    gpus.write_text(trusting)
    return Study(folder, cluster)


@pytest.fixture(scope="session")
def first_run(on_slurm) -> Study:
    """The checkout after a call that makes Table 3."""
    code, printed = on_slurm.run("table3")
    assert code == 0, printed[-5000:]
    return on_slurm


@pytest.fixture(scope="session")
def training(first_run) -> Training:
    return Training(first_run)


def test_jobs_land_where_their_resources_ask(first_run):
    trainings = first_run.jobs("train_segmenter")
    assert len(trainings) == 2
    for job in trainings:
        assert job["Partition"] == "gpu" and job["devices"] <= {"0", "1"} and job["devices"]
        assert job["Account"] == "lab" and job["nodes"] <= {"node1", "node2"}
    others = first_run.jobs("planned")
    assert others
    for job in others:
        assert job["Partition"] == "cpu" and job["devices"] == {"none"}
        assert job["nodes"] == {"node3"}


def test_two_gpu_jobs_run_side_by_side_on_different_devices(first_run):
    first, second = first_run.jobs("train_segmenter")
    assert (first["nodes"], first["devices"]) != (second["nodes"], second["devices"])
    assert max(first["StartTime"], second["StartTime"]) < min(first["EndTime"], second["EndTime"])


def test_a_job_of_two_gpus_is_one_task_that_sees_both(first_run):
    target = str(RESULTS / "controlnet/polyps/law/seed0/recipe.json")
    passes = "synthesis={training: {micro_batch: 2}}"
    both = ["--config", "resources={train_controlnet: {gpu: 2}}", passes]
    code, printed = first_run.run(target, *both)
    assert code == 0, printed[-5000:]
    (job,) = first_run.jobs("train_controlnet")
    assert job["NumTasks"] == "1" and job["devices"] == {"0,1"}


def test_the_page_s_squeue_says_which_rule_a_job_is_of(cluster):
    page = (ROOT / "docs/cluster.md").read_text()
    asks = shlex.split(re.search(r"^ +(squeue .*?)  +#", page, re.M)[1])
    submit = ["sbatch", "-A", "lab", "-p", "cpu", "--mem=100", "--comment", "rule_of_mine"]
    number = ask(*submit, "--parsable", "-o", "/dev/null", "--wrap", "sleep 60").strip()
    (line,) = (line for line in ask(*asks).splitlines() if line.startswith(number))
    ask("scancel", number)
    assert line.split()[1] == "cpu" and line.endswith("rule_of_mine")


def test_the_gpus_of_a_task_reach_each_of_its_processes(cluster, tmp_path):
    # One write, since both processes have the same output.
    show = "f\"{os.environ['RANK']} {os.environ['CUDA_VISIBLE_DEVICES']}\\n\".encode()"
    show = f"import os\nos.write(1, {show})\n"
    (tmp_path / "show.py").write_text(show)
    asks = ["srun", "-A", "lab", "-p", "gpu", "-n1", "--gpus=2", "--mem=2000"]
    launch = [sys.executable, "-m", "workflow_src.common.launch", "--processes", "2", "-m", "show"]
    path = f"PYTHONPATH={ROOT}:{tmp_path}"
    done = ask(*asks, "env", path, *launch)
    assert sorted(done.splitlines()) == ["0 0,1", "1 0,1"]


def test_downloads_tables_and_figures_are_no_jobs_of_the_cluster(first_run):
    assert (first_run.folder / RESULTS / "tables/table3.md").is_file()
    assert not first_run.jobs("make_table")


def test_a_second_call_finds_nothing_to_do(first_run):
    code, printed = first_run.run("table3")
    assert code == 0 and "Nothing to be done" in printed


def test_a_failed_job_leaves_the_others_running_and_names_its_log(first_run: Study):
    wrong = "segmentation={models: {order: {options: {heads: 5}}}}"
    apart = ["--group-components", "scored=1"]  # else its scores and theirs are one job
    code, printed = first_run.run(
        "table3", "--retries", "0", *apart, "--config", wrong, "seeds=[3]"
    )
    assert code == 1
    assert (first_run.folder / RESULTS / "scores/polyps/mkunet/seed3/metrics.json").is_file()
    assert "logs/train_segmenter/polyps-order-3.log" in printed
    assert "heads" in printed  # the log itself is shown


# What a cluster does to a training: it ends with the bytes of the undisturbed one, or fails whole.


def test_a_preempted_training_resumes_and_ends_as_an_undisturbed_one(training):
    call = training.begin()
    number = training.held(call)["JobId"]
    urgent = ["sbatch", "-A", "lab", "-p", "urgent", "-N2", "--gpus=4", "--mem=100"]
    ask(*urgent, "-o", "/dev/null", "--wrap", "sleep 3")
    code, printed = training.study.end(call)
    assert code == 0, printed[-5000:]
    job = training.study.jobs("train_segmenter")[-1]
    assert (job["JobId"], job["Restarts"]) == (number, "1")
    training.assert_resumed_and_the_same()


@pytest.mark.on_demand
def test_a_training_whose_node_goes_down_goes_on_elsewhere(training, cluster):
    call = training.begin()
    before = training.held(call)
    node = before["NodeList"]
    cluster.kill_node(node)
    code, printed = training.study.end(call)
    cluster.start_node(node)
    assert code == 0, printed[-5000:]
    job = training.study.jobs("train_segmenter")[-1]
    assert (job["JobId"], job["Restarts"]) == (before["JobId"], "1")
    assert job["NodeList"] != node and job["nodes"] == {node, job["NodeList"]}
    training.assert_resumed_and_the_same()
    wait_for(lambda: cluster.states() == dict.fromkeys(NODES, "idle"), "the node's return", 60)


@pytest.mark.on_demand
def test_a_training_out_of_time_comes_back_with_more_where_sacct_tells_its_state(training):
    shorter = ["--config", "resources={train_segmenter: {runtime: 1}}"]
    call = training.begin(*shorter, "--slurm-status-command", "sacct")
    first = training.held(call)
    code, printed = training.study.end(call)
    assert code == 0, printed[-5000:]
    tries = training.study.jobs("train_segmenter")[-2:]
    assert [job["JobState"] for job in tries] == ["TIMEOUT", "COMPLETED"]
    assert tries[0]["JobId"] == first["JobId"]
    assert [job["TimeLimit"] for job in tries] == ["00:01:00", "00:02:00"]
    training.assert_resumed_and_the_same()


def test_a_training_out_of_memory_is_tried_again_with_more(training):
    call = training.begin("--config", "resources={train_segmenter: {mem_mb: 600}}")
    before = {job["JobId"] for job in training.study.jobs("train_segmenter")}
    code, printed = training.study.end(call)
    assert code == 0, printed[-5000:]
    tries = [j for j in training.study.jobs("train_segmenter") if j["JobId"] not in before]
    assert [job["TRES"].split("mem=")[1].split(",")[0] for job in tries][:2] == ["600M", "1200M"]
    assert [j["JobState"] for j in tries][0] in ("OUT_OF_MEMORY", "FAILED", "CANCELLED")
    assert tries[-1]["JobState"] == "COMPLETED"


@pytest.mark.on_demand
def test_jobs_outlive_a_restart_of_the_controller(training, cluster):
    call = training.begin()
    job = training.held(call)
    cluster.kill("slurmctld")
    cluster.start_controller()
    subprocess.run(["pkill", "-CONT", "-f", f"train_segmenter.*{PLACE}"], check=True)
    code, printed = training.study.end(call)
    assert code == 0, printed[-5000:]
    last = training.study.jobs("train_segmenter")[-1]
    assert (last["JobId"], last["Restarts"]) == (job["JobId"], "0")
    assert (training.place / "model.safetensors").read_bytes() == training.undisturbed


@pytest.mark.on_demand
def test_scancel_fails_a_job_and_a_killed_snakemake_says_which_jobs_live_on(training):
    call = training.begin("--retries", "0")
    number = training.held(call)["JobId"]
    ask("scancel", number)
    code, printed = training.study.end(call)
    assert code == 1 and "SLURM status is: 'CANCELLED'" in printed, printed[-5000:]
    assert all(path.name.startswith(".") for path in training.place.iterdir())
    target = str(PLACE / "recipe.json")
    call = training.study.start(target)
    living = training.held(call)["JobId"]
    call.kill()
    training.study.end(call)
    code, printed = training.study.run(target)
    assert code == 1 and f"(scancel {living})" in printed, printed[-5000:]
    (job,) = [j for j in training.study.jobs("train_segmenter") if j["JobId"] == living]
    assert job["JobState"] == "RUNNING"
    ask("scancel", living)
    wait_for(lambda: not ask("squeue", "--noheader"), "an empty queue", 60)
    code, printed = training.study.run(target)
    assert code == 0 and "its lock is removed" in printed, printed[-5000:]
    training.assert_resumed_and_the_same()
