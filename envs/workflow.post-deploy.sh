#!/usr/bin/env bash
# Installs the pinned, hashed lock into the environment that conda has just made. Snakemake copies
# this script beside the environment before it runs it, and makes the environment anew only when
# this text changes: hence the lock's hash, which `make lock` writes.
set -euo pipefail
lock="${WORKFLOW_ROOT:?is set by the workflow: let Snakemake run this script}/requirements.lock"
echo "fe7417b57e61ebdbd4f2190abe273d98e6bb71b6f1192ddc3b678cbecf3093ed  $lock" | sha256sum --check --quiet
python -m pip install --no-input --require-hashes -r "$lock"
