# Every verb sets up what it needs by itself: Python 3.11, make, git and a package registry are enough.
.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check gen bench chaos fmt

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROTO := $(wildcard proto/brokerapi/v1/*.proto)
TEST_WORKERS ?= auto
# Where a machine says to keep nothing compiled, each process would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

help: ## What each verb does
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  \1\t/' | expand -t 12

setup: $(READY) ## Make .venv with everything locked in uv.lock

$(READY): pyproject.toml uv.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.13,<0.14"
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --quiet --frozen --inexact
	@touch $@

demo: $(READY) ## Run the whole main job on embedded defaults, told as it goes
	@$(BIN)/brokergw demo

serve: $(READY) ## Serve on loopback with SQLite and the mock broker
	@$(BIN)/brokergw serve

# Workers take whole modules, in the order of tests/fixtures/order.py.
test: $(READY) ## Run every test, PostgreSQL included
	@$(BIN)/pytest -n $(TEST_WORKERS) --dist loadscope --no-loadscope-reorder

check: $(READY) ## Formatting, lint, types, layers, contract, generated code, architecture, dependencies
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy src tests bench
	@$(BIN)/lint-imports
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code proto
	@$(BIN)/python -m tests.architecture.generated_is_fresh
	@$(BIN)/python -m tests.architecture.supply
	@$(BIN)/pytest -q tests/architecture

gen: $(READY) ## Generate Python from proto/ into generated/
	@$(BIN)/buf format -w proto
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --python_out=generated --grpc_python_out=generated \
		--mypy_out=generated --mypy_grpc_out=quiet,only_async:generated $(PROTO)
	@touch generated/brokerapi/py.typed

bench: $(READY) ## Measure, beside bare peers in the same run
	@$(BIN)/python -m bench

chaos: $(READY) ## Crash gateways at every point of the order protocol, 3000 times; CHAOS="--seed 7" to choose
	@$(BIN)/python -m tests.chaos --trials 3000 $(CHAOS)

fmt: $(READY) ## Format the sources
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/buf format -w proto
