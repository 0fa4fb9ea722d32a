# make demo            sets up once, then runs the demo study to the end
# make test            sets up once, then runs the tests, and reports their coverage
# make test-fast       the quick ones among them, while you work
# make test-slurm      runs a small study under a Slurm that it starts here: root only; SLURM_TESTS=slurm
#                      loses a node, runs out of time and restarts the controller, too: half an hour
# make test-environments  trains in the container's root and in a conda environment: root only, long
# make test-survival   kills a small study 20 times and compares it with an undisturbed one: long
#                      (writes results/survival.md; docs/survival.md is kept by hand)
# make test-faults     lets disk and clock fail under single steps: needs a C compiler
#                      (writes results/faults.md; docs/survival.md is kept by hand)
# make fuzz            draws new hostile configs, files and damages for an hour
# make preflight       checks data, weights, disk, environment, GPUs and Slurm: CONFIG=...
#                      THOROUGH=true opens all data, not a sample
# make check-gpu       tries every stage on this machine's GPU; `make cost` then goes by it
# make cost            predicts the hours of a study and its tables: CONFIG=config/small.yaml, and
#                      DEVICE=h100 GPUS=8 for other GPUs
# make watch           shows how far a running study is, and its curves in TensorBoard: CONFIG=...
# make efficiency      what jobs asked for and used, and the config that would fit: CONFIG=...
# make archive         packs a study that is done, to verify and to run again: CONFIG=... OUTPUT=archive
#                      WEIGHTS=true adds trained weights
# make schema          renews config/schema.yaml from the models of the settings
# make lock            resolves requirements.in into requirements.lock (needs `pip install uv`)
# make audit           looks up known vulnerabilities of what the lock pins (needs the internet)

PYTHON ?= python3
CORES ?= 2
CONFIG ?= config/config.yaml
THOROUGH ?= false
SLURM_TESTS ?= slurm and not on_demand
OUTPUT ?= archive
WEIGHTS ?= false
DEVICE ?= a100
GPUS ?= 4
VENV := .venv
SNAKEMAKE := $(VENV)/bin/snakemake
# One process a core, which shares no core with threads of its own.
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(CORES) --dist loadgroup \
  --no-loadscope-reorder

.PHONY: setup demo test test-fast fuzz test-slurm test-environments test-survival test-faults \
  preflight check-gpu cost watch efficiency archive schema lock audit

setup: $(VENV)/installed

$(VENV)/installed: requirements.lock
	@$(PYTHON) -c 'import sys; found = sys.version.split()[0]; \
	  sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else \
	  f"Python 3.11 to 3.13 is needed, {found} found: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes -r requirements.lock
	@touch $@

demo: setup
	@$(SNAKEMAKE) --configfile config/demo.yaml --cores $(CORES) \
	  --scheduler greedy $$([ -t 2 ] && echo --logger rich) \
	  --show-failed-logs --quiet rules host reason
	@echo
	@echo "tables    results/demo/tables/table{1..6}.{csv,md,tex}"
	@echo "figures   results/demo/figures/"
	@echo "report    results/demo/report.html"
	@echo "verdicts  results/demo/claims.md, results/demo/audit.md"

test: setup
	@$(PYTEST) --cov --cov-report=term:skip-covered

test-fast: setup
	@$(PYTEST) -m "not slow and not slurm and not on_demand"

test-slurm: setup
	@{ command -v slurmd && command -v slurmdbd && command -v mariadbd; } > /dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null \
	  && echo "installing Slurm" && apt-get update -qq \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
	    slurm-wlm munge slurmdbd mariadb-server; } \
	  > /dev/null 2>&1 || echo "no Slurm to install: its tests skip"
	@$(VENV)/bin/python -m pytest -m "$(SLURM_TESTS)" -v -rs tests/workflow/test_slurm.py

fuzz: setup
	@end=$$(( $$(date +%s) + 3600 )); while [ $$(date +%s) -lt $$end ]; do \
	  $(VENV)/bin/python -m pytest --hypothesis-profile fuzz tests/*/test_fuzz*.py || exit 1; done

preflight: setup
	@$(VENV)/bin/python -m workflow_src.preflight --configfiles '[$(CONFIG)]' \
	  --thorough $(THOROUGH)

check-gpu: setup
	@$(VENV)/bin/python -m workflow_src.check_gpu

cost: setup
	@$(VENV)/bin/python -m workflow_src.estimate_hours --configfiles '[$(CONFIG)]' \
	  --device $(DEVICE) --gpus $(GPUS)

watch: setup
	@$(VENV)/bin/python -m workflow_src.watch_study --configfiles '[$(CONFIG)]'

efficiency: setup
	@$(VENV)/bin/python -m workflow_src.report_efficiency --configfiles '[$(CONFIG)]'

archive: setup
	@$(VENV)/bin/python -m workflow_src.archive_study --configfiles '[$(CONFIG)]' \
	  --output '$(OUTPUT)' --weights $(WEIGHTS)

test-environments: setup
	@command -v debootstrap > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null \
	  && apt-get update -qq && apt-get install -qq debootstrap; } > /dev/null 2>&1 \
	  || echo "no debootstrap to install: the container's test skips"
	@$(VENV)/bin/python -m pytest -m on_demand -v -rs tests/workflow/test_container.py \
	  tests/workflow/test_real_conda.py

test-survival: setup
	@PYTHONPATH=. $(VENV)/bin/python tests/survival.py --cores $(CORES) \
	  --work "$$(mktemp -d)" --table results/survival.md

test-faults: setup
	@place=$$(mktemp -d) && cc -shared -fPIC -O1 -Wall -o $$place/faults.so tests/faults.c -ldl && \
	  OMP_NUM_THREADS=1 PYTHONPATH=. LD_PRELOAD=$$place/faults.so \
	  unshare --map-root-user --mount $(VENV)/bin/python tests/faults.py \
	  --work $$place/work --table results/faults.md

schema: setup
	@$(VENV)/bin/python -m workflow_src.write_schema

audit: setup
	@$(PYTHON) -m venv $(VENV)-audit && $(VENV)-audit/bin/python -m pip install --quiet pip-audit
	@$(VENV)-audit/bin/pip-audit --require-hashes --disable-pip -r requirements.lock

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-strip-extras requirements.in -o requirements.lock
	sed -i "s/[0-9a-f]\{64\}/$$(sha256sum requirements.lock | cut -d' ' -f1)/" \
	  envs/workflow.post-deploy.sh
