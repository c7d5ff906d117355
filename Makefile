# asyncmta. `make serve` and `make test` do all the set-up; Python 3.11 or newer is all they need beforehand.
#
#   make serve        run the relay in the foreground with config.toml
#   make test         lint, types, and the whole test suite
#   make lint         ruff and mypy
#   make test-tools   what the tests need beside Python (Debian and Ubuntu; the rest is skipped elsewhere)
#   make receivers    10,000 odd messages through us to each of Postfix, Exim, OpenSMTPD and Dovecot (ten minutes; root)
#   make crash        kills, failing disks and power cuts, at length (an hour; root); writes docs/reliability.md
#   make fuzz         look for input that breaks something, with Atheris (a minute for each target; Python 3.11 to 3.13)
#   make bench        measure beside Postfix, Exim, OpenSMTPD and Haraka; the tables are written into benchmarks/README.md
#   make bench-NAME   one of them: accept relay mx late late-mx local list latency backlog held hostile hostile-peers
#                     dead idle sessions scale profile (BENCH=--smoke and other options)
#   make bench-peers  Haraka for them, by npm, under .tools
#   make docs         write what is made in docs/: tables of files, variables, faults, metrics, paths, commands, reloads
#   make screenshots  write the pictures of the web pages into docs/web
#   make lock         write requirements*.txt anew from pyproject.toml (needs uv)
#   make clean        remove what make made, but not var/ (your mail)

PYTHON ?= python3
WORKERS ?= 2
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= session address journal

BIN := .venv/bin
VENV := .venv/.installed
ATHERIS := .venv/.atheris
BENCHED := .venv/.benched
PYTEST = $(BIN)/python -m pytest -q
COVERAGE = $(BIN)/python -m coverage
COVERAGE_FILES := --rcfile=.ci/coverage.toml

# Which tests ask for the branches of the pure files; the others start processes or whole Mtas.
PURE_TESTS := tests/unit tests/property tests/dialogs tests/golden tests/bad_configs tests/test_architecture.py
WHOLE_TESTS := $(filter-out $(PURE_TESTS) tests/peers tests/conftest.py tests/__pycache__,$(wildcard tests/*))

# Which file a `make bench-NAME` is, where it is not a workload of benchmarks/run.py.
BENCH ?=
BENCH_FILES := list=mailing latency=latency backlog=queued held=held hostile=hostile hostile-peers=hostile_peers dead=dead idle=idle sessions=sessions profile=budget
BENCH_FILE = $(patsubst $*=%,%,$(filter $*=%,$(BENCH_FILES)))

.PHONY: serve test lint test-tools crash fuzz receivers bench bench-peers docs screenshots lock clean

serve: $(VENV)
	@exec $(BIN)/asyncmta serve -c config.toml

# The virtual environment, of exactly the pinned files; made again when it is older than what it was made of. The last
# line because pip keeps to itself what hatch_build.py says.
$(VENV): pyproject.toml requirements-dev.txt hatch_build.py asyncmta/system/_appending.c
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..."; exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || { rm -rf .venv; $(PYTHON) -m venv .venv; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'import asyncmta.system._appending' 2>/dev/null || echo "asyncmta/system/_appending.c is not compiled here (docs/container.md); it works without, at more CPU"
	@touch $@

lint: $(VENV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: test-tools $(VENV) lint # in this order: gcc is among the tools
	rm -f .coverage .coverage.*
	$(COVERAGE) run $(COVERAGE_FILES) -m pytest -q -n $(WORKERS) $(PURE_TESTS)
	@$(COVERAGE) combine -q $(COVERAGE_FILES)
	$(COVERAGE) report $(COVERAGE_FILES) --include="$$($(BIN)/python .ci/pure.py)"
	$(PYTEST) -n $(WORKERS) --dist loadfile $(WHOLE_TESTS)
	$(PYTEST) -rs -n $(WORKERS) tests/peers
	@if $(MAKE) --no-print-directory $(ATHERIS); then bash .ci/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS); else echo "fuzz: Atheris does not install here; left out"; fi

test-tools:
	@bash .ci/test-tools

receivers: $(VENV) test-tools
	PEERS_LONG=1 $(PYTEST) tests/peers/test_receivers.py

crash: $(VENV) test-tools
	$(BIN)/python -m tests.crash.lab --write

$(ATHERIS): $(VENV) requirements-fuzz.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-fuzz.txt
	@touch $@

fuzz: $(ATHERIS)
	@bash .ci/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

bench: bench-accept bench-relay bench-mx bench-late bench-late-mx bench-local bench-list bench-latency bench-backlog bench-held bench-dead

bench-peers:
	npm install --prefix .tools/haraka --no-audit --no-fund --omit=optional Haraka@3.3.4

bench-held: $(VENV) test-tools
	$(BIN)/python benchmarks/held.py $(BENCH)
	$(BIN)/python benchmarks/held.py --mode mx $(BENCH)

bench-scale: $(VENV) $(BENCHED)
	$(BIN)/python benchmarks/scale.py queue $(BENCH)
	$(BIN)/python benchmarks/scale.py destinations $(BENCH)

# What draws the pictures of bench-scale.
$(BENCHED): requirements-bench.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@touch $@

bench-%: $(VENV) test-tools
	$(BIN)/python benchmarks/$(if $(BENCH_FILE),$(BENCH_FILE).py,run.py $*) $(BENCH)

docs: $(VENV)
	$(BIN)/python .ci/file_table.py
	$(BIN)/python .ci/environment_table.py
	$(BIN)/python .ci/fault_page.py
	$(BIN)/python .ci/metrics_table.py
	$(BIN)/python .ci/api_page.py
	$(BIN)/python .ci/cli_page.py
	$(BIN)/python .ci/reload_table.py

screenshots: $(VENV) test-tools
	SCREENSHOTS=docs/web $(PYTEST) tests/peers -k screenshots

lock:
	uv pip compile -q pyproject.toml --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal -o requirements.txt
	uv pip compile -q pyproject.toml --group dev --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal -o requirements-dev.txt
	uv pip compile -q --group bench -c requirements-dev.txt --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --universal -o requirements-bench.txt
	uv pip compile -q pyproject.toml --extra otel -c requirements-dev.txt --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal -o requirements-otel.txt
	uv pip compile -q --group build -c requirements-dev.txt --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --universal -o requirements-build.txt

clean:
	rm -rf .venv .tools .fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* dist
