#!/usr/bin/env bash
# Installs the pinned, hashed lock into the environment that conda has just made. Snakemake copies
# this script beside the environment before it runs it, and makes the environment anew only when
# this text changes: hence the lock's hash, which `make lock` writes.
set -euo pipefail
lock="${WORKFLOW_ROOT:?is set by the workflow: let Snakemake run this script}/requirements.lock"
echo "17077c6fcd5a5de2ce120b9ddb796492c0c7c582d000cab3f48cf34ce40dfee4  $lock" | sha256sum --check --quiet
python -m pip install --no-input --require-hashes -r "$lock"
