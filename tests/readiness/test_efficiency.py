"""What jobs asked for against what they used, and the config that would fit."""

import pytest
import yaml
from conftest import ROOT

from workflow_src import report_efficiency
from workflow_src.common.errors import InputError
from workflow_src.readiness.efficiency import by_rule, fit
from workflow_src.study.loading import load_study

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tcpu_time\n"


@pytest.fixture
def benchmarks(tmp_path):
    """Of a training that used little of what it asked for, and of a plan that used much."""
    jobs = {
        "train_segmenter/a.tsv": "600.0\t0:10:00\t900.0\t1.0\t540.0\n",
        "train_segmenter/b.tsv": "1200.0\t0:20:00\t2100.0\t1.0\t1500.0\n",
        "train_segmenter/too_short.tsv": "0.1\t0:00:00\tNA\tNA\tNA\n",
        "plan_nnunet/c.tsv": "540.0\t0:09:00\t2900.0\t1.0\t500.0\n",
        "make_table/d.tsv": "5.0\t0:00:05\t100.0\t1.0\t5.0\n",
    }
    for name, row in jobs.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(HEADER + row)
    return tmp_path


def config() -> dict:
    default = {"threads": 1, "mem_mb": 1000, "runtime": 60, "gpu": 0}
    training = {"threads": 8, "mem_mb": 16000, "runtime": 40, "gpu": 1}
    return {"resources": {"default": default, "train_segmenter": training,
                          "plan_nnunet": {"mem_mb": 3000, "runtime": 15}}}  # fmt: skip


def test_a_rule_s_largest_job_says_what_would_fit(benchmarks):
    plan, training = by_rule(benchmarks, config())  # the table asks the queue for nothing
    assert training["jobs"] == 2
    assert training["used"] == {"mem_mb": 2100, "runtime": 20, "threads": 1.25}
    # 20 minutes with a margin are more than half of 40: they stay.
    assert training["line"] == "train_segmenter: {mem_mb: 3000, threads: 2}"
    assert plan["line"] == "plan_nnunet: {mem_mb: 4000}"  # almost too little
    assert yaml.safe_load(training["line"]) == {"train_segmenter": {"mem_mb": 3000, "threads": 2}}


def test_nothing_is_asked_for_that_is_not_worth_it():
    assert [fit("mem_mb", 10), fit("runtime", 0.1), fit("threads", 0.2)] == [1000, 10, 1]


def test_the_report_prints_lines_that_are_a_config(benchmarks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = [ROOT / "config/demo.yaml", ROOT / "tests/study.yaml"]  # whose backbone is its own
    with pytest.raises(InputError, match="has no job's benchmark yet"):
        report_efficiency.main(files)
    (tmp_path / "results/smallest").mkdir(parents=True)
    moved = tmp_path / "results/smallest/benchmarks"
    moved.mkdir()
    (benchmarks / "train_segmenter").rename(moved / "train_segmenter")
    report_efficiency.main(files)
    printed = capsys.readouterr().out
    assert "| train_segmenter | 2 | 2000, 2100.0 |" in printed
    lines = printed[printed.index("resources:") :]
    (tmp_path / "more.yaml").write_text(lines)
    changed = load_study([*files, tmp_path / "more.yaml"])
    assert changed["resources"]["train_segmenter"]["mem_mb"] == 3000
