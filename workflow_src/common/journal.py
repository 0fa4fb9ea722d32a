"""The log of a training: its scalars, gathered without waiting for the device; stops at a NaN."""

from pathlib import Path

import torch
from torch import Tensor

from workflow_src.common.resumable import CsvLog


def summed_up(name: str, values: Tensor) -> Tensor:
    """Values of one scalar (N,) as one: of a minimum or maximum the extreme, else the mean."""
    if name.endswith("_min"):
        return values.amin()
    return values.amax() if name.endswith("_max") else values.mean()


class Journal:
    """Collects a training's scalars without waiting for the device, and stops at a NaN.

    Args:
        file: where the rows go, a csv; None in all processes but the first.
        every: steps between rows; what lies between is `summed_up`, and for loss and gradient norm
            the largest kept too.
        rows: names the data rows of a step, for the message of a NaN.
    """

    def __init__(self, file: Path | None, every: int, rows=lambda step: "?"):
        self.every, self.rows = every, rows
        self._waiting: list[tuple[int, dict[str, Tensor | float]]] = []
        self._steps = 0  # noted so far
        self._csv = CsvLog(file) if file else None

    def add(self, step: int, scalars: dict[str, Tensor | float]) -> None:
        """Note the scalars of a step (counted from 0); writes a row when one is due."""
        self._waiting.append((step, scalars))
        self._steps = step + 1
        if (step + 1) % self.every == 0:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting as one row.

        Raises:
            FloatingPointError: naming step and data rows, if a value is not finite.
        """
        if not self._waiting:
            return
        names, values = self._table()
        row: dict[str, float | int | None] = {"step": self._waiting[-1][0] + 1}
        row |= {n: summed_up(n, v).item() for n, v in zip(names, values.T, strict=True)}
        largest = dict(zip(names, values.amax(dim=0).tolist(), strict=True))
        row |= {f"{n}_max": largest[n] for n in ("loss", "grad_norm") if n in largest}
        if self._csv:
            self._csv.add(row)
        self._waiting = []

    def _table(self) -> tuple[list[str], Tensor]:
        """Names and values (steps, names) of what is waiting, all of it finite."""
        names = list(self._waiting[0][1])
        values = torch.stack(
            [
                torch.stack([torch.as_tensor(s[n], dtype=torch.float64).cpu() for n in names])
                for _, s in self._waiting
            ]
        )
        finite = values.isfinite().all(dim=1)
        if not finite.all():
            step = self._waiting[int((~finite).nonzero()[0])][0]
            bad = dict(zip(names, values[int((~finite).nonzero()[0])].tolist(), strict=True))
            raise FloatingPointError(
                f"step {step + 1} is not finite ({bad}), on data rows {self.rows(step)}: lower the "
                "learning rate or raise the precision; the last checkpoint is kept"
            )
        return names, values

    def state_dict(self) -> dict:
        """The rows, and what is waiting for one: none depends on when a checkpoint was made.

        Raises:
            FloatingPointError: as `flush` does, so that no checkpoint is kept past a NaN.
        """
        waiting = []
        if self._waiting:
            names, values = self._table()
            rows = [dict(zip(names, row, strict=True)) for row in values.tolist()]
            waiting = list(zip([step for step, _ in self._waiting], rows, strict=True))
        log = self._csv.state_dict() if self._csv else {}
        return {"steps": self._steps, "waiting": waiting, "log": log}

    def load_state_dict(self, state: dict) -> None:
        """Restore what a checkpoint kept."""
        self._steps, self._waiting = state["steps"], list(state["waiting"])
        if self._csv:
            self._csv.load_state_dict(state["log"])
