#!/usr/bin/env bash
# Installs the pinned, hashed lock into the environment that conda has just made. Snakemake copies
# this script beside the environment before it runs it, and makes the environment anew only when
# this text changes: hence the lock's hash, which `make lock` writes.
set -euo pipefail
lock="${WORKFLOW_ROOT:?is set by the workflow: let Snakemake run this script}/requirements.lock"
echo "fb84cb8ded8efd8976a6690db1da9dc6c9b3cdbbe218bc44ec57b39ebe7de805  $lock" | sha256sum --check --quiet
python -m pip install --no-input --require-hashes -r "$lock"
