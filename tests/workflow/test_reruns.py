"""What a further call would run once the smallest study is finished: what a change touches."""

import base64
import os
import random
import re
import time

import pytest
from conftest import SMALLEST


@pytest.fixture(scope="module")
def checkout(study):
    return study


@pytest.fixture
def planned(snakemake):
    """A function that plans: arguments in; out come the jobs' first outputs, below the study's."""

    def plan(*arguments: str) -> set[str]:
        code, printed = snakemake(*SMALLEST, "-n", *arguments)
        assert code == 0, printed[-3000:]
        outputs = re.findall(r"^    output: (\S+?),?(?: |$)", printed, re.M)
        assert outputs or "Nothing to be done" in printed
        return {path.split("/", 2)[2] for path in outputs}

    return plan


@pytest.fixture
def changed(checkout):
    """A function that appends a line to a file; at the end the file is as it was."""
    before = {}

    def change(name: str, line: str) -> None:
        path = checkout / name
        before[path] = (path.read_text(), path.stat())
        path.write_text(f"{before[path][0]}\n{line}\n")

    yield change
    for path, (text, stat) in before.items():
        path.write_text(text)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def tables(made: set[str]) -> set[str]:
    """The numbers of the tables among the planned jobs."""
    return {found[1] for path in made if (found := re.match(r"tables/table(\d)", path))}


def test_a_second_call_finds_nothing_to_do(snakemake):
    code, printed = snakemake(*SMALLEST)
    assert code == 0 and "Nothing to be done" in printed


def test_comments_rerun_nothing(planned, checkout):
    for script in (checkout / "workflow_src").rglob("*.py"):
        script.write_text("# A remark.\n" + script.read_text())
    assert not planned()


def test_dates_rerun_nothing(planned, checkout):
    """Neither those of a fresh clone nor those of results that were copied or touched."""
    rng, now = random.Random(0), time.time()
    for path in [p for p in checkout.rglob("*") if p.is_file() and ".snakemake" not in p.parts]:
        date = now - rng.uniform(0, 1e6)
        os.utime(path, (date, date))
    assert not planned()


def test_moving_the_checkout_reruns_nothing(planned, checkout):
    elsewhere = checkout.with_name("elsewhere")
    checkout.rename(elsewhere)
    try:
        checkout.symlink_to(elsewhere)  # `planned` runs in the new place
        assert not planned()
    finally:
        checkout.unlink()
        elsewhere.rename(checkout)


def test_an_unrelated_module_reruns_nothing(planned, changed, checkout):
    changed("workflow_src/fetch_kits19.py", "CHANGED = 1")
    changed("workflow_src/compare_results.py", "CHANGED = 1")
    (checkout / "workflow_src/new.py").write_text("NEW = 1\n")
    assert not planned()


def test_one_segmenter_reruns_alone(planned):
    models = "segmentation={models: {order_34: {learning_rate: 0.002}}}"
    assert planned("--config", models) == {
        "models/polyps/order_34/seed0/recipe.json",
        "predictions/polyps/order_34/seed0/predictions.json",
        "scores/polyps/order_34/seed0/metrics.json",
        "tables/table6.csv",
        "claims.md",
        "audit.md",
        "report.html",
    }


def test_one_method_reruns_alone(planned):
    """LAW's w_max: its training, what that paints, the nnU-Net on it, the tables that show them."""
    made = planned("--config", "synthesis={methods: {law: {w_max: 4.0}}}")
    steps = {path for path in made if "/seed" in path}
    assert steps == {
        "controlnet/polyps/law/seed0/recipe.json",
        "controlnet/polyps/law/seed0/stability.json",
        "synthetic/polyps/law/seed0/shard0/shard.json",
        "synthetic/polyps/law/seed0/shard1/shard.json",
        "synthetic/polyps/law/seed0/set/meta.json",
        "synthetic/polyps/law/seed0/fidelity.json",
        "faithfulness/polyps/law/seed0/mkunet/predictions.json",
        "faithfulness/polyps/law/seed0/metrics.json",
        "nnunet/polyps/synthetic/law/seed0/cases.json",
        "models/polyps/nnunet-real_law/seed0/recipe.json",
        "predictions/polyps/nnunet-real_law/seed0/predictions.json",
        "scores/polyps/nnunet-real_law/seed0/metrics.json",
    }
    assert tables(made) == {"1", "2", "4"}
    assert {path for path in made if path.startswith("figures")} == {
        "figures/figure1.pdf",  # draws the clamp
        "figures/weights.pdf",
        "figures/figure6.pdf",
        "figures/figure8.pdf",
        "figures/training.pdf",
        "figures/distances.pdf",
        "figures/copies.pdf",
        "figures/fractions.pdf",
        "figures/mask_dice_by_size.pdf",
    }


