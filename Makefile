# Every target does its own set-up: a virtual environment in .venv, filled from constraints.txt. `make` alone lists the targets.

PYTHON ?=
ARGS ?=
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test slow lint format bench clean FORCE

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: PYTHON=<interpreter of .venv>, ARGS=<for satiety, pytest or the benchmarks>, WORKERS=<pytest processes>"

install: $(STAMP) ## Create .venv and install everything into it
	@echo "Everything is installed: source $(BIN)/activate"

demo: $(STAMP) ## Run the main job: recipe quickstart, from raw text to report
	@$(BIN)/satiety run quickstart $(ARGS)

test: lint ## Check style and types, then run the tests but for the slow ones
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not slow" $(ARGS)

slow: $(STAMP) ## Run the slow tests: servers, a browser, crashes at every call, whole trainings
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m slow $(ARGS)

lint: $(STAMP) ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(STAMP) ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP) ## Measure overhead, no-op time and throughput; prints a table and JSON
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove what tools left behind; results and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp holds the folder it was made in: scripts of a virtual environment do not survive being moved.
ifneq ($(shell test -x $(BIN)/python && cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): FORCE
endif

$(STAMP): pyproject.toml constraints.txt
	@rm -f $@
	@PYTHON="$(PYTHON)" sh scripts/venv.sh $(VENV)
	@echo "Installing into $(VENV): once, about 2.7 GB, some minutes."
	@$(BIN)/python -m pip install --no-input --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m pip check --disable-pip-version-check
	@printf '%s\n' "$(CURDIR)" > $@
