"""The workflow as written: its style, its plans, its scripts' command lines, its refusals."""

import re
import runpy
import subprocess
import sys

import pytest
from conftest import ROOT

SCRIPTS = sorted(
    path.stem for path in (ROOT / "workflow_src").glob("*.py") if "run(main)" in path.read_text()
)
STAGES = {
    "prepare_data", "train_controlnet", "sample_controlnet", "score_fidelity",
    "score_faithfulness", "score_stability", "plan_nnunet", "preprocess_synthetic", "train_nnunet",
    "predict_nnunet", "train_segmenter", "predict_segmenter", "score_segmentation", "measure_cost",
    "make_table", "plot_synthesis", "plot_segmentation", "plot_delta_maps", "make_report",
}  # fmt: skip
SMALL_PASSES = "synthesis={training: {micro_batch: 8}}"
OWN_STAGES = {
    "config": {"fetch_polyps", "fetch_kits19", "fetch_stable_diffusion", "fetch_metric_weights"},
    "demo": {"make_phantoms", "cache_latents"},
    "small": {"fetch_polyps", "fetch_kits19", "train_autoencoder", "train_denoiser"},
}


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "Snakefile", "rules"],
        pytest.param(["mypy"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_style(command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakemake_lint(snakemake):
    code, printed = snakemake("--lint")
    assert code == 0, printed


def planned(printed: str) -> dict[str, int]:
    """Jobs per rule, as a dry-run prints them."""
    table = re.search(r"^job +count\n-.*\n((?:\S+ +\d+\n)+)", printed, re.M)
    return {} if table is None else {
        row.split()[0]: int(row.split()[1]) for row in table[1].splitlines()
    }  # fmt: skip


@pytest.mark.parametrize("config", OWN_STAGES)
def test_a_dry_run_without_data_plans_every_stage(snakemake, config):
    code, printed = snakemake("-n", "--configfile", f"config/{config}.yaml")
    assert code == 0, printed
    jobs = planned(printed)
    assert set(jobs) >= STAGES | OWN_STAGES[config]
    if config == "config":
        # 4 methods on two sets and Table 4's other rungs on one, by 3 seeds
        assert jobs["train_controlnet"] == (4 + 4 + 3) * 3
        # real, three methods, and the control on two sets; a preset on one
        assert jobs["train_nnunet"] == (5 * 2 + 1) * 3
        assert jobs["plan_nnunet"] == 2 and jobs["plan_resenc"] == 1
        assert jobs["train_segmenter"] == 7 * 3


def test_the_demo_is_given_the_backbone_that_a_study_of_its_own_trains(snakemake):
    code, printed = snakemake("-n", "--configfile", "config/demo.yaml")
    assert code == 0 and not {"train_autoencoder", "train_denoiser"} & set(planned(printed))
    code, printed = snakemake(
        "-n", "--configfile", "config/demo.yaml", "config/demo_backbone.yaml", "--",
        *(f"results/demo_backbone/backbone/{name}/backbone.json" for name in ("polyps", "kits19")),
    )  # fmt: skip
    assert code == 0, printed
    jobs = planned(printed)
    assert jobs["make_phantoms"] == jobs["train_autoencoder"] == jobs["train_denoiser"] == 2


@pytest.mark.parametrize("recipe", ["pranet", "mkunet"])
def test_other_recipes_are_files_to_add(snakemake, recipe):
    files = ["config/small.yaml", f"config/recipes/{recipe}.yaml"]
    code, printed = snakemake("-n", "-p", "table3", "--configfile", *files)
    assert code == 0, printed
    assert '"loss":"structure"' in printed.replace(" ", "")
    assert planned(printed)["train_segmenter"] == 4


def test_the_small_study_is_cut_for_a_cpu(snakemake):
    files = ["config/small.yaml", "config/recipes/cpu.yaml"]
    code, printed = snakemake("-n", "all", "--configfile", *files)
    assert code == 0, printed
    assert planned(printed)["train_controlnet"] == 2 * (7 + 4)  # seeds, polyps, kits19


def test_named_targets_exist(snakemake):
    targets = [*(f"table{n}" for n in range(1, 7)), "figures", "report"]
    targets += ["ablation_law", "ablation_order"]
    code, printed = snakemake("-n", "--configfile", "config/demo.yaml", "--", "all", *targets)
    assert code == 0, printed
    assert set(planned(printed)) >= set(targets)


GAMMAS = "rows: [distillation, law], datasets: [kits19], columns: [fd_lite0, faithfulness]"


def test_a_table_of_ones_own_is_a_target_and_in_the_report(snakemake):
    own = [
        "--configfile",
        "config/demo.yaml",
        "--config",
        f"tables={{my_gammas: {{of: methods, {GAMMAS}}}}}",
    ]
    code, printed = snakemake("-n", "table_my_gammas", *own)
    assert code == 0, printed
    jobs = planned(printed)
    assert (jobs["make_table"], jobs["train_controlnet"], jobs["score_faithfulness"]) == (1, 2, 2)
    code, printed = snakemake("-n", *own)
    assert code == 0 and planned(printed)["make_table"] == 7, printed


@pytest.mark.parametrize("dropped", ["2", "3", "356", "123456"])
def test_dropped_tables_leave_the_rest(snakemake, dropped):
    tables = ", ".join(f'"{name}": null' for name in dropped)
    code, printed = snakemake(
        "-n", "--configfile", "config/demo.yaml", "--config", f"tables={{{tables}}}",
        "--", "all", "report", "figures", "ablation_law", "ablation_order",
    )  # fmt: skip
    assert code == 0, printed
    jobs = planned(printed)
    assert jobs.get("make_table", 0) == 6 - len(dropped)
    assert ("plot_accuracy_cost" in jobs) == (not {"3", "6"} <= set(dropped))
    assert ("plot_dice_sets" in jobs) == (not {"3", "5", "6"} <= set(dropped))
    assert jobs["make_report"] == jobs["make_claims"] == jobs["plot_synthesis"] == 1


def test_a_figure_whose_table_is_dropped_is_refused_in_words(snakemake):
    code, printed = snakemake(
        "-n", "results/paper/figures/accuracy_cost.pdf", "--config", 'tables={"3": null, "6": null}'
    )
    assert code != 0 and "Traceback" not in printed
    [line] = [line for line in printed.splitlines() if line.startswith("config: ")]
    assert "a table of models with parameters, gflops and dice of polyps" in line


def rules_as_written() -> dict[str, tuple[str, str]]:
    """By its name, the rule that each rule is made from, if any, and its own text."""
    texts = "\n".join(file.read_text() for file in (ROOT / "rules").glob("*.smk"))
    own = {}
    for text in re.split(r"\n(?=(?:use )?rule )", texts)[1:]:
        base, name = re.match(r"(?:rule|use rule (\w+) as) (\w+)", text).groups()
        own[name] = (base, text)
    return own


def rules() -> dict[str, str]:
    """Each rule's text by its name; of one made from another, the other's text and its own."""
    own = rules_as_written()
    return {name: own[base][1] + text if base else text for name, (base, text) in own.items()}


def test_downloads_tables_and_figures_alone_are_left_to_the_login_node():
    # A rule made from another does not inherit `localrule`.
    local = {name for name, (_, text) in rules_as_written().items() if "localrule: True" in text}
    short = {name for name in rules() if name.startswith(("fetch_", "make_", "plot_"))}
    assert local == short - {"make_phantoms"} | {"locate_raw", "score_stability"}


def test_a_step_is_started_on_the_gpus_that_its_rule_has(snakemake):
    target = "results/small/models/polyps/mkunet/seed0/recipe.json"
    several = "results/small/controlnet/polyps/law/seed0/recipe.json"
    config = ["--configfile", "config/small.yaml", "--config"]
    on_two = "resources={train_controlnet: {gpu: 2}}"
    _, printed = snakemake("-n", "-p", target, several, *config, on_two, SMALL_PASSES)
    launch = "python -m workflow_src.common.launch"
    assert f"{launch} --gpus 1 -m workflow_src.train_segmenter" in printed
    assert f"{launch} --gpus 2 --processes 2 -m workflow_src.train_controlnet" in printed
    _, printed = snakemake("-n", "-p", target, *config, "seeds=[0]", "--resources", "gpu=0")
    assert ": python -m workflow_src.train_segmenter" in printed and launch not in printed


def test_the_audit_of_a_study_of_phantoms_has_none_of_their_data(snakemake):
    target = "results/demo/audit.md"
    _, printed = snakemake("-n", "-p", target, "--configfile", "config/demo.yaml")
    assert "'--data={}'" in printed and "--published=config/published.yaml" in printed


def test_one_table_plans_only_what_it_needs(snakemake):
    _, printed = snakemake("-n", "ablation_order", "--config", "seeds=[3]")
    jobs = planned(printed)
    assert jobs["train_segmenter"] == 5  # mkunet, order and its three other stage sets
    assert not {"train_controlnet", "train_nnunet"} & set(jobs)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("sedes=[0]", "sedes is not a known key; did you mean seeds?"),
        ("synthesis={image_size: 65}", "synthesis.image_size is 65"),
        (
            "datasets={polyps: {root: /nowhere}}",
            "datasets.polyps.root is '/nowhere', which is not a folder",
        ),
        (
            "metrics={extractors: {clip: {path: clip.pt}}}",
            "metrics.extractors.clip.path is 'clip.pt', which is not here",
        ),
    ],
)
def test_a_wrong_setting_ends_in_one_line_and_runs_nothing(snakemake, checkout, setting, words):
    code, printed = snakemake("--config", setting)
    assert code != 0 and "Traceback" not in printed
    [line] = [line for line in printed.splitlines() if line.startswith("config: ")]
    assert words in line
    assert not (checkout / "results").exists()


def test_a_rule_is_hashed_with_the_script_that_it_runs():
    """Otherwise a change of the script would rerun nothing."""
    for name, text in rules().items():
        steps = re.findall(r'-m workflow_src\.(\w+)|\bstep="(\w+)"', text)
        run = ["".join(step) for step in steps][-1:]
        hashed = re.findall(r'\bcode=code\(\s*"(\w+)"', text)[-1:]
        # what is fetched stays the same whatever the code that fetched it
        assert run and (hashed == run or (name.startswith("fetch_") and not hashed)), name


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_explains_itself(script, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, f"workflow_src.{script}", raising=False)
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"workflow_src.{script}", run_name="__main__")
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.startswith("usage:")
    assert not re.findall(r"(--[\w.]+) \S+ \((?:required|type)", printed)  # no description


def test_parsing_loads_no_heavy_library():
    heavy = "torch", "diffusers", "nnunetv2", "pandas", "numpy"
    code = (
        "import sys, workflow_src.study.configuration, workflow_src.common.code_hash;"
        "import workflow_src.common.jobs;"
        "import workflow_src.data.inventory;"
        f"sys.exit(' '.join(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""
