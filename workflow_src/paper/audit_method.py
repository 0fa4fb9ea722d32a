"""Checks of the text: stated differences, missing rows, training length, Eq. 7's bounds, crops."""

from collections import defaultdict

import numpy as np

from workflow_src.paper.audit import Finding, Study, half_unit, published_cell
from workflow_src.paper.saturation import region_weights, saturated_below


def readings(entry: dict, paper: dict) -> tuple[set[str], str]:
    """How a stated difference follows from its two cells: points, relative, times; and the sums.

    The cells may be off by half a unit each, the statement by half of its last digit.
    """
    of, than = (published_cell(paper, entry[key]) for key in ("of", "than"))
    slack_of, slack_than = half_unit(of, entry["of"][3]), half_unit(than, entry["than"][3])
    value = entry["value"]
    half = 0.05 if isinstance(value, float) else 0.5
    points = abs(of - than)
    if entry["unit"] == "times":
        low, high = (than - slack_than) / (of + slack_of), (than + slack_than) / (of - slack_of)
        sums = f"{than:g} / {of:g} = {than / of:.1f}, {low:.0f} to {high:.0f} by rounding"
        return ({"times"} if low - half <= value <= high + half else set()), sums
    relative = 100 * points / than
    found = set()
    if abs(points - value) <= half + 1e-9:
        found.add("points")
    if abs(relative - value) <= half + 100 * (slack_of + slack_than) / than:
        found.add("relative")
    return found, f"{of:g} − {than:g} = {of - than:+.2f}, {relative:.2f} % of {than:g}"


def differences(paper: dict, study: Study) -> list[Finding]:
    """Every difference that the text states, against its cells."""
    findings, fitting = [], []
    units: defaultdict[tuple, set[str]] = defaultdict(set)
    statements: defaultdict[tuple, list] = defaultdict(list)
    for entry in paper["text"]["differences"]:
        fits, sums = readings(entry, paper)
        pair = (tuple(entry["of"]), tuple(entry["than"]))
        if not fits:
            findings.append(
                Finding("contradiction", entry["place"], f"{entry['value']} {entry['unit']}",
                    f"{sums}: no reading gives it.", "The text and the table disagree.",
                    "Differences are computed from the cells.")
            )  # fmt: skip
            continue
        fitting.append(entry)
        statements[pair].append((entry, sums))
        if len(fits) == 1:
            units[pair] |= fits
    for pair, kinds in units.items():
        if len(kinds) > 1:
            said = " and ".join(
                f"{e['value']} {e['unit']} ({e['place']})" for e, _ in statements[pair]
            )
            findings.append(
                Finding("contradiction", f"Table {pair[0][0]} and text",
                    f"one difference, stated as {said}", f"{statements[pair][0][1]}.",
                    "Points and per cent stand under one sign; the larger number is not another "
                    "result.",
                    "Differences of Dice and IoU are given in points, of FID in FID.")
            )  # fmt: skip
    findings.append(
        Finding("right", "Text", "stated differences between cells",
            f"{len(fitting)} of {len(paper['text']['differences'])} follow from the tables, as "
            "points, per cent or a ratio.")
    )  # fmt: skip
    return findings


def missing_rows(paper: dict, study: Study) -> list[Finding]:
    """Statements about rows that their table does not have, and about values it contradicts."""
    findings = []
    for entry in paper["text"]["shown"]:
        rows = paper[entry["table"]]["rows"]
        if not any(entry["row"] in row for row in rows):
            findings.append(
                Finding("contradiction", entry["place"], f"“{entry['says']}”",
                    f"Table {entry['table']} has {', '.join(rows)}: no row of {entry['row']}.",
                    "The paper shows nothing for the statement that it draws its conclusion from.",
                    "A mix with any method's images is three lines of config; "
                    "see downstream.mixes.")
            )  # fmt: skip
    for entry in paper["text"]["bounds"]:
        value = published_cell(paper, entry["cell"])
        if value <= entry["above"]:
            findings.append(
                Finding("contradiction", entry["place"], f"“{entry['says']}”",
                    f"Table {entry['cell'][0]} gives {entry['cell'][1]} {value:g}, "
                    f"{entry['above'] - value:.1f} below that bound.",
                    "Either a term that is said to help a little made FID far worse, or the "
                    "number is that of another method.",
                    "lambda_dice can be set for any method that has a delta map.")
            )  # fmt: skip
    return findings


