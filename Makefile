# Needs make, Python 3.11 or newer, and pip (only where uv is missing). Everything else is installed into this
# directory: .venv has the dependencies exactly as uv.lock pins them, .uv has uv.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install demo serve test test-postgres browser judges clients postgres faketime check coverage lint bench soak clean

is_new_enough = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	$$python -c '$(is_new_enough)' 2>/dev/null && { echo $$python; break; }; done)
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
RUN := .venv/bin
ARGS ?=
WORKERS ?= 3
MINUTES ?= 10
SUDO ?= sudo
CLIENTS := tests/gateway/clients
POSTGRES := /usr/lib/postgresql/15/bin
NO_CLUSTER := /etc/postgresql-common/createcluster.d
BROWSERS := chromium chromium-browser google-chrome-stable google-chrome

# The environment of whoever calls must not lead uv to another place or another Python. And what is compiled is kept: without
# bytecode each start of a process, of which the tests have hundreds, takes seconds.
unexport VIRTUAL_ENV PYTHONHOME PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 1
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.synced  ## install what uv.lock pins into .venv

demo: .venv/.synced  ## run the whole main job on real image files; fails unless the books tie out
	$(RUN)/billing demo $(ARGS)

serve: .venv/.synced  ## start the service, with an embedded PostgreSQL unless DATABASE_URL is set
	$(RUN)/billing serve $(ARGS)

test: .venv/.synced  ## run the tests
	@$(MAKE) --no-print-directory browser SUDO='sudo -n' || echo 'the tests that need a browser are skipped'
	@$(MAKE) --no-print-directory judges SUDO='sudo -n' || echo 'the tests that need hledger are skipped'
	@$(MAKE) --no-print-directory faketime SUDO='sudo -n' || echo 'the tests that set clocks are skipped'
	$(RUN)/pytest -n $(WORKERS) --dist worksteal -q $(ARGS)

# Not again: what no statement is part of, and what is about the embedded server itself.
test-postgres: .venv/.synced postgres  ## run the tests of the store and the API on PostgreSQL 15, as an ordinary login
	BILLING_TEST_POSTGRES=$(POSTGRES) $(RUN)/pytest -n $(WORKERS) --dist worksteal -q tests/store tests/api $(ARGS) \
		$(patsubst %,--ignore=tests/%.py,store/test_zones api/test_access api/test_bad_input api/test_openapi api/test_queries) \
		-k 'not stopped_and_comes_back'

# What is there already is not touched. From `test` nobody is asked for a password.
apt_install = command -v apt-get >/dev/null || { echo 'no $(1), and no apt-get to install it with' >&2; exit 1; }; \
	if test "$$(id -u)" -eq 0; then root=; else root='$(SUDO)'; fi; \
	echo 'installing $(1)'; install="$$root env DEBIAN_FRONTEND=noninteractive apt-get -qq"; $(3)\
	$$install update && $$install install -y --no-install-recommends $(2) >/dev/null

browser:  ## install the Chromium that the tests look at the dashboard with
	@for browser in $(BROWSERS); do ! command -v $$browser >/dev/null || exit 0; done; \
	$(call apt_install,Chromium and a font,chromium fonts-dejavu-core)

# Its programs alone: Debian would make a cluster too, and start it.
postgres:  ## install the PostgreSQL 15 that test-postgres runs on, beside the embedded one
	@test ! -x $(POSTGRES)/postgres || exit 0; \
	$(call apt_install,PostgreSQL 15,postgresql-15,$$root mkdir -p $(NO_CLUSTER); \
	echo 'create_main_cluster = false' | $$root tee $(NO_CLUSTER)/no-main-cluster.conf >/dev/null;)

