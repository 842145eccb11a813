# Two commands: `make run` starts the portal, `make test` proves it. Both set up all they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
LIGHT_PEERS := @stoplight/prism-cli@5.14.2 oidc-provider@9.13.3
TESTERS ?= $(shell echo $$(($$(nproc) + 1)))
HEAVY_PEERS := @vendure/core@3.7.3 @vendure/testing@3.7.3

.PHONY: run test both check bench fuzz fuzz-guided faults walk model canaries peers light-peers format clean
.DEFAULT_GOAL := run

run: $(VENV)/.runtime  ## set up, then start web, worker and demo supplier
	@exec $(BIN)/python app.py

test: $(VENV)/.dev  ## set up, then the tests on SQLite and on Postgres (tests/turns.py says which run on both)
	@tests/system_packages.sh
	@$(BIN)/python -m pytest -rs -n $(TESTERS) --dist worksteal

both: $(VENV)/.dev  ## every test on both databases
	@tests/system_packages.sh
	@AXE=all $(BIN)/python -m pytest -rs -n $(TESTERS) --dist worksteal --database both

check: $(VENV)/.dev  ## lint, format, types, templates, architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/djlint templates --lint --profile jinja --quiet
	@$(BIN)/python -m pytest tests/test_architecture.py

bench: $(VENV)/.dev  ## imports beside their peers, as ratios of one run; BENCH="--rows 1000000 --rounds 1" for the goals
	@$(MAKE) -s .venv-bench/.done || echo "The packages of some peers could not be installed."
	@$(BIN)/python -m tests.bench.bench $(BENCH)
	@$(BIN)/python -m tests.bench.pages
	@$(BIN)/python -m tests.bench.orders
	@$(BIN)/python -m tests.bench.linking
	@$(BIN)/python -m tests.bench.load
	@$(BIN)/python -m tests.bench.listings
	@$(BIN)/python -m tests.bench.products

fuzz: $(VENV)/.dev  ## 10,000 feeds made wrong, over every format
	@$(BIN)/python -m tests.fuzz.campaign

fuzz-guided: $(VENV)/.dev  ## ten minutes of feeds changed where that reaches new code
	@$(BIN)/python -m tests.fuzz.guided --minutes 10

faults: $(VENV)/.dev  ## 1,000 killed workers, and one at every failpoint; 500 that send orders, by each transport; a cluster; an upgrade; the tests kill 75
	@tests/system_packages.sh
	@KILLS=500 $(BIN)/python -m pytest -s --database both tests/faults tests/upgrade tests/connectors/test_sftp.py

walk:  ## an operator's walk in a clean folder: install, back up, destroy, restore, verify, timed; DATABASE_URL=... for Postgres
	@tests/operate/walk.sh

model: $(VENV)/.dev  ## 2,000 sequences of feeds and of a person's acts against a plain model; the tests run 8
	@tests/system_packages.sh
	@SEQUENCES=2000 $(BIN)/python -m pytest --timeout 0 --database both tests/inventory/test_model_two_feeds.py

canaries: $(VENV)/.dev  ## the whole suite, and no secret that a test planted or sealed may be left in a table, log or file
	@tests/system_packages.sh
	@$(BIN)/python -m pytest -rs -n $(TESTERS) --dist worksteal --canaries

peers: $(VENV)/.dev .peers/.done  ## our requests judged by others' servers, from their own packages (needs Node 20)
	@$(BIN)/python -m pytest -rs tests/peers

light-peers:  ## Prism and oidc-provider, fetched so that `make test` meets them too
	@tests/peers/light.sh $(LIGHT_PEERS)

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-bench .peers

.peers/.done:
	@npm install --prefix .peers --no-audit --no-fund --silent --ignore-scripts $(LIGHT_PEERS) $(HEAVY_PEERS)
	@touch $@

.venv-bench/.done: requirements-bench.lock
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements-bench.lock
	@touch $@

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock | $(BIN)/python
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(BIN)/python
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/.runtime
