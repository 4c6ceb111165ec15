# Everything a fresh clone needs is Python 3.11 or newer and make:
#
#     make run     the tutorial's stack on http://localhost:8000, until Ctrl-C
#     make shift   while it runs: the canary from 1 % to 100 %            make shift STEPS='10 50'
#     make demo-release            a release from 1 % to 100 % in two minutes, with its page; with FAILING=3 one that is taken back
#     make test    the tests            make test ARGS='tests/wire -k chunk'
#     make lint    style, types, import rules
#     make bench   shifter beside other proxies
#     make clean   remove what these made
#
# All but the last create .venv once and refresh it when what is shipped changes.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
SHIPPED := setup.cfg setup.py pyproject.toml shifter/wire/_heads.pyx shifter/wire/_h2_heads.pyx shifter/wire/_characters.pxi
FOR_USE := .venv/installed
FOR_WORK := .venv/installed-dev
# One more than there are CPUs: much of what tests do is waiting.
WORKERS ?= $(shell echo $$(( $$(nproc) + 1 )))

.PHONY: run shift demo-release test lint bench clean

PLACE = $(if $(PORT),--port $(PORT)) $(if $(ADMIN_PORT),--admin-port $(ADMIN_PORT)) $(if $(DNS_PORT),--dns-port $(DNS_PORT)) $(if $(NETWORK),--network $(NETWORK))

run: $(FOR_USE)
	@$(BIN)/python -m demo.stack $(PLACE)

shift: $(FOR_USE)
	@$(BIN)/python -m demo.shift $(if $(PORT),--port $(PORT)) $(STEPS)

demo-release: $(FOR_USE)
	@$(BIN)/python -m demo.release $(PLACE) $(if $(FAILING),--failing $(FAILING))

test: $(FOR_WORK)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(FOR_WORK)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/towncrier build --draft --version next >/dev/null

bench: $(FOR_WORK)
	$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -f shifter/wire/_heads.c shifter/wire/_h2_heads.c shifter/wire/_*heads.*.so twisted/plugins/dropin.cache
	find shifter demo tests twisted -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "shifter needs Python 3.11 or newer: say make PYTHON=python3.11")'
	@echo "Creating .venv …"
	@$(PYTHON) -m venv .venv

$(FOR_USE): $(SHIPPED) | $(BIN)/python
	@echo "Installing shifter into .venv …"
	@$(PIP) install --editable .
	@touch $@

$(FOR_WORK): $(SHIPPED) | $(BIN)/python
	@echo "Installing shifter and its tools into .venv …"
	@$(PIP) install --editable '.[dev]'
	@touch $@ $(FOR_USE)
