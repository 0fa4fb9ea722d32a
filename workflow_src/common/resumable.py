"""The state that an unfinished training keeps: its checkpoint and its log."""

import csv
import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from workflow_src.common.code_hash import code_hash
from workflow_src.common.hashing import file_sha256
from workflow_src.common.json_files import read_json
from workflow_src.common.lease import Lease
from workflow_src.common.outputs import claim, move_into, write_json


class State:
    """Where an unfinished training keeps its checkpoint and log, so that a killed one resumes.

    It is keyed by all that shapes the result (settings, code, data), so a run never resumes from
    another recipe's state. It lies in the output folder but is not an output: Snakemake, which
    deletes a job's outputs before it starts the job again, leaves it alone. One job at a time works
    in the output folder. Where the disk has no locks between nodes, a lease holds others back: they
    wait, and end well if the first made just what they would.

    Args:
        output: folder of the finished training.
        marker: the file whose presence says that it is finished.
        script: dotted name of the script, whose code goes into the key.
        shaped_by: settings and input hashes, as JSON-able data.
        members: places of what the settings name in a registry, whose code goes into the key too.
    """

    def __init__(self, output: Path, marker: str, script: str, shaped_by: dict, *members: str):
        self.output, self.marker = Path(output), marker
        text = json.dumps([code_hash(script, *members), shaped_by], sort_keys=True, default=str)
        self.key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.folder = self.output / f".state-{self.key}"
        self._claim = claim(self.output)  # as long as this lives
        self.lease = Lease(self.output, self.key)
        if not self.lease.take(self.output / marker):
            sys.exit(0)
        others = [p for p in self.output.glob(".state-*") if p != self.folder]
        for other in others:  # made by other settings, code or data: of no use to this run
            print(f"{other.name} belongs to another recipe or code: not resumed, removed")
            shutil.rmtree(other, ignore_errors=True)  # another process may be at it too
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def earlier(self) -> Path:
        return self.folder / "checkpoint-before.pt"

    def save(self, payload: dict) -> None:
        """Write a checkpoint whole; the one before is kept, should the disk damage the new one."""
        import torch

        beside = self.checkpoint.with_suffix(".partial")
        with open(beside, "wb") as file:
            torch.save(payload, file)
            file.flush()
            os.fsync(file.fileno())
        self.lease.check()
        if self.checkpoint.is_file():
            os.replace(self.checkpoint, self.earlier)
        os.replace(beside, self.checkpoint)

    def load(self) -> dict | None:
        """The last checkpoint, or None at a first start.

        Where parts copy it to a GPU, it stays in the file until then: each of several processes
        would hold another copy in memory. On a CPU the parts keep what is loaded here.
        """
        import torch

        mapped = torch.cuda.is_available()
        for file in (self.checkpoint, self.earlier):
            if not file.is_file():
                continue
            try:
                check_parts(file)
                payload = torch.load(file, map_location="cpu", mmap=mapped, weights_only=True)
                print(f"resumed from {file} at step {payload['step']}")
                return payload
            except Exception:  # of what kind depends on where a reader stumbled
                print(f"{file} is damaged: resuming from what was saved before it")
        return None

    def finish(self, content: Path) -> None:
        """Move the finished folder's content, and the logs, to the output; then drop the state.

        The marker, a json file, is given the hashes of all other files: who opens one checks it.
        Logs are copied: a run that fails from here on resumes with them.
        """
        for log in self.folder.glob("*.csv"):
            shutil.copy(log, content)
        facts = read_json(content / self.marker)
        made = sorted(p for p in content.rglob("*") if p.is_file() and p != content / self.marker)
        facts["files"] = {str(p.relative_to(content)): file_sha256(p) for p in made}
        write_json(content / self.marker, facts)
        self.lease.check()
        move_into(content, self.output, self.marker)
        shutil.rmtree(self.folder)
        self.lease.release()


def check_parts(checkpoint: Path) -> None:
    """Compare the parts of a checkpoint with their checksums, at which PyTorch does not look.

    Raises:
        Exception: of what kind depends on where a reader stumbled, if it is damaged.
    """
    with zipfile.ZipFile(checkpoint) as parts:
        if parts.testzip():
            raise zipfile.BadZipFile


class CsvLog:
    """A log with a row per logged step. Checkpoints hold the rows too: the file is for readers.

    A resumed training rewrites its file, whatever a kill or a full disk left of it.

    Args:
        path: the file.
    """

    def __init__(self, path: Path):
        self.path = path
        self._rows: list[dict[str, str | int | None]] = []
        self._writer: csv.DictWriter | None = None

    def add(self, row: Mapping[str, float | int | None]) -> None:
        """Append a row; the first row names the columns. None leaves its place empty."""
        written = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
        self._rows.append(written)
        if self._writer is None:
            self._writer = csv.DictWriter(self.path.open("w", buffering=1), list(written))
            self._writer.writeheader()
            self._writer.writerows(self._rows)
        else:
            self._writer.writerow(written)

    def state_dict(self) -> dict:
        """The rows, as they were written."""
        return {"rows": self._rows}

    def load_state_dict(self, state: dict) -> None:
        """Continue after the rows that a checkpoint kept."""
        self._rows = list(state["rows"])
