"""The pinned environment: one lock for `make` and conda, with hashes and without addresses."""

import hashlib
import re

import yaml
from conftest import ROOT
from packaging.markers import Marker
from packaging.requirements import Requirement

from workflow_src.readiness.machine import unlike_the_lock

LOCK = (ROOT / "requirements.lock").read_text()
PINS = re.findall(r"^([\w.\-\[\],]+)==(\S+)(?: ; ([^\\\n]+))?", LOCK, re.M)


def name_of(text: str) -> str:
    """A package's name as the index normalises it, without extras."""
    return re.sub(r"[-_.]+", "-", text.split("[")[0]).lower()


def test_every_pin_has_a_hash_and_no_address():
    blocks = re.split(r"\n(?=\S)", "\n".join(x for x in LOCK.splitlines() if x[:1] != "#"))
    for block in filter(None, blocks):
        assert "==" in block and "--hash=sha256:" in block, block
    assert "://" not in LOCK and "index-url" not in LOCK


def test_the_lock_holds_what_is_asked_for():
    asked = [
        name_of(Requirement(line).name)
        for line in (ROOT / "requirements.in").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert set(asked) <= {name_of(name) for name, *_ in PINS}


def test_the_lock_covers_the_promised_pythons():
    """Torch and torchvision, a pair that must match, are pinned for each of them."""
    for version in ("3.11", "3.12", "3.13"):
        environment = {"python_version": version, "python_full_version": f"{version}.1"}
        found = {
            name_of(name)
            for name, _, marker in PINS
            if not marker or Marker(marker.strip()).evaluate(environment)
        }
        assert {"torch", "torchvision", "snakemake", "nnunetv2", "diffusers"} <= found


def test_what_is_installed_is_what_is_pinned():
    assert not unlike_the_lock(LOCK)


def test_conda_installs_from_the_same_lock():
    script = (ROOT / "envs/workflow.post-deploy.sh").read_text()
    assert "--require-hashes" in script and "requirements.lock" in script
    # Without it an environment that was made from an older lock would be taken for this one's.
    assert hashlib.sha256(LOCK.encode()).hexdigest() in script
    environment = yaml.safe_load((ROOT / "envs/workflow.yaml").read_text())
    for pin in environment["dependencies"]:
        assert re.fullmatch(r"[\w-]+ =\d+[.\d]+", pin), pin
