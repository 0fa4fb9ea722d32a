"""Let the disk and the clock fail under the steps of a tiny chain, and compare with one in peace.

Preparation, a segmenter, a small backbone, a ControlNet and what it samples, at 32 pixels. Each
fault hits one step, anywhere in it: a disk that is full after so many bytes, one that fails to read
or write, a clock that jumps, a slow disk. A step that fails must say so in one line; called again
without the fault, it must make what it made in peace, byte for byte. `make test-faults` builds
tests/faults.c, which is loaded into this process, and lets it mount small disks.
"""

import ctypes
import hashlib
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_text

# What the steps load, here once.
LOADED = ["diffusers", "torch", "transformers", "workflow_src.diffusion.sampling"]
TRAINING = '"steps": 4, "batch_size": 2, "checkpoint_minutes": 0'
CONTROLNET = f'{{{TRAINING}, "micro_batch": 2, "log_every": 1, "hint_channels": [4, 8, 8]'
CONTROLNET += ', "precision": "fp32", "weighting": "law", "lambda_dice": 0.1}'
# Each step with its output, made in this order.
STEPS = {
    "raw": "make_phantoms --phantom.train 6 --phantom.test 2 --phantom.side 48",
    "located.json": "locate_raw --root raw",
    "data": "prepare_data --root raw --size 32",
    "segmenter": "train_segmenter --data data --recipe "
    '{"architecture": "unext", "image_size": 32, "fit": "resize", "epochs": 2, "batch_size": 2, '
    '"checkpoint_minutes": 0}',
    "predictions": "predict_segmenter --model segmenter --data data",
    "scores": "score_segmentation --data data --predictions predictions --real data",
    "autoencoder": f'train_autoencoder --data data --recipe {{"widths": [8, 16, 16], {TRAINING}}}',
    "latents": "cache_latents --data data --autoencoder autoencoder --prompt A.",
    "backbone": "train_denoiser --autoencoder autoencoder --latents latents "
    f'--recipe {{"widths": [8, 16], {TRAINING}}}',
    "controlnet": "train_controlnet --backbone backbone/backbone.json --data data --latents latents"
    f" --recipe {CONTROLNET}",
    "shard": "sample_controlnet --backbone backbone/backbone.json --data data --trained controlnet "
    '--prompt A. --recipe {"steps": 2, "batch_size": 2, "precision": "fp32"}',
    "synthetic": 'gather_samples --data data --shards ["shard"] --method law',
}
YEARS = 365 * 24 * 3600  # seconds
FAULTS = {
    "full": "a disk that is full",
    "error": "a disk that fails from some call on",
    "once": "a disk that fails once",
    "clock": "a clock that jumps",
    "slow": "a slow disk",
}
ENDS = ("one line", "unharmed")  # of a step under a fault; anything else is wrong


@dataclass
class Case:
    """A fault and what came of it.

    Args:
        fault: a key of FAULTS.
        step: output of the step that it hit.
        end: one of ENDS, or what was wrong.
        said: the line, or the end of what was printed.
    """

    fault: str
    step: str
    end: str
    said: str