def training_length(paper: dict, study: Study) -> list[Finding]:
    """Epochs, steps and batch against the number of training images; the reach of Adam."""
    text, images = paper["text"]["protocol"], paper["known"]["polyp_training_images"]
    epochs, steps, batch = text["epochs"], text["steps"], text["batch_size"]
    full, fitting = epochs * images / batch, epochs * images / steps
    reach = steps * text["learning_rate"]
    findings = []
    if abs(full / steps - 1) > 0.1:
        findings.append(
            Finding("contradiction", "Section 4.1",
                f"“{epochs} epochs (approximately {steps} steps) with batch size {batch}”",
                f"{epochs} × {images} / {batch} = {full:,.0f} steps; {steps} steps are {epochs} "
                f"epochs for {fitting:.0f} images a step.",
                f"The true batch is {fitting / batch:.1f} times the printed one, or "
                f"the training is {full / steps:.1f} times shorter than ten epochs.",
                "500 steps of 32 images, by accumulation where memory is short; both are config "
                "keys.")
        )  # fmt: skip
    findings.append(
        Finding("contradiction", "Section 4.1 and Figure 8",
            f"delta maps that follow lesions after {steps} steps at {text['learning_rate']:g}",
            f"Adam moves a weight by about the learning rate a step: at most {steps} × "
            f"{text['learning_rate']:g} = {reach:g} in all.",
            "From a uniform start, weights that have moved so little cannot paint Figure 8: phi "
            "must have had a learning rate of its own.",
            "weighter_learning_rate is a key of its own, 1e-3 by default.")
    )  # fmt: skip
    return findings


def saturation(paper: dict, study: Study) -> list[Finding]:
    """Eq. 7: for which lesions the upper bound binds, and whether the lower one ever does."""
    text = paper["text"]["protocol"]
    gamma, w_min, w_max = text["gamma"], text["w_min"], text["w_max"]
    always, usually = saturated_below(gamma, w_max)
    r = np.linspace(1e-4, 1 - 1e-4, 9999)
    low, high = 1 - gamma, 1 + gamma
    least = min(
        min(part.min() for part in region_weights(r, *mu)) for mu in ((low, high), (high, low))
    )
    seen = "; ".join(
        f"in this study's {name} that is {np.mean(values[values > 0] < always):.0%} of the "
        "training images with a lesion"
        for name, values in study.lesions.items()
    )
    findings = [
        Finding("contradiction", "Eq. 7 and Section 3.1.2",
            f"learned weights for lesions below {text['largest_lesion']:.0%} of the image",
            f"a lesion's normalised weight is μ_l / (r (μ_l + μ_b)), at least "
            f"{low:g} / {low + high:g} r; it exceeds w_max = {w_max:g} for every delta once r < "
            f"{always:.2f}, and at delta = 1/2 once r < {usually:.2f}"
            + (f"; {seen}." if seen else "."),
            "On the lesions that LAW is made for the weight is the constant w_max: Eq. 8 gives "
            "delta no gradient there, and only the Dice term moves it.",
            "Implemented as printed; Figure 1 shows the saturation, Table 4's rungs what the clamp "
            "changes, and w_max is a config key.")
    ]  # fmt: skip
    if least > w_min:
        findings.append(
            Finding("contradiction", "Eq. 7 and Table 4, “Min-weight clamp”",
                f"w_min = {w_min:g} stabilises the training",
                f"over all r and delta the smallest normalised weight is {least:.2f}, "
                f"{least / w_min:.0f} times w_min.",
                "The lower bound never binds; whatever that row shows is the upper bound's doing.",
                "The rung is named for the clamp as a whole.")
        )  # fmt: skip
    said = text["multipliers"]
    findings.append(
        Finding("right" if np.allclose([low, high], said) else "contradiction", "Eq. 5",
            f"multipliers in [{said[0]}, {said[1]}] “after clamping”",
            f"1 ± {gamma} is [{low:g}, {high:g}] already; nothing is clamped.")
    )  # fmt: skip
    return findings


def crops(paper: dict, study: Study) -> list[Finding]:
    """Crops larger than the images."""
    side = paper["text"]["protocol"]["crop"]
    small = {n: s for n, s in paper["known"]["polyp_image_sizes"].items() if min(s) < side}
    if not small:
        return []
    sizes = ", ".join(f"{name} {width} × {height}" for name, (width, height) in small.items())
    return [
        Finding("contradiction", "Section 4.1", f"training on {side} × {side} crops",
            f"{sizes}: at least one side is below {side}.",
            "Such images must be padded or enlarged first; the paper does not say which, and FLOPs "
            "are quoted at another size.",
            "Smaller images are padded with black; fit: resize is the alternative.")
    ]  # fmt: skip


CHECKS = (differences, missing_rows, training_length, saturation, crops)
