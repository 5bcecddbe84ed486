# The commands people need. `make run` and `make test` work on a fresh machine with Python 3.11+, make and a package registry.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/sh

.PHONY: help run check test test-long bench evaluate docs lock clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

run: .venv/run $(BIN)/ui  ## start the city on http://127.0.0.1:8080
	@$(BIN)/dothi run

check: .venv/dev  ## lint, types, floors (under 30 s)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .venv/dev $(BIN)/ui  ## every test that is not long (some fifteen minutes on two cores)
	@$(PYTHON) scripts/prepare_tests.py
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not long"

test-long: .venv/dev $(BIN)/ui  ## kills, fuzzing and soaks
	@$(PYTHON) scripts/prepare_tests.py
	$(BIN)/python -m pytest -n 2 -m long --timeout 3600

bench: .venv/dev $(BIN)/ui  ## speed and size, one JSON object a line
	$(BIN)/python -m bench

evaluate: .venv/dev  ## how good the answers are, one JSON object a line
	$(BIN)/python -m evaluation

docs: .venv/dev $(BIN)/ui  ## write the generated reference pages and take the screenshots
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/take_screenshots.py
	$(BIN)/python scripts/take_guide_pictures.py

lock: .venv/dev  ## renew the lock files (needs uv on the PATH)
	uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-header pyproject.toml --group build -o requirements/run.txt
	uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-header pyproject.toml --group dev -o requirements/dev.txt

clean:  ## remove what was installed and built; the city's state in .dothi stays
	rm -rf .venv src/dothi/ui/dist src/dothi/ui/islands/node_modules

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/run: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing Đô Thị into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@DOTHI_SKIP_UI=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing Đô Thị and its test tools into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@DOTHI_SKIP_UI=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ .venv/run

.PHONY: $(BIN)/ui
$(BIN)/ui: | $(BIN)/python
	@$(BIN)/python scripts/build_ui.py
