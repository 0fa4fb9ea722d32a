"""The logs of a study's trainings while they are written, and TensorBoard's files made of them."""

import csv
import re
import shutil
from pathlib import Path

NAMES = ("log.csv", "validation.csv")


def logs_of(results: Path) -> dict[str, Path]:
    """The logs of each training: by the folder that it is made in and the file, the newest of each.

    Args:
        results: folder of the study.
    """
    found: dict[str, Path] = {}
    for name in NAMES:
        for path in sorted(results.rglob(name), key=lambda p: p.stat().st_mtime):
            place = re.sub(r"/(\.state-[^/]+|fold_0)(/.*)?$", "",
                           str(path.parent.relative_to(results)))  # fmt: skip
            found[f"{place}/{name.removesuffix('.csv')}"] = path
    return dict(sorted(found.items()))


def rows_of(log: Path) -> list[dict[str, float]]:
    """The whole rows of a log, by column; values that are not numbers are left out."""
    rows = []
    with log.open() as file:
        lines = [line for line in file if line.endswith("\n")]  # the last may be half written
    for row in csv.DictReader(lines):
        values = {}
        for name, text in row.items():
            try:
                values[name] = float(text)
            except (TypeError, ValueError):
                continue
        if "step" in values:
            rows.append(values)
    return rows


class Follower:
    """Writes what logs gain as TensorBoard's event files; trainings know nothing of it.

    Args:
        results: folder of the study.
        events: folder for the event files: what lies in it is replaced.
    """

    def __init__(self, results: Path, events: Path):
        self.results, self.events = results, events
        self._writers: dict = {}
        self._steps: dict[str, float] = {}
        shutil.rmtree(events, ignore_errors=True)
        events.mkdir(parents=True)

    def follow(self) -> int:
        """Write the rows that came since the last call and return their number."""
        from tensorboard.summary import Writer

        count = 0
        for name, log in logs_of(self.results).items():
            rows = rows_of(log)
            if rows and rows[-1]["step"] < self._steps.get(name, 0):  # another recipe's, from 0 on
                self._writers.pop(name).close()
                shutil.rmtree(self.events / name)
                del self._steps[name]
            new = [row for row in rows if row["step"] > self._steps.get(name, -1)]
            if new and name not in self._writers:
                self._writers[name] = Writer(str(self.events / name))
            for row in new:
                step = int(row["step"])
                for column in row.keys() - {"step"}:
                    self._writers[name].add_scalar(column, row[column], step)
            if new:
                self._writers[name].flush()
                self._steps[name] = new[-1]["step"]
            count += len(new)
        return count
