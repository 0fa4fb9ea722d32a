"""The commands of conda that Snakemake gives, carried out by py-rattler: its solver, its installer.

Run as `conda`, by a Python that has py-rattler and PyYAML; `activate` is for bin/activate beside
it, and `index` for a channel in a folder.
"""

import asyncio
import json
import sys
from pathlib import Path

import yaml
from rattler import install, solve
from rattler.index import index_fs
from rattler.shell import ActivationVariables, Shell, activate

BASE = Path(sys.argv[0]).parent.parent


async def create(file: Path, prefix: Path) -> None:
    """Solve an environment file, and install what it comes to."""
    asked = yaml.safe_load(file.read_text())
    channels = [channel for channel in asked["channels"] if channel != "nodefaults"]
    records = await solve(channels, asked["dependencies"])
    await install(records, prefix, cache_dir=BASE / "cache", show_progress=False)


def main(given: list[str]) -> None:
    """Do what a command asks."""
    if given == ["info", "--json"]:
        print(json.dumps({"conda_prefix": str(BASE), "platform": "linux-64"}))
    elif given == ["--version"]:
        print("conda 24.11.1")
    elif given[:2] == ["config", "--get"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif given[:2] == ["env", "create"]:
        file, prefix = (Path(given[given.index(name) + 1]) for name in ("--file", "--prefix"))
        asyncio.run(create(file, prefix))
    elif given[0] == "activate":
        print(activate(Path(given[1]), ActivationVariables(), Shell.bash).script)
    elif given[0] == "index":
        asyncio.run(index_fs(Path(given[1])))
    elif given[0] != "clean":
        sys.exit(f"conda by py-rattler does not know {given}")


if __name__ == "__main__":
    main(sys.argv[1:])
