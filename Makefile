# batchline: `make demo` shows it, `make test` tests it; both set up what they need, once.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

KERNEL := src/batchline/simulation/kernel

.PHONY: help mutation install demo check test bench accuracy soak schema clean

help:
	@echo "make install   set up; compiles the simulator where there is a C compiler"
	@echo "make demo      set up, then decide where a support chat should run"
	@echo "make test      set up, then run every test"
	@echo "make check     format, lint, types, layers, schema freshness"
	@echo "make bench     speed of start-up, loading, trace reading and the simulator, as CPU time"
	@echo "make accuracy  bounds and predictions against measurements (needs ../shared/data)"
	@echo "make mutation  whether the tests notice broken scheduling rules (takes some minutes)"
	@echo "make soak      long fuzzing of the readers"
	@echo "make schema    regenerate JSON Schemas and the page of rules"
	@echo "make clean     remove what make created"

$(VENV)/.base:
	@command -v $(PYTHON) >/dev/null || { echo "batchline needs $(PYTHON) (3.11 or newer): apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "batchline needs Python 3.11 or newer; $(PYTHON) is older (set PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { echo "batchline needs the venv module: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.installed: $(VENV)/.base pyproject.toml setup.py $(KERNEL).py $(KERNEL).pxd
	@echo "installing batchline into $(VENV)" >&2
	@rm -f $(KERNEL).*.so
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@echo "installing the test tools into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@

install: $(VENV)/.installed

demo: $(VENV)/.installed
	@$(BIN)/batchline decide examples/support-chat.yaml || [ $$? -eq 3 ]

check: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m batchline.catalog.files.json_schema --check
	$(BIN)/python -m batchline.workload.json_schema --check
	$(BIN)/python -m batchline.report.rules --check

test: $(VENV)/.dev
	$(BIN)/python -m pytest --cov --numprocesses=auto --dist=loadfile

accuracy: $(VENV)/.installed
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/batchline validate ../shared/data/measurements.csv
	$(BIN)/batchline calibrate ../shared/data/measurements.csv --from-scratch --exclude benchmarks/exclusions.csv
	$(BIN)/python benchmarks/percentiles.py
	$(BIN)/python benchmarks/sram_fit.py
	$(BIN)/python benchmarks/replay.py --fit
	$(BIN)/python benchmarks/traces.py

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/trace_profile.py
	$(BIN)/python benchmarks/simulator.py

mutation: $(VENV)/.dev
	$(BIN)/python tools/mutation_check.py

soak: $(VENV)/.dev
	$(BIN)/python -m pytest --hypothesis-profile=soak tests/catalog tests/workload

schema: $(VENV)/.installed
	$(BIN)/python -m batchline.catalog.files.json_schema
	$(BIN)/python -m batchline.workload.json_schema
	$(BIN)/python -m batchline.report.rules

clean:
	rm -rf $(VENV) build dist src/*.egg-info $(KERNEL).*.so .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
