"""The root of the container without Apptainer: built by debootstrap, and entered by chroot.

What pulls a base image, packs it and maps users and GPUs is Apptainer's own and is not in this.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# As far as Snakemake calls it. The image is a file that names the root; the folder that is the
# home is at its place inside, and so is /proc.
APPTAINER = f"""#!{sys.executable}
import os, subprocess, sys
given = sys.argv[1:]
if given == ["--version"]:
    print("apptainer version 1.3.4")
    sys.exit()
with open(os.environ["APPTAINER_CALLS"], "a") as file:
    print(given, file=file)
assert given[:2] == ["exec", "--home"], given
home, image = given[2], next(word for word in given if word.endswith(".sif"))
command = given[given.index(image) + 1:]
root = open(image).read()
enter = 'mkdir -p "$0$1" && mount --bind "$1" "$0$1" && mount -t proc proc "$0/proc" && ' \\
  'mount --rbind /dev "$0/dev" && shift && exec chroot "$0" sh -c "$@"'
inside = '. /.singularity.d/env/90-environment.sh; cd "$0" && exec "$@"'
sys.exit(subprocess.run(
    ["unshare", "--mount", "sh", "-c", enter, root, home, inside, home, *command]
).returncode)
"""


def sections(definition: Path) -> dict[str, str]:
    """The parts of a definition file: the head by no name, others by theirs."""
    head, *parts = re.split(r"^%(\w+)\n", definition.read_text(), flags=re.M)
    return {"": head} | dict(zip(parts[::2], parts[1::2], strict=True))


def build(definition: Path, root: Path) -> None:
    """Make the root that a definition file describes, on the Debian that its base image is.

    Args:
        definition: its paths are relative to the checkout, two folders up.
        root: folder to make.
    """
    parts = sections(definition)
    assert "From: debian:12-slim" in parts[""]
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root], check=True)
    for line in parts["files"].split("\n"):
        if line.strip():
            source, target = line.split()
            place = root / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(definition.parent.parent / source, place)
    # Registries are reached as this machine reaches them.
    for file in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc") / file, root / "etc" / file)
    certificates = os.environ.get("PIP_CERT") or "/etc/ssl/certs/ca-certificates.crt"
    shutil.copy(certificates, root / "run/certificates.pem")
    subprocess.run(
        ["chroot", root, "sh", "-c", parts["post"]], check=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
             "PIP_CERT": "/run/certificates.pem"},
    )  # fmt: skip
    environment = root / ".singularity.d/env/90-environment.sh"
    environment.parent.mkdir(parents=True)
    environment.write_text(parts["environment"])


def stand_in(folder: Path) -> Path:
    """Write the program that Snakemake takes for Apptainer; the file that notes its calls out."""
    folder.mkdir()
    (folder / "apptainer").write_text(APPTAINER)
    (folder / "apptainer").chmod(0o755)
    return folder / "calls"
