#!/bin/sh
# What a Debian needs to run every rule: the same steps for Apptainer and for Docker. The lock lies
# beside this script.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# git tells results their commit; the compilers are torch.compile's.
apt-get install -qq --no-install-recommends ca-certificates gcc g++ git python3-dev python3-venv
rm -rf /var/lib/apt/lists/*
python3 -m venv "$here/venv"
"$here/venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check \
  --require-hashes -r "$here/requirements.lock"
