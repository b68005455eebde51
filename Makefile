# `make demo` and `make test` do all the set-up themselves; they need Python 3.11 to 3.13 with venv, and make.
PYTHON ?= python3
VENV ?= .venv
MILVUS_VENV ?= .venv-milvus
TESTS_AT_ONCE ?= 2
STATIC := recnews/service/pages/static
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo browser test test-scale servers lint format types layers check rehearse bench bench-quick bench-similarity bench-feeds screenshots vendor clean help

help:  ## Say what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

demo: $(VENV)/.demo-installed  ## Real Chinese articles from ingest to an explained feed, in ./demo-home
	$(BIN)/recnews demo

browser:  ## Chromium for the tests of the pages, from Debian's packages where they can be installed
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium fonts-noto-cjk; \
	} || echo "There is no Chromium and it cannot be installed here: the tests in a browser will be skipped." >&2

test: $(VENV)/.dev-installed browser  ## All tests, with branch coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(TESTS_AT_ONCE) --dist worksteal
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

servers:  ## PostgreSQL's programs for `make test-scale`, from Debian's packages
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql; \
	} || { echo "There is no PostgreSQL, and it cannot be installed here: apt-get install postgresql" >&2; exit 1; }

test-scale: $(VENV)/.scale-installed $(MILVUS_VENV)/.installed servers  ## What needs servers: they are started on loopback ports, and stopped
	$(BIN)/python -m pytest --scale -n $(TESTS_AT_ONCE) --durations=10

lint: $(VENV)/.dev-installed  ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev-installed  ## Bring the code into style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev-installed  ## mypy --strict over package and tests
	$(BIN)/mypy

layers: $(VENV)/.dev-installed  ## Who may import whom
	$(BIN)/lint-imports

check: lint types layers test  ## Everything but the demo

rehearse: $(VENV)/.deploy-installed  ## Lint Dockerfile, compose file and systemd unit, and try them without an engine; a minute
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(BIN)/python deploy/rehearse.py

bench: $(VENV)/.bench-installed  ## Everything, beside its peers, in one table; hours. Needs ../shared/data, else says so
	$(BIN)/python benchmarks

bench-quick: $(VENV)/.bench-installed  ## The same with 20,000 articles only; some ten minutes
	$(BIN)/python benchmarks --quick

bench-similarity: $(VENV)/.dev-installed  ## How well texts are told apart, beside plain methods; takes many minutes
	$(BIN)/python benchmarks/similarity.py

bench-feeds: $(VENV)/.dev-installed  ## Whether readers find what they go on to read, beside plain methods; many minutes
	$(BIN)/python benchmarks/feeds.py

screenshots: demo-home $(VENV)/.dev-installed browser  ## The pictures of docs/pictures/, from the demo's home
	$(BIN)/python docs/screenshots.py

demo-home:
	$(MAKE) demo

vendor:  ## The library that draws charts, as npm publishes it, into the pages; nothing else here needs npm
	cd vendor && npm ci --ignore-scripts --no-audit --no-fund
	cp vendor/node_modules/uplot/dist/uPlot.iife.min.js vendor/node_modules/uplot/dist/uPlot.min.css $(STATIC)
	cp vendor/node_modules/uplot/LICENSE $(STATIC)/uPlot.LICENSE.txt
	rm -r vendor/node_modules
	cd $(STATIC) && sha256sum --check $(CURDIR)/vendor/SHA256SUMS

clean:  ## Remove the virtual environment and what tools leave behind
	rm -rf $(VENV) $(MILVUS_VENV) demo-home .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "recnews needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }

$(VENV)/.demo-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

# A server of Milvus from PyPI, 300 MB; it pins old versions of what recnews needs, so it lives by itself.
$(MILVUS_VENV)/.installed: | $(VENV)/bin/python
	@$(PYTHON) -m venv $(MILVUS_VENV)
	$(MILVUS_VENV)/bin/python -m pip --disable-pip-version-check -q install milvus==2.3.5
	@touch $@

$(VENV)/.scale-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[scale]'
	@touch $@

$(VENV)/.deploy-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[deploy]'
	@touch $@

$(VENV)/.bench-installed: benchmarks/requirements.txt $(VENV)/.dev-installed
	$(PIP) install -c constraints.txt -r $<
	@touch $@
