# make demo: stylize a sample photo. make test: run every test. Both set up .venv first.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: setup demo test check bench figures clean

setup: .venv/installed

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.11" >&2; exit 2; }
	@echo "Creating .venv and installing the packages (TensorFlow is large: some minutes) …" >&2
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(PIP) -r requirements-dev.txt
	@touch $@

demo: setup
	$(BIN)/python main.py --content data/input/temple.jpg --style data/input/night_strokes.jpg \
	  --weights compact --output data/output/demo --overwrite

test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

bench: setup
	$(BIN)/python tools/benchmark.py

figures: setup
	$(BIN)/python tools/figures.py

clean:
	rm -rf .venv data/output .pytest_cache .ruff_cache
