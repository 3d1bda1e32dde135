# make demo: stylize a sample photo. make test: run every test. Both set up .venv first.
# make setup-gpu, once and before them, sets it up for Linux with an NVIDIA GPU.

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# TensorFlow's wheels end at 3.13; ensurepip is what Debian's python3 lacks without python3-venv.
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# What is set up for the GPU stays so: tensorflow and tensorflow-cpu fill the same folder.
GPU := $(if $(or $(filter setup-gpu,$(MAKECMDGOALS)),$(wildcard .venv/installed-gpu)),-gpu)

.PHONY: setup setup-gpu demo test check bench figures lock clean

setup setup-gpu: .venv/installed$(GPU)

$(BIN)/python:
	@for each in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3); do \
	  if "$$each" -c '$(FITS)' 2>/dev/null; then exec "$$each" -m venv --clear .venv; fi; \
	done; \
	if [ -z "$(PYTHON)" ] && command -v uv >/dev/null; then \
	  exec uv venv --quiet --seed --clear --python 3.12 .venv; \
	fi; \
	echo "Python 3.11, 3.12 or 3.13 is needed, with its venv: install one, or uv, which fetches one;" \
	  "or name it: make PYTHON=/path/to/python3.12" >&2; exit 2

.venv/installed$(GPU): requirements$(GPU).txt | $(BIN)/python
	@echo "Installing the packages (TensorFlow is large: some minutes) …" >&2
	$(PIP) uninstall --quiet --quiet --yes tensorflow$(if $(GPU),-cpu)
	$(PIP) install --quiet -r $<
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed$(GPU)
	$(PIP) install --quiet -r $<
	@touch $@

demo: setup
	$(BIN)/python main.py --content data/input/temple.jpg --style data/input/night_strokes.jpg \
	  --weights compact --output data/output/demo --overwrite

# By files, whose tests share their fixtures, in the order of tests/conftest.py.
test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

bench: setup
	$(BIN)/python tools/benchmark.py

figures: setup
	$(BIN)/python tools/figures.py

# From pyproject.toml: every version and its hash, for all systems. Keeps the versions that still fit.
COMPILE := uv pip compile --quiet --universal --no-annotate --generate-hashes --python-version 3.11 \
  --custom-compile-command "make lock" pyproject.toml
lock:
	$(COMPILE) --extra cpu -o requirements.txt
	$(COMPILE) --extra gpu -c requirements.txt -o requirements-gpu.txt
	$(COMPILE) --extra dev -c requirements.txt -o requirements-dev.txt

clean:
	rm -rf .venv data/output data/graph .pytest_cache .ruff_cache
