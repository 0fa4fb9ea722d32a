#!/usr/bin/env bash
# Installs the pinned, hashed lock into the environment that conda has just made. Snakemake copies
# this script beside the environment before it runs it, and makes the environment anew only when
# this text changes: hence the lock's hash, which `make lock` writes.
set -euo pipefail
lock="${WORKFLOW_ROOT:?is set by the workflow: let Snakemake run this script}/requirements.lock"
echo "fd9ec91ce137f314126eb42e014af6548d9f6677d886ab1931deb6351a65c351  $lock" | sha256sum --check --quiet
python -m pip install --no-input --require-hashes -r "$lock"
