#!/usr/bin/env bash
# Installs the pinned, hashed lock into the environment that conda has just made. Snakemake copies
# this script beside the environment before it runs it, and makes the environment anew only when
# this text changes: hence the lock's hash, which `make lock` writes.
set -euo pipefail
lock="${WORKFLOW_ROOT:?is set by the workflow: let Snakemake run this script}/requirements.lock"
echo "959a473a5aaca4a5e8154dd139cdb37dabb12d0cb22c89bde1e1f68853b25f5e  $lock" | sha256sum --check --quiet
python -m pip install --no-input --require-hashes -r "$lock"
