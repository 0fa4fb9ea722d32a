"""Checks of where a study will run: installed packages, GPUs, and the queue of a cluster."""

import getpass
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import yaml
from packaging.markers import Marker

from workflow_src.common.errors import InputError
from workflow_src.common.gpus import has_code_for, why_no_gpu
from workflow_src.common.partitions import granted, grown, of_all_processes
from workflow_src.readiness import queue
from workflow_src.readiness.findings import Finding, guarded


def unlike_the_lock(lock: str) -> dict[str, tuple[str, str | None]]:
    """Pinned and installed version of every package that differs from the lock.

    Args:
        lock: the text of requirements.lock; local versions such as +cu128 do not count.
    """
    wrong = {}
    for name, pinned, marker in re.findall(r"^([\w.-]+)(?:\[.*?\])?==(\S+)(?: ; ([^\\\n]+))?",
                                           lock, re.M):  # fmt: skip
        if marker and not Marker(marker.strip()).evaluate():
            continue
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed = None
        if not installed or installed.split("+")[0] != pinned.split("+")[0]:
            wrong[name] = (pinned, installed)
    return wrong


def environment(lock: Path) -> Iterator[Finding]:
    """Whether what is installed is what the lock pins."""
    wrong = unlike_the_lock(lock.read_text())
    if not wrong:
        yield Finding(
            "OK", "environment", f"as {lock.name} pins it, Python {sys.version.split()[0]}"
        )
        return
    first, (pinned, installed) = next(iter(wrong.items()))
    found = f"{first} {pinned} is pinned, {installed or 'nothing'} is installed"
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    yield Finding("FAIL", "environment", f"{found}{more}: rm -r .venv, then make setup")


def gpus(config: dict) -> Iterator[Finding]:
    """Whether there are the GPUs that the largest job asks for; a cluster's are on other machines,
    where only the PyTorch that they will run with can be told from here.
    """
    asked = max(part.get("gpu", 0) for part in config["resources"].values())
    if not asked:
        yield Finding("OK", "GPUs", "none is asked for")
        return
    import torch

    known = ", ".join(torch.cuda.get_arch_list())
    if torch.version.cuda is None:
        text = f"PyTorch {torch.__version__} is built for CPUs alone: install a build for CUDA"
        yield Finding("FAIL" if config["backbone"]["kind"] == "stable-diffusion" else "WARN",
                      "GPUs", text)  # fmt: skip
        return
    if shutil.which("sbatch"):
        text = f"up to {asked} a job, from the queue; PyTorch has code for {known} and wants a "
        text += f"driver for CUDA {torch.version.cuda}: `make check-gpu` there tells all"
        yield Finding("OK", "GPUs", text)
        return
    visible, reason = torch.cuda.device_count(), why_no_gpu()
    names = ", ".join(sorted({torch.cuda.get_device_name(i) for i in range(visible)}))
    old = [
        torch.cuda.get_device_name(i) for i in range(visible)
        if not has_code_for(torch.cuda.get_device_capability(i), torch.cuda.get_arch_list())
    ]  # fmt: skip
    if reason and config["backbone"]["kind"] == "stable-diffusion":
        text = f"none can be used ({reason}), and Stable Diffusion is not trained without: run on a"
        yield Finding("FAIL", "GPUs", f"{text} cluster, or take config/small.yaml")
    elif reason:
        text = f"none can be used ({reason}): give Snakemake --resources gpu=0 to run on the CPU"
        yield Finding("WARN", "GPUs", f"{text}, for days")
    elif visible < asked:
        text = f"{visible} x {names} but a job asks for {asked}: lower `gpu` under `resources`"
        yield Finding("FAIL", "GPUs", text)
    elif old:
        text = f"PyTorch has code for {known}, but not for {', '.join(old)}: install a build that"
        yield Finding("FAIL", "GPUs", f"{text} has, or hide them by CUDA_VISIBLE_DEVICES")
    else:
        text = f"{visible} x {names}, up to {asked} a job: give Snakemake --resources gpu={visible}"
        yield Finding("OK", "GPUs", text)


