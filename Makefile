# Everything runs inside .venv, which the first target that needs it creates.
# Another interpreter: make setup PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
# A process for each core. Files stay whole: what a module sets up is set up once.
PYTEST := -m pytest --numprocesses auto --dist loadfile
BIN := $(VENV)/bin
OLDEST_VENV ?= .venv-oldest

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.installed-all ## make .venv and install sketchlearn with every extra

.PHONY: demo
demo: $(VENV)/.installed-demo ## MNIST from the sketches of ten parts: a table; figure and files in build/
	@$(BIN)/python -m docs.examples.plot_mnist_clusters $(DEMO_ARGS)

.PHONY: demo-speakers
demo-speakers: $(VENV)/.installed-demo ## verify speakers, background from a sketch; needs the AN4 corpus
	@$(BIN)/python -m docs.examples.plot_speaker_verification $(DEMO_ARGS)

.PHONY: docs
docs: $(VENV)/.installed-docs ## build the site into build/site: warnings and broken links are errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/site
	$(BIN)/python -m docs.site_links build/site

.PHONY: test
test: $(VENV)/.installed-test ## run the tests and the doctests
	$(BIN)/python $(PYTEST) $(PYTEST_ARGS)

.PHONY: test-quick
test-quick: $(VENV)/.installed-test ## run the tests that take a moment: a minute in all
	$(BIN)/python $(PYTEST) tests -m "not slow and not quality" $(PYTEST_ARGS)

.PHONY: coverage
coverage: $(VENV)/.installed-dev ## run what `test` runs, and measure which branches it takes
	$(BIN)/python $(PYTEST) --cov $(PYTEST_ARGS)

.PHONY: check
check: lint types coverage ## run every gate: ruff, mypy, architecture, tests, doctests, coverage

.PHONY: lint
lint: $(VENV)/.installed-dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.installed-dev ## mypy
	$(BIN)/mypy

.PHONY: format
format: $(VENV)/.installed-dev ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/.installed-bench ## run the benchmarks of docs/benchmarks (hours; interrupted, they go on)
	@set -e; for script in docs/benchmarks/[a-z]*.py; do \
	  module=$$(echo "$${script%.py}" | tr / .); \
	  echo "== $$module"; $(BIN)/python -m "$$module"; \
	done

.PHONY: test-oldest
test-oldest: ## run the tests on the oldest dependencies that pyproject.toml allows
	$(MAKE) VENV=$(OLDEST_VENV) EXTRA_PIP="-c build/oldest.txt" build/oldest.txt test

.PHONY: dist
dist: $(VENV)/.installed-dev ## build wheel and sdist into dist/, and try each in a bare environment
	rm -rf dist build/bare
	@mkdir -p build
	$(BIN)/python -m build --outdir dist . >build/dist.log || { cat build/dist.log; exit 1; }
	$(BIN)/python -m twine check --strict dist/*
	@version=$$($(BIN)/python -c 'import sketchlearn; print(sketchlearn.__version__)'); set -e; \
	for archive in dist/*; do \
	  echo "== $$archive in an environment of its own"; \
	  $(MAKE) --no-print-directory VENV=build/bare build/bare/bin/python; \
	  build/bare/bin/python -m pip install --quiet "$$archive"; \
	  (cd build/bare && bin/python -I -W error ../../.ci/try_installed.py ../../README.md "$$version"); \
	  rm -rf build/bare; \
	done

.PHONY: clean
clean: ## remove environments, caches and figures
	rm -rf $(VENV) $(OLDEST_VENV) build dist
	rm -rf .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is fetched by the interpreter's own pip where Python comes without ensurepip.
$(BIN)/python:
	@echo "making $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	  $(PYTHON) -m pip --python $(VENV) install --quiet pip; }

$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "installing sketchlearn[$*] into $(VENV)"
	@$(BIN)/python -m pip install --quiet $(EXTRA_PIP) --editable ".[$*]"
	@touch $@

# ">=" becomes "==": the lower bounds themselves, as constraints.
build/oldest.txt: pyproject.toml
	@mkdir -p build
	sed -n 's/^ *"\([a-z0-9-]*\)>=\([0-9.]*\)",$$/\1==\2/p' pyproject.toml | sort -u > $@
