# make serve   the page on http://localhost:7860
# make test    everything that is tested, on the real server, checkpoint and browser
# make quick   types, and the tests without servers, browsers, clusters and whole trainings: two minutes
# make lint    style, types and which package may import which
# make audit   known weaknesses of what serves
# make bench   speed, load and memory on this machine, into docs/benchmarks; DATA=FLICKR8K adds quality

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup

.PHONY: serve test quick lint audit bench browser proxy exiftool clean

serve: $(VENV)/serve
	$(BIN)/python app.py

test: $(VENV)/dev browser proxy exiftool
	$(PYTEST)

quick: $(VENV)/dev
	$(BIN)/mypy
	$(PYTEST) -m "not slow"

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/benchmarks
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA))

audit: $(VENV)/dev
	$(BIN)/pip-audit --requirement requirements.txt

# The tests drive the Chromium or Chrome that is installed; where there is none, Debian's or Playwright's is.
browser: $(VENV)/dev
	@$(BIN)/python -m tests.browser || (apt-get update -qq && apt-get install -qq -y chromium) \
	  || $(BIN)/python -m playwright install --with-deps chromium

# A test drives the service behind a real nginx.
proxy:
	@PATH="$$PATH:/usr/sbin" command -v nginx || (apt-get update -qq && apt-get install -qq -y nginx-light)

# Tests read with ExifTool what was written into photographs.
exiftool:
	@command -v exiftool || (apt-get update -qq && apt-get install -qq -y libimage-exiftool-perl)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/serve: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -r requirements.txt
	touch $@

$(VENV)/dev: requirements.txt $(wildcard requirements/*.txt) | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -r requirements/dev.txt
	touch $@

$(VENV)/benchmarks: requirements/benchmarks.txt $(VENV)/dev
	$(BIN)/python -m pip install -q -r requirements/benchmarks.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
