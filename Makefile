# Every target bootstraps itself: Python 3.11+ (with pip and venv) is all a fresh machine needs.
# PYTHON=python3.13 make test   picks another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ONLY ?=

.DEFAULT_GOAL := help
.PHONY: help demo demo-vision up test check bench soak docs format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml inference/pyproject.toml constraints.txt scripts/bootstrap
	@scripts/bootstrap "$(PYTHON)" "$(VENV)"

demo: $(READY) ## train, deploy, invoke, canary and price a model, then stop (under three minutes)
	@$(BIN)/python examples/demo.py

demo-vision: $(READY) ## a picture in, a picture with boxes out: the inference server as a function
	@$(BIN)/python examples/demo_vision.py

up: $(READY) ## run the platform in the foreground on http://127.0.0.1:9000
	@$(BIN)/lambent up

test: $(READY) ## every test (under 15 minutes on two cores)
	@$(BIN)/pytest -n 2 --dist loadgroup

check: $(READY) ## format, lint, types, floor plan and the fast tests (about two minutes)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pytest -n 2 --dist loadgroup -q -m "not slow"

format: $(READY) ## format and fix what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## measure against the peers; ONLY=name runs one; writes benchmarks/results.json
	@$(BIN)/python benchmarks/run.py $(if $(ONLY),--only $(ONLY))

soak: $(READY) ## fuzz and long runs (SECONDS_EACH=60 by default)
	@$(BIN)/python scripts/soak.py

docs: $(READY) ## write the generated pages of docs/ and build the site, offline, into site/
	@$(BIN)/python scripts/generate_docs.py
	@$(BIN)/mkdocs build --quiet --strict

clean: ## remove what the targets made here (deployed functions live in the data directory, not here)
	@rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis benchmarks/.work dist build site
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
