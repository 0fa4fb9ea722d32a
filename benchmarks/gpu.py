"""All side-by-side comparisons that need a GPU, by one command.

    python benchmarks/gpu.py                                # on a GPU; writes benchmarks/gpu.md
    python benchmarks/gpu.py --official ../MK-UNet          # with a clone of MK-UNet's public code

Each comparison is a process of its own, so that one that fails, or lacks a package, leaves the
others alone; what is missing is named. This file needs nothing but Python.
"""

import argparse
import datetime
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TITLES = {
    "step at batch 4": "ControlNet training: diffusers' script against the workflow, batch 4",
    "step at batch 32": "The same, batch 32",
    "methods": "ControlNet training: the methods",
    "sampling": "Sampling: one call per image against batches",
    "segmenters": "Segmenters: the plain step against the workflow's, 256², batch 16",
    "attention": "ORDER's attention",
}
STEP = ["controlnet_training.py", "--size=384", "--precision=bf16"]
PAPER = {
    "step at batch 4": [*STEP, "--batch=4"],
    "step at batch 32": [*STEP, "--batch=32"],
    "methods": [*STEP, "--batch=4", "--compare=methods"],
    "sampling": ["sampling.py", "--size=384", "--steps=50", "--images=32"],
    "segmenters": ["segmenter_training.py", "--size=256", "--batches=[16]"],
    "attention": ["order_attention.py"],
}
# Sizes that say nothing about speed, to see on a CPU that everything runs.
SMALL = ["controlnet_training.py", "--size=64", "--width=0.1", "--rounds=1", "--precision=fp32"]
TOY = {
    "step at batch 4": [*SMALL, "--batch=1"],
    "step at batch 32": [*SMALL, "--batch=2"],
    "methods": [*SMALL, "--batch=1", "--compare=methods"],
    "sampling": ["sampling.py", "--size=64", "--steps=2", "--images=2", "--width=0.1",
                 "--rounds=1", "--precision=fp32"],
    "segmenters": ["segmenter_training.py", "--size=32", "--batches=[2]", "--networks=[order]",
                   "--rounds=1"],
    "attention": ["order_attention.py", "--sides=[8]", "--batch=2", "--grid=4", "--rounds=1"],
}  # fmt: skip


def device() -> str:
    """What this runs on, in words."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}"
    return f"CPU, PyTorch {torch.__version__}"


def compared(script: list[str]) -> str:
    """What a comparison prints, or why it was not run."""
    name, *options = script
    done = subprocess.run(
        [sys.executable, str(HERE / name), *options], capture_output=True, text=True
    )
    if done.returncode == 0:
        return done.stdout.strip()
    lacking = re.findall(r"^(?:ModuleNotFoundError|ImportError): (.*)", done.stderr, re.M)
    if lacking:
        return f"Not run: {lacking[-1]}."
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"Failed: `{last}`"


def main() -> None:
    """Run the comparisons and write the page; ends with 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--official", type=Path, help="a clone of MK-UNet's public code")
    parser.add_argument("--toy", action="store_true", help="sizes that say nothing about speed")
    parser.add_argument("--output", type=Path, default=HERE / "gpu.md", help="the page")
    given = parser.parse_args()
    scripts = TOY if given.toy else PAPER
    today = datetime.datetime.now(datetime.UTC).strftime("%-d %B %Y")
    parts = [f"# Comparisons on a GPU\n\n{today}, {device()}."]
    for name in given.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        script = scripts[name]
        if name == "segmenters" and given.official:
            script = [*script, f"--official={given.official}"]
        parts.append(f"## {TITLES[name]}\n\n`{' '.join(script)}`\n\n{compared(script)}")
        given.output.write_text("\n\n".join(parts) + "\n")
    failed = [part.splitlines()[0].strip("# ") for part in parts if "\n\nFailed: " in part]
    if failed:
        sys.exit("failed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
