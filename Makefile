# `make demo` and `make test` are all that a newcomer needs: Python ≥ 3.11 and make.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/pip install --quiet --disable-pip-version-check
WORKERS ?= 2

.PHONY: help demo test fast lint types types-scripts imports check clean

help:
	@echo "make demo    walk the whole loop on the embedded pictures (about 3 minutes after the installation)"
	@echo "make test    install what the tests need and run them all"
	@echo "make fast    the tests that take about a minute"
	@echo "make check   lint, types and the import contract"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Penchant needs Python 3.11 or newer; found " + sys.version.split()[0] + ". Say which one: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing Penchant and what it needs into $(VENV) …"
	$(PIP) -e . -c constraints.txt
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "installing what the tests need …"
	$(PIP) -e '.[test]' -c constraints.txt
	@touch $@

demo: $(VENV)/.installed
	@$(VENV)/bin/penchant demo

test: $(VENV)/.installed-test
	@sh tests/install_system_packages.sh
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n $(WORKERS)

fast: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n $(WORKERS) -m "not slow and not browser"

lint: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# Types of the studio's scripts; needs npm and its registry, so it is no part of `types`.
types-scripts:
	npx --yes --package typescript@5.9.3 tsc --checkJs --allowJs --noEmit --strict --target es2022 --module es2022 \
	  --moduleResolution bundler --lib es2023,dom,dom.iterable src/penchant/studio/static/*.js

types: $(VENV)/.installed-test
	$(VENV)/bin/pyright

imports: $(VENV)/.installed-test
	$(VENV)/bin/lint-imports --no-cache

check: lint types imports

clean:
	rm -rf $(VENV) build dist penchant-demo .pytest_cache .ruff_cache .hypothesis
