# Everything runs from a clean clone. `make test` and `make demo` need Python 3.11 or newer; the parts that drive real
# traffic also need haproxy and prometheus (Debian packages of those names) and say so when they are missing.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
JOBS   ?= 2
SEEDS  ?= 2000

.PHONY: help tour demo serve test check lint types unit sim mutants bench bench-analysis clean

help:
	@echo "make demo    deploy a good and several bad versions of a sample shop, with real traffic, and watch (4 minutes)"
	@echo "make tour    the guided run of docs/kubernetes.md on a test cluster (a minute; needs prometheus)"
	@echo "make serve   the same surroundings, kept running to play with"
	@echo "make test    every test"
	@echo "make check   format, lint, types, import contracts, unit and contract tests, 600 simulated seeds"
	@echo "make sim     $(SEEDS) simulated seeds (SEEDS=n for more)"
	@echo "make mutants planted bugs, each of which must be caught"
	@echo "make bench   figures, as ratios measured side by side"
	@echo "make bench-analysis  our judge and the peers' on the same simulated releases (ARGS=--help says more)"

$(BIN)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(BIN)/.ready
	$(BIN)/python -m tests.demo

serve: $(BIN)/.ready
	$(BIN)/python -m tests.demo --serve

test: check
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup -m real tests
	$(BIN)/python -m tests.parts

check: lint types unit
	$(BIN)/python -m tests.sim --seeds 600 --jobs $(JOBS)

lint: $(BIN)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(BIN)/.ready
	$(BIN)/mypy

unit: $(BIN)/.ready
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not real" tests

tour: $(BIN)/.ready
	$(BIN)/python -m tests.kube.tour

sim: $(BIN)/.ready
	$(BIN)/python -m tests.sim --seeds $(SEEDS) --jobs $(JOBS)

mutants: $(BIN)/.ready
	$(BIN)/python -m tests.sim.mutants --jobs $(JOBS)

bench: $(BIN)/.ready
	$(BIN)/python -m tests.benchmarks

bench-analysis: $(BIN)/.ready
	$(BIN)/python -m tests.benchmarks.analysis --jobs $(JOBS) $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist *.egg-info
