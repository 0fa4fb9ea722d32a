"""Mixes beyond "real + synthetic": the augmented control, synthetic only, and parts of a round."""

import json
import pickle
from copy import deepcopy

import numpy as np
import pytest
import yaml
from conftest import ROOT, hashed

from workflow_src import augment_real, train_nnunet
from workflow_src.common.errors import InputError
from workflow_src.data.prepared import PreparedSet
from workflow_src.downstream.cases import ENDINGS, written
from workflow_src.downstream.mixes import part_of
from workflow_src.study.configuration import merged, validated
from workflow_src.study.downstream import Mix, NnunetRecipe
from workflow_src.study.fitting import check_mix

CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def augmented(prepared: PreparedSet, folder, **options) -> PreparedSet:
    augment_real.main(prepared.folder, folder, **{"per_mask": 1.0, "masks": "training"} | options)
    return PreparedSet(folder)


def test_the_control_has_the_synthetic_images_masks_but_real_pictures(polyps, tmp_path):
    made = augmented(polyps, tmp_path / "made", per_mask=1.5)
    rows = polyps.rows("train")
    assert len(made) == round(1.5 * len(rows))
    assert set(made.index.split) == {"train"}
    for number in range(len(made)):
        row = rows[number if number < 11 else (number - 11) * 11 // 5]  # 5 spread over the 11
        assert np.array_equal(made.mask(number), polyps.mask(row))
        ours, real = made.image(number).astype(int), polyps.image(row).astype(int)
        assert not np.array_equal(ours, real)
        assert np.corrcoef(ours.ravel(), real.ravel())[0, 1] > 0.9  # the same picture, relit
    assert not np.array_equal(made.image(0), made.image(len(rows)))  # each copy drawn anew


def test_the_control_is_drawn_from_its_seed(polyps, tmp_path):
    first, again, other = (
        augmented(polyps, tmp_path / name, seed=seed).meta["sha256"]["images.npy"]
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert first == again != other


def test_where_masks_are_moved_the_controls_pictures_move_along(polyps, tmp_path):
    from workflow_src.data.mask_moves import augmented_mask

    made = augmented(polyps, tmp_path / "made", masks="augmented", seed=5)
    rows = polyps.rows("train")
    for number, row in enumerate(rows):
        assert np.array_equal(made.mask(number), augmented_mask(polyps.mask(row), number, 5))
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[4:12, 6:14] = 255
    image, mask = augment_real.moved_pair(picture, picture[..., 0] // 255, 1, 5)
    assert np.abs(image[..., 0] / 255 - mask).mean() < 0.03  # but for the edge's soft pixels


@pytest.fixture
def plan_and_made(tmp_path):
    """Folders that say which cases there are: 8 real for training, 2 to validate, 12 synthetic."""
    real = [f"real_{n:06d}" for n in range(10)]
    plan, made = tmp_path / "plan", tmp_path / "made"
    plans = {"configurations": {"2d": {"data_identifier": "cases_2d"}}}
    cases = {"train": real[:8], "val": real[8:]}
    groups = {name: name for name in real[:8]}
    for folder, name, facts in (
        (plan, "plan.json", {"plans": "p", "cases": cases, "groups": groups}),
        (made, "cases.json", {"cases": [f"synthetic_{n:06d}" for n in range(12)]}),
    ):
        (folder / "cases").mkdir(parents=True)
        for case in facts["cases"]["train"] + real[8:] if folder == plan else facts["cases"]:
            for ending in ENDINGS:
                (folder / "cases" / f"{case}{ending}").write_bytes(pickle.dumps({}))
        if folder == plan:
            for file in ("dataset.json", "dataset_fingerprint.json"):
                (plan / file).write_text("{}")
            (plan / "nnUNetPlans.json").write_text(json.dumps(plans))
        facts |= {"data": {}, "files": written(folder)}
        (folder / name).write_text(json.dumps(facts))
    return plan, made


@pytest.mark.parametrize(
    ("ratio", "numbers"),
    [
        (0.5, [0, 2, 4, 6]),  # spread over the masks, not the first half of them
        (1.0, list(range(8))),  # each mask once
        (1.25, [*range(8), 8, 10]),  # a whole round, then a part of the second
        (1.5, list(range(12))),
    ],
)
def test_a_part_of_a_round_is_spread_over_the_masks(plan_and_made, ratio, numbers):
    plan, made = plan_and_made
    mix = Mix(real_fraction=0, method="law", ratio=ratio)
    _, cases = train_nnunet.choose_cases(plan, mix, made)
    assert cases["train"] == [f"synthetic_{n:06d}" for n in numbers]


SEVEN = {f"i{number}": case for number, case in enumerate("aaabbcd")}


@pytest.mark.parametrize("seed", range(8))
def test_a_part_of_the_real_images_is_whole_cases_nested_in_larger_parts(seed):
    before: set[str] = set()
    for fraction in (0.01, 0.3, 0.5, 0.8, 1.0):
        names = part_of(list(SEVEN), SEVEN, fraction, seed)
        cases = {SEVEN[name] for name in names}
        assert names == [name for name in SEVEN if SEVEN[name] in cases] and names
        assert before <= cases
        # With one case more or less it would not be nearer.
        assert abs(len(names) - 7 * fraction) <= 3 / 2 or fraction == 0.01
        before = cases
    assert before == set("abcd") and part_of(list(SEVEN), SEVEN, 0, seed) == []


def test_seeds_draw_other_cases():
    drawn = {frozenset(part_of(list(SEVEN), SEVEN, 0.4, seed)) for seed in range(20)}
    assert len(drawn) > 3


def test_a_mix_has_a_part_of_the_real_images_and_synthetic_ones_of_all(plan_and_made):
    plan, made = plan_and_made
    mix = Mix(real_fraction=0.25, method="law")
    _, cases = train_nnunet.choose_cases(plan, mix, made)
    kinds = [name.split("_")[0] for name in cases["train"]]
    assert (kinds.count("real"), kinds.count("synthetic")) == (2, 8)
    assert cases["val"] == ["real_000008", "real_000009"]


@pytest.fixture
def judged(tmp_path):
    """Scores of the 12 synthetic images: of every third the mask is found."""
    folder = tmp_path / "judged"
    folder.mkdir()
    dice = "".join(f"s{n},{0.9 if n % 3 == 0 else 0.4}\n" for n in range(12))
    (folder / "metrics.csv").write_text(f"stem,dice\n{dice}")
    facts = {"data": {}} | hashed(folder, "metrics.csv")
    (folder / "metrics.json").write_text(json.dumps(facts))
    return folder


def test_a_mix_keeps_the_images_whose_masks_are_found(plan_and_made, judged):
    plan, made = plan_and_made
    for least, ratio, numbers in ((0.7, 1.5, [0, 3, 6, 9]), (0.7, 1.0, [0, 3, 6]),
                                  (0.4, 1.0, list(range(8)))):  # fmt: skip
        mix = Mix(real_fraction=0, method="law", ratio=ratio, found=least)
        facts, cases = train_nnunet.choose_cases(plan, mix, made, judged=judged)
        assert cases["train"] == [f"synthetic_{n:06d}" for n in numbers]
        assert facts["found"] == {"kept": len(numbers), "of": 8 * ratio}


def test_scores_that_keep_nothing_or_are_of_other_images_are_refused(plan_and_made, judged):
    plan, made = plan_and_made
    with pytest.raises(InputError, match="in none of 8 images .* of 0.90 at most: lower `found`"):
        train_nnunet.choose_cases(plan, Mix(method="law", found=0.95), made, judged=judged)
    with pytest.raises(InputError, match="give --judged"):
        train_nnunet.choose_cases(plan, Mix(method="law", found=0.7), made)
    (judged / "metrics.json").write_text(json.dumps({"data": {"images.npy": "other"}}))
    with pytest.raises(InputError, match="of other images"):
        train_nnunet.choose_cases(plan, Mix(method="law", found=0.7), made, judged=judged)


def test_scores_that_were_cut_are_refused(plan_and_made, judged):
    plan, made = plan_and_made
    lines = (judged / "metrics.csv").read_text().splitlines(keepends=True)
    (judged / "metrics.csv").write_text("".join(lines[:3]))
    with pytest.raises(InputError, match=r"metrics\.csv was changed or damaged"):
        train_nnunet.choose_cases(plan, Mix(method="law", found=0.7), made, judged=judged)


def test_a_synthetic_only_mix_still_validates_on_real_images(plan_and_made, tmp_path):
    plan, made = plan_and_made
    _, cases = train_nnunet.choose_cases(plan, Mix(real_fraction=0, method="law"), made)
    train_nnunet.assemble(plan, made, tmp_path / "mix", cases, NnunetRecipe(), seed=0)
    (split,) = json.loads((tmp_path / "mix" / "splits_final.json").read_text())
    assert {name.split("_")[0] for name in split["train"]} == {"synthetic"}
    assert split["val"] == ["real_000008", "real_000009"]
    stored = {p.stem for p in (tmp_path / "mix" / "cases_2d").glob("*.pkl")}
    assert stored == {*split["train"], *split["val"]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"downstream": {"mixes": {"real_law": {"ratio": 2.0}}}},
         ["downstream.mixes.real_law.ratio", "2.0", "synthesis.sampling.per_mask"]),
        ({"downstream": {"mixes": {"real_augmented": {"ratio": 3}}}},
         ["real_augmented.ratio is 3.0", "per_mask"]),
        ({"downstream": {"mixes": {"real_law": {"method": "lawn"}}}},
         ["mixes.real_law.method", "'lawn'", "augmented"]),
        ({"downstream": {"mixes": {"real": {"real_fraction": 0}}}},
         ["downstream.mixes.real is empty"]),
        ({"downstream": {"mixes": {"real_augmented": {"found": 0.5}}}},
         ["real_augmented.found", "name one of synthesis.methods"]),
        ({"synthesis": {"faithfulness_model": "nnunet-real_law_found"}},
         ["real_law_found.found is judged by nnunet-real_law_found", "another model"]),
        ({"synthesis": {"methods": {"augmented": {"label": "A", "extends": "law"}}}},
         ["synthesis.methods.augmented", "choose another"]),
    ],
)  # fmt: skip
def test_mixes_that_cannot_be_are_refused_before_anything_runs(change, words):
    with pytest.raises(InputError) as error:
        config = validated(merged(deepcopy(CONFIG), change))
        for mix in config["downstream"]["mixes"]:
            check_mix(config, mix)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_more_images_a_mask_allow_a_larger_ratio():
    change = {"synthesis": {"sampling": {"per_mask": 2.0}},
              "downstream": {"mixes": {"real_law": {"ratio": 2.0}}}}  # fmt: skip
    check_mix(validated(merged(deepcopy(CONFIG), change)), "real_law")


def test_the_workflow_plans_the_control_and_says_the_protocol(snakemake):
    rows = "[real, real_augmented, law_only]"
    code, printed = snakemake(
        "--configfile", "config/demo.yaml", "tests/study.yaml", "--dry-run", "--printshellcmds",
        "table2", "--config", "tables={2: {rows: " + rows + ", datasets: [polyps]}}",
    )  # fmt: skip
    assert code == 0, printed
    assert "workflow_src.augment_real" in printed
    assert "/synthetic/augmented/seed0" in printed
    assert '"real_fraction": 0.0, "method": "law"' in printed
    assert "controlnet/polyps/augmented" not in printed
    for words in ("planned on the real images alone", "every mix is trained for 1 x 4 updates",
                  "validated on real images only"):  # fmt: skip
        assert words in printed
