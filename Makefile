# make demo              fit, evaluate and report on real solar cells; DATA=folder for your own images
# make test              lint, types, import directions, all tests
# make results           measure the accuracy table again (about 15 minutes)

PYTHON ?= python3
BIN = .venv/bin
OUT = demo

.PHONY: demo test results
.DELETE_ON_ERROR:

# The lock pins everything; knowngood itself is installed in place, on top of it.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
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
	@echo "Open the report: $(abspath $(OUT))/report.html"

test: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

results: .venv/installed
	$(BIN)/python benchmarks/main_job.py