def main(work: Path, table: Path | None = None, each: int = 20, seed: int = 0) -> None:
    """Make the chain in peace, then hit its steps.

    Args:
        work: an empty folder; what went wrong stays there.
        table: where the table goes too, as Markdown.
        each: number of faults of each kind.
        seed: of the steps and moments that are hit.
    """
    if work.exists() and any(work.iterdir()):
        raise InputError(f"--work {work} is not empty: empty it, or name another folder")
    for module in LOADED:
        import_module(module)
    faults = Faults(work.resolve())
    rng, cases = random.Random(seed), []
    counts = {kind: each // 2 if kind in ("error", "once") else each for kind in FAULTS}
    plan = [kind for kind, count in counts.items() for _ in range(count)]
    for kind in tqdm(plan, unit="fault"):
        cases.append(faults.full(rng) if kind == "full" else faults.loaded(kind, rng))
        if cases[-1].end not in ENDS:
            tqdm.write(f"{cases[-1]}")
    text = as_markdown(cases)
    print(text)
    if table:
        write_text(table, text)
    if wrong := [case for case in cases if case.end not in ENDS]:
        sys.exit(f"{len(wrong)} of {len(cases)} faults ended as they must not: see {work}")


class Faults:
    """The chain in peace, and ways to disturb a step of it.

    Args:
        work: an empty folder.
    """

    def __init__(self, work: Path):
        self.work, self.number = work, 0
        self.library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        self.library.fault.argtypes = [ctypes.c_char_p, ctypes.c_char_p, *[ctypes.c_long] * 2]
        self.calm, self.calls = work / "calm", {}
        self.calm.mkdir(parents=True)
        for step in tqdm(STEPS, unit="step"):
            code, printed = self.call(self.calm, step, "none")
            if code:
                raise InputError(f"{step} fails without any fault: {printed[-2000:]}")
            self.calls[step] = [int(n) for n in (work / "calls").read_text().split()]
        self.expected = hashes(self.calm)

    def call(self, folder: Path, step: str, kind: str, at: int = 0, by: int = 0) -> tuple[int, str]:
        """Run a step in a folder under a fault of faults.c: exit code and printed text.

        In a fork of this process, which has loaded all that the steps import.
        """
        script, *arguments = words_of(step)
        module = import_module(f"workflow_src.{script}")
        process = os.fork()
        if not process:
            os.chdir(folder)
            with (self.work / "printed").open("wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            sys.argv = [script, *arguments]
            self.library.fault(f"{folder}/".encode(), kind.encode(), at, by)
            code = 1
            try:
                run(module.main)
                code = 0
            except SystemExit as end:
                print(end.code, file=sys.stderr)
            except BaseException:
                traceback.print_exc()
            done = f"{self.library.calls(0)} {self.library.calls(1)}"
            self.library.fault(None, None, 0, 0)
            (self.work / "calls").write_text(done)
            sys.stdout.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return code, (self.work / "printed").read_text()

    def before(self, step: str) -> Path:
        """A fresh folder with what the chain has made before a step."""
        self.number += 1
        folder = self.work / f"{self.number:03}"
        folder.mkdir()
        for name in list(STEPS)[: list(STEPS).index(step)]:
            source = self.calm / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, folder / name)
        return folder

    def loaded(self, kind: str, rng: random.Random) -> Case:
        """Hit a step by a fault of faults.c."""
        step = rng.choice(list(STEPS))
        folder = self.before(step)
        files, clocks = self.calls[step]
        at = rng.randint(1, clocks if kind == "clock" else files)
        size = {"clock": rng.choice([-1, 1]) * rng.randint(1, 20 * YEARS), "slow": 10**4}
        code, printed = self.call(folder, step, kind, at, size.get(kind, 0))
        return self.judged(kind, step, folder, code, printed)

    def full(self, rng: random.Random) -> Case:
        """Hit a step by a disk that is full after a random number of bytes, a tmpfs."""
        step = rng.choice(list(STEPS))
        room = sum(path.stat().st_size for path in files_of(self.calm / step))
        code = 0
        while not code:
            start, disk = self.before(step), self.work / "disk"
            disk.mkdir(exist_ok=True)
            system("mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", disk)
            system("cp", "-a", f"{start}/.", disk)
            used = int(system("du", "-s", "--block-size=1", disk).split()[0])
            system("mount", "-o", f"remount,size={used + rng.randint(0, room)}", disk)
            code, printed = self.call(disk, step, "none")
            system("cp", "-a", f"{disk}/.", start)
            system("umount", disk)
            room //= 2  # in case there was room for all
            if not code:
                shutil.rmtree(start)
        return self.judged("full", step, start, code, printed)

    def judged(self, kind: str, step: str, folder: Path, code: int, printed: str) -> Case:
        """What came of a fault; the step is called again if it failed."""
        said = [line for line in printed.splitlines() if line.startswith("error: ")]
        end, line = "unharmed", ""
        if code:
            whole = code == 1 and len(said) == 1 and "Traceback" not in printed
            end = "one line" if whole else f"exit code {code}, and not in one line"
            line = said[0] if whole else printed[-1500:]
            code, printed = self.call(folder, step, "none")
            if code:
                end, line = f"failed again after: {line}", printed[-1500:]
        found = hashes(folder)
        due = list(STEPS)[: list(STEPS).index(step) + 1]
        wanted = {n: h for n, h in self.expected.items() if n.split("/")[0] in due}
        if found != wanted and not code:
            others = sorted(n for n in found | wanted if found.get(n) != wanted.get(n))
            end = f"{end}, then other files: {' '.join(others)}"
        if end in ENDS:
            shutil.rmtree(folder)
        return Case(kind, step, end, line.replace(str(folder), ""))


def words_of(step: str) -> list[str]:
    """A step's script and its options; only a recipe holds spaces."""
    return [*re.findall(r"\{.*\}|\S+", STEPS[step]), "--output", step]


def system(*command: str | Path) -> str:
    """Run a command of the system; what it prints out."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def files_of(place: Path) -> Iterator[Path]:
    """The files of a folder, or the one that a path is."""
    return iter([place]) if place.is_file() else (p for p in place.rglob("*") if p.is_file())


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file; hidden ones are unfinished work, not results."""
    files = {path.relative_to(folder): path for path in files_of(folder)}
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if not any(part.startswith(".") for part in name.parts)
    }


def as_markdown(cases: list[Case]) -> str:
    """The counts, with what was run where, and the lines that were said."""
    machine = f"a CPU of {os.cpu_count()} cores, {platform.system()} {platform.release()}"
    lines = [
        "# Faults",
        "",
        f"`make test-faults`, {date.today()}, on {machine}: each fault hit one of the "
        f"{len(STEPS)} steps of tests/faults.py at a random moment. *One line*: the step ended in "
        "one line that says why, and made the same bytes as undisturbed when it was called again. "
        "*Unharmed*: it made them in spite of the fault.",
        "",
        "| fault | cases | one line | unharmed | otherwise | steps hit |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for kind, name in FAULTS.items():
        here = [case for case in cases if case.fault == kind]
        ends = Counter(case.end if case.end in ENDS else "otherwise" for case in here)
        steps = Counter(case.step for case in here)
        hit = ", ".join(f"{step} {steps[step]}" for step in STEPS if steps[step])
        counts = " | ".join(str(ends[end]) for end in (*ENDS, "otherwise"))
        lines.append(f"| {name} | {len(here)} | {counts} | {hit} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(main)
