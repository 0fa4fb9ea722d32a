"""The state that an unfinished training keeps: its checkpoint and its log."""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from workflow_src.common.code_hash import code_hash
from workflow_src.common.outputs import claim, move_into


class State:
    """Where an unfinished training keeps its checkpoint and log, so that a killed one goes on.

    It is keyed by all that shapes the result (settings, code, data), so a run never resumes from
    another recipe's state. It lies in the output folder but is not an output: Snakemake, which
    deletes a job's outputs before it starts the job again, leaves it alone.

    Args:
        output: folder of the finished training.
        script: dotted name of the script, whose code goes into the key.
        shaped_by: settings and input hashes, as JSON-able data.
        members: places of what the settings name in a registry, whose code goes into the key too.
    """

    def __init__(self, output: Path, script: str, shaped_by: dict, *members: str):
        self.output = Path(output)
        text = json.dumps([code_hash(script, *members), shaped_by], sort_keys=True, default=str)
        self.key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.folder = self.output / f".state-{self.key}"
        self._claim = claim(self.output)  # as long as this lives
        others = [p for p in self.output.glob(".state-*") if p != self.folder]
        for other in others:  # made by other settings, code or data: of no use to this run
            print(f"{other.name} belongs to another recipe or code: not resumed, removed")
            shutil.rmtree(other, ignore_errors=True)  # another process may be at it too
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self, payload: dict) -> None:
        """Write a checkpoint whole: a kill at any moment leaves the old one or the new one."""
        import torch

        beside = self.checkpoint.with_suffix(".partial")
        with open(beside, "wb") as file:
            torch.save(payload, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.checkpoint)

    def load(self) -> dict | None:
        """The last checkpoint, or None at a first start.

        Where parts copy it to a GPU, it stays in the file until then: each of several processes
        would hold another copy in memory. On a CPU the parts keep what is loaded here.
        """
        import torch

        if not self.checkpoint.is_file():
            return None
        mapped = torch.cuda.is_available()
        payload = torch.load(self.checkpoint, map_location="cpu", mmap=mapped, weights_only=True)
        print(f"resumed from {self.checkpoint} at step {payload['step']}")
        return payload

    def finish(self, content: Path, marker: str) -> None:
        """Move the finished folder's content, and the logs, to the output; then drop the state.

        Logs are copied: a run that fails from here on must find them, to go on with them.
        """
        for log in self.folder.glob("*.csv"):
            shutil.copy(log, content)
        move_into(content, self.output, marker)
        shutil.rmtree(self.folder)


class CsvLog:
    """A log with a row per logged step; on resuming, rows past the checkpoint are dropped.

    Args:
        path: the file.
        step: the step resumed from; 0 begins anew.
    """

    def __init__(self, path: Path, step: int):
        rows = list(csv.DictReader(path.open())) if step and path.is_file() else []
        self._kept = [row for row in rows if int(row["step"]) <= step]
        self.path = path
        self._writer: csv.DictWriter | None = None

    def add(self, row: Mapping[str, float | int | None]) -> None:
        """Append a row; the first row names the columns. None leaves its place empty."""
        if self._writer is None:
            file = self.path.open("w", buffering=1)
            self._writer = csv.DictWriter(file, list(row))
            self._writer.writeheader()
            self._writer.writerows(self._kept)
        self._writer.writerow(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
        )
