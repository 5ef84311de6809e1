# Two commands do everything on a fresh machine: `make demo` and `make test`; `make check` is the quick one while working.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A thread for each of the two processes that share a machine of two cores; more wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: demo test check coverage lint clean

demo: $(STAMP)
	$(BIN)/lungcancerdx demo --progress bar

test: $(STAMP) lint
	$(PYTEST)

check: $(STAMP) lint
	$(PYTEST) -q -m "not slow"

# Which lines no test goes through; takes a fifth longer.
coverage: $(STAMP)
	$(PYTEST) -q --cov --cov-report=term:skip-covered

# Style, the order of the rooms, the dependencies, the types.
lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/mypy

# torch first and by its exact version: a range would take the newest build with gigabytes of CUDA libraries.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info lungcancerdx-demo .coverage
