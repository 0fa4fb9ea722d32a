"""A table of three models and two methods at three seeds, and claims about it."""

from pathlib import Path

import numpy as np
import pandas as pd
from conftest import hashed

from workflow_src.common.outputs import write_json
from workflow_src.paper.claims import Claim
from workflow_src.paper.measured import TableSpec


def write_scores(folder: Path, level: float, images: int = 40, source: str = "A", seed: int = 0):
    """metrics.csv and metrics.json with noise that the rows share, so that they pair."""
    noise = np.random.default_rng(0).normal(0, 0.05, images)
    rng = np.random.default_rng([seed, round(1e4 * level)])
    own = rng.normal(0, 0.005, images) + rng.normal(0, 0.001)  # of the image and of the training
    prefix = source.removeprefix("synthetic/") + "_" if "/" in source else ""
    table = pd.DataFrame({"stem": [f"{prefix}{i}" for i in range(images)], "source": source})
    table["case"] = [f"A/{i}" for i in range(images)]
    table["duplicate_of"] = ""
    table["dice"] = level + noise + own
    folder.mkdir(parents=True)
    table.to_csv(folder / "metrics.csv", index=False)
    facts = {"all": {"images": images, "dice": table.dice.mean()}}
    write_json(folder / "metrics.json", facts | hashed(folder, "metrics.csv"))


SEEDS = [f"seed{seed}.json" for seed in range(3)]
SCORES = [f"seed{seed}/metrics.json" for seed in range(3)]


def files(folder: Path, rows: tuple[str, ...], *names: str) -> dict[str, dict[str, list[Path]]]:
    """Metrics files of the polyps by row."""
    return {"polyps": {row: [folder / row / name for name in names] for row in rows}}


def models_and_methods(folder: Path) -> TableSpec:
    """Three models and their costs, and two methods, at three seeds."""
    for row, level in (("mkunet", 0.75), ("order", 0.80), ("twin", 0.7502)):
        for seed in range(3):
            write_scores(folder / "score" / row / f"seed{seed}", level, seed=seed)
        parameters = 31_000_000 if row == "mkunet" else 42_442
        write_json(folder / "cost" / f"{row}.json", {"parameters": parameters, "gflops": 0.5})
    for row, base in (("law", 52.0), ("uniform", 65.0)):
        for seed in range(3):
            place = folder / "faithfulness" / row / f"seed{seed}"
            write_scores(place, base / 100, source=f"synthetic/{row}", seed=seed)
            distance = base + seed + (seed == 2) * (row == "law") / 4
            facts = {"inception": {"extractor": "Inception", "resize": "", "distance": distance}}
            write_json(folder / "fidelity" / row / f"seed{seed}.json", facts)
            stability = {"stable": row == "law", "because": [] if row == "law" else ["loss_spike"]}
            write_json(folder / "stability" / row / f"seed{seed}.json", stability)
    names = ("mkunet", "order", "twin", "law", "uniform")
    models, methods = names[:3], names[3:]
    return TableSpec(
        rows={name: name for name in names},
        datasets={"polyps": "Polyps"},
        columns=["dice", "parameters", "fid", "stability", "faithfulness"],
        seeds=[0, 1, 2],
        files={
            "score": files(folder / "score", models, *SCORES),
            "faithfulness": files(folder / "faithfulness", methods, *SCORES),
            "cost": {"polyps": {row: [folder / "cost" / f"{row}.json"] for row in models}},
            "fidelity": files(folder / "fidelity", methods, *SEEDS),
            "stability": files(folder / "stability", methods, *SEEDS),
        },
    )


def claim(column: str, row: str, is_: str, than: str | None = None, least: float = 1.0) -> Claim:
    return Claim("It is so", "Abstract", "3", "polyps", column, row, is_, than, least)


def once(spec: TableSpec, kind: str) -> None:
    """Leave one training of each row."""
    for paths in spec.files[kind]["polyps"].values():
        del paths[1:]


def add_lucky_and_unlucky(spec: TableSpec, folder: Path) -> None:
    """Two equal models whose three trainings vary, to a table made in that folder."""
    for row, gains in (("lucky", (0.02, 0.03, -0.005)), ("unlucky", (-0.02, 0.01, -0.01))):
        for seed, gain in enumerate(gains):
            write_scores(folder / "score" / row / f"seed{seed}", 0.7 + gain, 400, seed=seed)
        spec.rows[row] = row
        spec.files["score"]["polyps"][row] = [folder / "score" / row / name for name in SCORES]
