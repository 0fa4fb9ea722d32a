"""ORDER's attention at its two stages: as training takes it, as it stands, at full resolution.

    python benchmarks/order_attention.py

Everything is timed forwards and backwards on Q, K, V_d and V_e, in turns; its memory is measured in
a process of its own. `fused` is what training runs, a fused kernel for each direction, and
`equations` is Eqs. 15 and 16 as they stand. ORDER pools its tokens to 32 x 32 at each stage; at
full resolution every pixel is a token.
"""

import re
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from timing import medians  # noqa: E402

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.common.training import best_device  # noqa: E402
from workflow_src.segmentation.attention import (  # noqa: E402
    bidirectional_attention,
    from_one_similarity,
)

WAYS = {"fused": bidirectional_attention, "equations": from_one_similarity}
MATRICES = {"fused": 0, "equations": 6}  # of the size of S, at one time


class Step:
    """Forwards and backwards of one way, on drawn features of one head."""

    def __init__(self, way: str, images: int, tokens: int, width: int):
        inputs = torch.randn(4, images, 1, tokens, width, device=best_device())
        self.attend, self.inputs = WAYS[way], [x.requires_grad_() for x in inputs.unbind()]
        self.gradients = list(torch.ones_like(inputs[:2]).unbind())

    def __call__(self) -> None:
        torch.autograd.grad(self.attend(*self.inputs), self.inputs, self.gradients)


def peak() -> float:
    """MiB that this process held at most; getrusage would tell its parent's, if that held more."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 2**10


def memory(way: str, images: int, tokens: int, width: int) -> float:
    """MiB that a step needs beyond its inputs, outputs and gradients; in a fresh process."""
    Step(way, 1, 16, width)()  # what libraries take for themselves
    step = Step(way, images, tokens, width)
    if best_device() == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = peak()
    step()
    return peak() - before


def main(
    sides: list[int] = [128, 64],  # noqa: B006
    batch: int = 16,
    grid: int = 32,
    width: int = 32,
    rounds: int = 5,
    limit: float = 5.0,
) -> None:
    """Print a Markdown table.

    Args:
        sides: of the features at ORDER's stages.
        batch: images of a step with pooled tokens; at full resolution it is one.
        grid: side of the token grid.
        width: channels of Q, K and V.
        rounds: steps of each way in turns; medians count.
        limit: GiB of memory; what needs more is not run.
    """
    print(f"{best_device()}, {torch.get_num_threads()} threads\n")
    print("| tokens | images | way | ms an image | times fused, pooled | MiB |")
    print("|---|---|---|---|---|---|", flush=True)
    pooled = None
    for side, images in ((grid, batch), *((side, 1) for side in sides)):
        tokens = side**2
        needs = {way: count * 4 * tokens**2 * images / 2**30 for way, count in MATRICES.items()}
        ways = [way for way in WAYS if needs[way] <= limit]
        found = medians({way: Step(way, images, tokens, width) for way in ways}, rounds)
        pooled = pooled or found["fused"] / images
        for way in WAYS:
            row = f"| {side} x {side} | {images} | {way} "
            if way not in ways:
                print(row + f"| not run: needs about {needs[way]:.0f} GiB | | |")
                continue
            with ProcessPoolExecutor(1, get_context("spawn")) as alone:
                mebibytes = alone.submit(memory, way, images, tokens, width).result()
            taken = found[way] / images
            print(row + f"| {1000 * taken:.1f} | {taken / pooled:.1f} | {mebibytes:.0f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    run(main)
