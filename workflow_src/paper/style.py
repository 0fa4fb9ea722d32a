"""One style for all figures: readable in print and by the colour-blind, as pdf and png."""

import logging
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 - the backend must be chosen first
import numpy as np  # noqa: E402
from matplotlib.axis import Axis  # noqa: E402
from matplotlib.ticker import LogFormatter  # noqa: E402

from workflow_src.common.outputs import whole_file  # noqa: E402

# Okabe and Ito's palette.
BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000",
)  # fmt: skip
CYCLE = (BLUE, RED, GREEN, PINK, ORANGE, SKY, BLACK)
DASHES = ("-", "--", "-.", ":", "-", "--", "-.")  # a line under another stays visible

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports every glyph
plt.rcParams |= {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=CYCLE, linestyle=DASHES),
    "savefig.bbox": "tight",
    "savefig.dpi": 200,
    "svg.hashsalt": "law-and-order",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a label may hold a dollar
}


def log_scale(*axes: Axis) -> None:
    """Make x or y axes logarithmic, their ticks written without formulas."""
    for axis in axes:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})  # type: ignore[attr-defined]
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(LogFormatter())


def save(figure: plt.Figure, output: Path) -> None:
    """Write output.pdf and output.png, each whole or not at all, the same bytes every time."""
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        with whole_file(output.with_suffix(suffix)) as beside:
            figure.savefig(beside, metadata=metadata)
    plt.close(figure)


def grid(rows: int, columns: int, cell: float = 1.1) -> tuple[plt.Figure, np.ndarray]:
    """Bare axes for pictures, (rows, columns)."""
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * cell, rows * cell),
        squeeze=False,
        gridspec_kw={"wspace": 0.04, "hspace": 0.04},
    )
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    return figure, axes


def show(axis: plt.Axes, image: np.ndarray, contour: np.ndarray | None = None) -> None:
    """Draw an image (H, W, C) or (H, W) uint8, with the outline of a mask on it."""
    axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if contour is not None and contour.any():
        axis.contour(contour, levels=[0.5], colors=[YELLOW], linewidths=0.8)


def spread_rows(sizes: np.ndarray, count: int) -> np.ndarray:
    """Positions of a few images spread over the lesion sizes, not picked by hand."""
    order = np.argsort(sizes, kind="stable")
    return order[np.rint(np.linspace(0.15, 0.95, count) * (len(order) - 1)).astype(int)]