faketime:  ## install the library with which the tests set the clocks of a service and its PostgreSQL
	@for found in /usr/lib/*/faketime/libfaketime.so.1; do test ! -e $$found || exit 0; done; \
	$(call apt_install,libfaketime,libfaketime)

judges: .judges/focus/.installed  ## install hledger and FOCUS's validator, which judge what is exported
	@! command -v hledger >/dev/null || exit 0; $(call apt_install,hledger,hledger)

clients: $(CLIENTS)/node_modules/.package-lock.json $(CLIENTS)/.venv/.synced  ## install what customers call a gateway with: openai and the AI SDK for Node, litellm

$(CLIENTS)/node_modules/.package-lock.json: $(CLIENTS)/package-lock.json
	@command -v npm >/dev/null || { echo 'no npm to install openai and the AI SDK for Node with' >&2; exit 1; }
	npm ci --prefix $(CLIENTS) --no-audit --no-fund --loglevel error
	@touch $@

$(CLIENTS)/.venv/.synced: $(CLIENTS)/requirements.txt | $(filter .uv/bin/uv,$(UV))
	$(UV) venv --quiet --clear --python "$(PYTHON)" $(CLIENTS)/.venv
	$(UV) pip install --quiet --python $(CLIENTS)/.venv/bin/python --no-deps -r $<
	@touch $@

# The validator wants Python 3.12, and libraries older than ours: it has an environment of its own.
.judges/focus/.installed: tests/books/exports/focus-validator.txt | $(filter .uv/bin/uv,$(UV))
	@mkdir -p .judges && echo '*' > .judges/.gitignore && rm -rf .judges/*
	@for python in python3.12 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.12*/bin/python3.12; do \
		$$python -c '' 2>/dev/null || continue; \
		echo "installing FOCUS's validator"; \
		$(UV) venv --quiet --python "$$python" .judges/focus && \
		$(UV) pip install --quiet --python .judges/focus/bin/python --no-deps -r $< && touch $@ && exit 0; \
		exit 1; \
	done; echo "no Python 3.12: FOCUS's validator is left out"; mkdir -p .judges/focus && touch .judges/no-python3.12 $@

lint: .venv/.synced  ## style, types and the rooms' imports
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy --strict billing
	$(RUN)/mypy --strict -p ops.reference_gateway
	$(RUN)/lint-imports

coverage: .venv/.synced  ## every line and branch of the core is tested by the core's own tests
	$(RUN)/pytest tests/core -n $(WORKERS) -q --cov=billing.core --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

check: lint test coverage  ## lint and test

bench: .venv/.synced  ## measure
	$(RUN)/billing bench $(ARGS)

soak: .venv/.synced  ## break things for MINUTES, at random, while gateways work: nothing acknowledged may be lost
	$(RUN)/python -m tests.faults.soak --minutes $(MINUTES) $(ARGS)

clean:  ## remove what tools left behind; .venv and data stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage* htmlcov dist
	find billing migrations tests -type d -name __pycache__ -prune -exec rm -rf {} +

# The stamp lives and goes with the environment.
.venv/.synced: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	@$(if $(PYTHON),"$(PYTHON)" -c '$(is_new_enough)',false) || { \
		echo 'billing needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3.11' >&2; \
		exit 1; }
	@test -x .venv/bin/python || $(UV) venv --quiet --python "$(PYTHON)" .venv
	$(UV) sync --frozen
	@touch $@

# `--target` leaves the system's Python alone, so it is not refused where that is "externally managed"; nor does it
# need the venv module, which Debian packs separately. Any Python's pip will do: uv is a program of its own.
.uv/bin/uv:
	@mkdir -p .uv && echo '*' > .uv/.gitignore
	@for pip in "$(PYTHON) -m pip" "python3 -m pip" pip3 pip; do \
		$$pip --version >/dev/null 2>&1 || continue; \
		echo "installing uv into .uv"; \
		exec $$pip install --quiet --disable-pip-version-check --upgrade --target .uv 'uv>=0.13,<1'; \
	done; echo 'uv is missing, and so is pip to install it: install one of them' >&2; exit 1
