# Every target makes what it needs: a virtual environment of its own, with plain venv and pip.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-lowest test-browser screenshots check simulate coverage docs format bench bench-peers clean

demo: $(VENV)/demo.stamp
	$(BIN)/procactors demo $(ARGS)

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

# With the oldest versions that pyproject.toml allows; warnings of old libraries about each other are no errors then.
test-lowest:
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check $(LOWEST)
	$(VENV)-lowest/bin/python -m pytest -n auto --dist loadfile -W default tests/unit tests/contract $(ARGS)

LOWEST = $(shell sed -n '/^dependencies/p; /^cli = /,/^otel = /p' pyproject.toml | grep -o '"[^">]*>=[^";]*' | sed 's/"//; s/>=/==/')

# In a real Chromium, Debian's: /usr/bin/chromium, or what CHROMIUM says. Bounded, as a browser may hang.
test-browser: $(VENV)/browser.stamp
	timeout --kill-after=10 420 $(BIN)/python -m pytest tests/browser $(ARGS)

# Of each page, light and dark, wide and narrow, into build/screenshots; those that the documentation shows into docs/images.
screenshots: $(VENV)/browser.stamp
	timeout --kill-after=10 300 $(BIN)/python -m tests.browser.screenshots

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/lint-imports --config cycles.toml
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

# Whole managers with random processes, users and faults: SEEDS=10000 of them, or SEED=123 again, and told.
simulate: $(VENV)/test.stamp
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000))

# Branch coverage, and what may not be lowered: 100 % where all is decided, 95 % in the whole.
coverage: $(VENV)/dev.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --show-missing
	$(BIN)/coverage report --fail-under=100 --format=total --include='*/actors/*,*/model/*,*/deferred/*'
	$(BIN)/coverage report --fail-under=95 --format=total

# The site, into site/; --strict makes a broken link or a page that is in no menu a failure.
docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html; to search in it: python3 -m http.server --directory site"

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

bench: $(VENV)/bench.stamp
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-peers: $(VENV)/bench.stamp $(VENV)-dbos/peer.stamp $(VENV)-huey/peer.stamp
	$(BIN)/python benchmarks/peers.py $(ARGS)

clean:
	rm -rf .venv .venv-* build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)-%/peer.stamp:
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check $*
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: EXTRA = cli,web
$(VENV)/test.stamp: EXTRA = test
$(VENV)/dev.stamp: EXTRA = dev
$(VENV)/bench.stamp: EXTRA = bench
$(VENV)/browser.stamp: EXTRA = browser
$(VENV)/docs.stamp: EXTRA = docs
$(VENV)/%.stamp: pyproject.toml $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRA)]"
	touch $@
