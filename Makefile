# Every target sets up what it needs by itself.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test test-numerics test-all bench lint lint-page

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

# The numbers as other processors compute them. Each setting was seen to change them: NumPy's and OpenBLAS's loops and
# oneDNN's kernel gradients without AVX-512; OpenBLAS without AVX, and all convolutions without oneDNN; sums on one core.
# NumPy only warns of features that a processor lacks.
NUMERICS := tests/ops tests/networks tests/training tests/test_parity.py tests/test_pytorch_parity.py \
	tests/evaluation/test_distances.py tests/evaluation/test_features.py tests/data/test_crops.py tests/data/test_heatmap.py \
	tests/data/test_images.py tests/inference tests/test_inference.py
PYTEST_NUMERICS := $(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile $(NUMERICS)

test-numerics: .venv/installed
	OPENBLAS_CORETYPE=Haswell ONEDNN_MAX_CPU_ISA=AVX2 NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL AVX512_SPR" $(PYTEST_NUMERICS)
	OPENBLAS_CORETYPE=Nehalem TF_ENABLE_ONEDNN_OPTS=0 $(PYTEST_NUMERICS)
	taskset -c 0 $(PYTEST_NUMERICS)

test-all: .venv/installed
	$(BIN)/python -m pytest

bench: .venv/run-installed
	$(BIN)/python -m benchmarks.step_time $(if $(BASE),--base "$(BASE)")
	$(BIN)/python -m benchmarks.input_pipeline

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The pages' scripts; takes node, and a network the first time.
lint-page:
	npx --yes eslint@9 ugatit_tf/export/web/page ugatit_tf/reports/templates