@pytest.mark.parametrize(
    ("setting", "remade"),
    [
        ('tables={"6": {labels: {mkunet: Ours}}}', {"tables/table6.csv", "claims.md"}),
        ('tables={"5": {columns: [dice, iou]}}', {"tables/table5.csv", "claims.md"}),
        ("synthesis={methods: {law: {label: Ours}}}",
         {"tables/table1.csv", "figures/figure6.pdf", "figures/training.pdf"}),
        ("figures={examples: 1}", {"figures/figure6.pdf"}),
        ("segmentation={cost_size: 64}", {"cost/polyps/egeunet.json", "audit.md"}),
        ("segmentation={models: {order: {options: {grid: 4}}}}", {"cost/polyps/egeunet.json"}),
        ("datasets={polyps: {prompt: Another.}}", {"autoencoder/polyps/latents/latents.json"}),
    ],
    ids=["label", "columns", "method", "figure", "size", "network", "prompt"],
)  # fmt: skip
def test_a_setting_remakes_what_it_sets(planned, setting, remade):
    assert remade <= planned("--config", setting)


def test_another_seed_plans_that_seed_and_the_tables(planned):
    made = planned("--config", "seeds=[0,1]")
    steps = {path for path in made if "/seed" in path}
    assert "models/polyps/nnunet-real_law/seed1/recipe.json" in steps
    assert not [path for path in steps if "/seed1/" not in path]
    assert tables(made) == set("123456")
    for shared in ("raw/", "data/", "autoencoder/", "backbone/", "nnunet/polyps/plan", "cost/"):
        assert not [path for path in made if path.startswith(shared)]


def test_ablation_order_with_another_seed(planned):
    made = planned("ablation_order", "--config", "seeds=[3]")
    parts = "models", "predictions", "scores"
    steps = {tuple(path.split("/")[:4]) for path in made if "/seed" in path}
    assert steps == {
        (part, "polyps", model, "seed3")
        for part in parts
        for model in ("mkunet", "order", "order_34")
    }
    assert {path for path in made if "/seed" not in path} == {
        "tables/table5.csv",
        "tables/table6.csv",
    }


def test_a_changed_metric_remakes_what_shows_it_alone(planned, changed):
    changed("results/smallest/scores/polyps/order_34/seed0/metrics.json", " ")
    made = planned("report")
    assert tables(made) == {"6"} and "claims.md" in made
    assert not [path for path in made if "/seed" in path]


def test_changed_code_of_order_plans_what_it_made(planned, changed):
    changed("workflow_src/segmentation/order.py", "CHANGED = 1")
    made = planned()
    assert "models/polyps/order_34/seed0/recipe.json" in made
    others = "controlnet/", "synthetic/", "nnunet/", "models/polyps/nnunet", "data/"
    others += "models/polyps/mkunet", "predictions/polyps/mkunet", "cost/polyps/mkunet"
    assert not [path for path in made if path.startswith(others)]


def test_changed_code_of_law_plans_laws_controlnets_alone(planned, changed):
    changed("workflow_src/diffusion/law.py", "CHANGED = 1")
    trained = {path for path in planned() if re.match("controlnet/.*/recipe.json", path)}
    assert trained == {"controlnet/polyps/law/seed0/recipe.json"}


@pytest.mark.parametrize("registry", ["WEIGHTINGS", "SEGMENTERS", "RAW_FORMATS"])
def test_a_new_member_of_a_registry_reruns_nothing(registry, planned, changed):
    changed("workflow_src/study/registries.py", f"{registry}['new'] = 'workflow_src.new:New'")
    assert not planned()


def test_changed_code_of_all_weightings_plans_the_controlnets_and_what_they_paint(planned, changed):
    """Those of all methods: they share one objective and one contract."""
    changed("workflow_src/diffusion/weighting.py", "CHANGED = 1")
    made = planned()
    for method in ("uniform", "distillation", "law"):
        assert f"controlnet/polyps/{method}/seed0/recipe.json" in made
        assert f"synthetic/polyps/{method}/seed0/shard0/shard.json" in made
    assert "models/polyps/nnunet-real_law/seed0/recipe.json" in made
    untouched = "raw/", "data/", "autoencoder/", "backbone/", "cost/", "nnunet/polyps/plan"
    untouched += "models/polyps/mkunet", "models/polyps/order", "models/polyps/nnunet-real/"
    assert not [path for path in made if path.startswith(untouched)]


def test_what_was_in_the_making_at_a_kill_is_made_anew_unasked(planned, checkout):
    name = base64.urlsafe_b64encode(b"results/smallest/tables/table6.csv").decode()
    mark = checkout / ".snakemake" / "incomplete" / name
    mark.write_text('{"external_jobid": null}')
    made = planned()
    mark.unlink()
    assert "tables/table6.csv" in made and not [path for path in made if "/seed" in path]
