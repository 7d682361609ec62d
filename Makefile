# Every target sets up what it needs by itself.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test test-all bench lint lint-page

setup: .venv/installed

.venv/run-installed: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/installed: .venv/run-installed $(wildcard requirements-*.txt)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: .venv/run-installed
	$(BIN)/python main.py --preset demo --phase train
	$(BIN)/python main.py --preset demo --phase test
	$(BIN)/python main.py --preset demo --phase evaluate --checkpoints all --metrics l1,cycle,cam

test: .venv/installed
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile

test-all: .venv/installed
	$(BIN)/python -m pytest

bench: .venv/run-installed
	$(BIN)/python -m benchmarks.step_time $(if $(BASE),--base "$(BASE)")
	$(BIN)/python -m benchmarks.input_pipeline

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The page's scripts; takes node, and a network the first time.
lint-page:
	npx --yes eslint@9 ugatit_tf/export/web/page
