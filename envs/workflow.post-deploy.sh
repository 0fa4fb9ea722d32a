#!/usr/bin/env bash
# Installs the pinned, hashed lock into the environment that conda has just made.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python -m pip install --no-input --require-hashes -r "$here/../requirements.lock"