def slurm(config: dict, profile: Path) -> Iterator[Finding]:
    """Whether the profile's account and partitions exist, and every rule has one that fits it.

    Args:
        config: the study's.
        profile: the folder of profile.yaml and partitions.yaml.
    """
    settings = yaml.safe_load((profile / "profile.yaml").read_text())
    accounts = [
        text.split("=", 1)[1]
        for text in settings.get("default-resources", []) if text.startswith("slurm_account=")
    ]  # fmt: skip
    cluster = yaml.safe_load((profile / "partitions.yaml").read_text())
    partitions = cluster["partitions"]
    unset, here = "CHANGE_ME" in accounts, shutil.which("sbatch") is not None
    if unset:
        text = f"slurm_account is CHANGE_ME: set yours in {profile}/profile.yaml"
        yield Finding("FAIL" if here else "WARN", "Slurm", text)
    yield from _fits(config, partitions, profile, settings.get("retries", 0) + 1, here)
    if not here:
        yield Finding("OK", "Slurm", "not on this machine: jobs run here, without --profile slurm")
        return
    yield from guarded("Slurm", _partitions, config, cluster, profile)
    if accounts and not unset:
        yield from guarded("Slurm", _account, accounts[0], profile)


def _fits(
    config: dict, partitions: dict, profile: Path, attempts: int, here: bool
) -> Iterator[Finding]:
    """Whether a partition grants all that a rule asks for, at the first attempt and the last."""
    default = config["resources"]["default"]
    for rule, part in config["resources"].items():
        asked = default | part
        for attempt in sorted({1, attempts}):
            wanted = {
                what: grown(
                    of_all_processes(what, asked[what], asked["gpu"]),
                    attempt,
                    granted(partitions, what, asked["gpu"]),
                )
                for what in ("runtime", "mem_mb")
            }
            if any(
                asked["gpu"] <= limits.get("max_gpu", 0)
                and all(wanted[w] <= limits.get(f"max_{w}", math.inf) for w in wanted)
                for limits in partitions.values()
            ):
                continue
            text = f"{rule} asks for {wanted['runtime']} minutes, {wanted['mem_mb']} MB and "
            text += f"{asked['gpu']} GPUs at attempt {attempt}, which no partition of "
            text += f"{profile}/partitions.yaml grants: change one of the two"
            yield Finding("FAIL" if here and attempt == 1 else "WARN", "Slurm", text)
            break


def _partitions(config: dict, cluster: dict, profile: Path) -> Iterator[Finding]:
    wanted = cluster["partitions"]
    there = set(_ask("sinfo", "--noheader", "--format=%R").split())
    lacking = [name for name in wanted if name not in there]
    if lacking:
        text = f"has no partition {', '.join(lacking)}, only {', '.join(sorted(there))}"
        yield Finding("FAIL", "Slurm", f"{text}: name yours in {profile}/partitions.yaml")
    else:
        yield Finding("OK", "Slurm", f"has the partitions {', '.join(wanted)}")
        answers = _ask(*queue.NODES), _ask(*queue.PARTITIONS)
        yield from queue.requests(config, cluster, *answers, profile)


def _account(account: str, profile: Path) -> Iterator[Finding]:
    user = getpass.getuser()
    query = ("--noheader", "--parsable2", "show", "associations", f"user={user}", "format=account")
    try:
        known = set(_ask("sacctmgr", *query).split())
    except InputError as error:
        text = f"the account {account} cannot be looked up ({error}): without accounting, delete"
        text += f" it from {profile}/profile.yaml"
        yield Finding("WARN", "Slurm", text)
        return
    if account in known:
        yield Finding("OK", "Slurm", f"{user} may use the account {account}")
    else:
        text = f"{user} has no account {account}, only {', '.join(sorted(known)) or 'none'}"
        yield Finding("FAIL", "Slurm", f"{text}: set yours in {profile}/profile.yaml")


def _ask(*command: str) -> str:
    """What a command of Slurm's prints.

    Raises:
        InputError: if it fails, or says nothing for 15 seconds.
    """
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=15
        ).stdout
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["nothing"])[-1]
        raise InputError(f"{command[0]} fails and says: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"{command[0]} gives no answer: ask on the cluster's login node"
        ) from error
