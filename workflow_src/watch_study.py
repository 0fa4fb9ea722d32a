"""Watch a study while it runs: a page in the terminal, and its trainings' curves in TensorBoard."""

import time
from pathlib import Path

from jsonargparse.typing import PositiveFloat, PositiveInt

from workflow_src.common.code_hash import ROOT
from workflow_src.common.command_line import run
from workflow_src.readiness.following import Follower
from workflow_src.readiness.hours import cost_of, planned
from workflow_src.readiness.progress import marked, summary
from workflow_src.readiness.work import Kind, device_named
from workflow_src.study.loading import load_study


def main(
    configfiles: list[Path],
    device: Kind = "a100",
    gpus: PositiveInt = 4,
    port: int = 6006,
    every: PositiveFloat = 30.0,
    once: bool = False,
) -> None:
    """Print a page again and again, until Ctrl-C, and serve the curves on this machine.

    The curves are made of the log.csv files, in `tensorboard/` of the study's results.

    Args:
        configfiles: of the study, as Snakemake takes them.
        device: the kind of GPU, for hours that were not measured yet.
        gpus: how many of them work at once.
        port: of TensorBoard's page.
        every: seconds between pages.
        once: print one page, write the curves, and end.
    """
    config = load_study(configfiles)
    waits, chosen = planned(configfiles), device_named(device, ROOT / "results" / "gpu")
    results = Path("results") / config["study"]
    follower = Follower(results, results / "tensorboard")
    page = "" if once else f"curves: {_serve(follower.events, port)}"
    while True:
        follower.follow()
        costs = {job: cost_of(job, config, chosen) for job in waits}
        being_made = marked(Path(".snakemake"))
        if not once:
            print("\033[2J\033[H" + time.strftime("%H:%M:%S"), page)
        for line in summary(config["study"], waits, costs, being_made, results, gpus):
            print(line, flush=True)
        if once:
            return
        time.sleep(every)


def _serve(events: Path, port: int) -> str:
    """Start TensorBoard in this process and return the address of its page."""
    from tensorboard.program import TensorBoard

    board = TensorBoard()
    board.configure(argv=[None, "--logdir", str(events), "--port", str(port)])
    return board.launch()


if __name__ == "__main__":
    run(main)
