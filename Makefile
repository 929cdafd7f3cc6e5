# Every target makes the environment it needs. PYTHON picks the interpreter, PORT the address of `make run`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
  command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: run test lint types check-docs bench chaos lock catalogue clean

run: $(VENV)/.run
	@$(BIN)/rulegate serve --simulate --listen 127.0.0.1:$(PORT)

test: lint types
	$(BIN)/python -m pytest -n 3

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python bench/run.py

# What a store or a receiver that hangs does to everybody else.
chaos: $(VENV)/.dev
	$(BIN)/python bench/chaos.py

# The pinned, hashed sets that the environments are made of. Run after editing the dependencies.
lock: $(VENV)/.tools
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 --extra speed --group build -o requirements/run.txt pyproject.toml
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 --extra speed --group dev -c requirements/run.txt -o requirements/dev.txt pyproject.toml
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 --extra speed --group dev --group tools -c requirements/dev.txt -o requirements/tools.txt pyproject.toml

# The price and capability table that ships in the package.
catalogue: $(VENV)/.tools
	$(BIN)/python tools/build_catalogue.py

clean:
	rm -rf $(VENV) data dist

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "rulegate needs Python 3.11 or later on PATH (or: make PYTHON=/path/to/python3.11)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@test -e $(VENV)/.dev || echo "installing what the gateway needs into $(VENV) (about a minute, once)"
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "installing what the checks need into $(VENV)"
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.tools: requirements/tools.txt $(VENV)/.dev
	$(PIP) --require-hashes -r requirements/tools.txt
	@touch $@
