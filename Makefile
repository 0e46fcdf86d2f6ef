# Everything a person needs: `make demo`, `make test`. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
SOURCES := src tests tools examples

.PHONY: demo test test-browser check format docs measure bench tables families reference gallery clean

demo: $(VENV)/.demo  ## train a network with and without a transformer, and make a page of it (2 minutes)
	$(BIN)/stn train --data digits --distortion RTS --compare cnn,st-cnn --name demo --overwrite \
		--steps 1200 --batch-size 128 --filters 24 --label-smoothing 0.1 --localiser-lr-scale 2

# Each process begins with one half of the tests, in their order, so a kernel is seldom compiled and a network seldom
# trained by both; who has finished takes over some of the other's.
test: $(VENV)/.dev  ## all tests but the browser's, in two processes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses 2 --dist worksteal

test-browser: $(VENV)/.dev  ## open a report in a headless Chromium, which must be installed
	$(BIN)/python -m pytest -q -m browser tests

check: $(VENV)/.dev  ## format, lint, types
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

format: $(VENV)/.dev  ## mend what can be mended by itself
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

docs: $(VENV)/.dev  ## the documentation as a site in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

measure: $(VENV)/.dev  ## run what the README tells of the demo (5 minutes), then write its tables
	$(BIN)/python tools/measure.py

bench: $(VENV)/.dev  ## measure times and memory (half an hour; let nothing else run), then write the pages
	$(BIN)/stn bench --output results/benchmarks/cpu.json
	$(BIN)/python tools/benchmarks.py

tables: $(VENV)/.dev  ## write the README's tables, docs/benchmarks.md, docs/scaling.md and docs/pose.md from results/
	$(BIN)/python tools/tables.py
	$(BIN)/python tools/benchmarks.py
	$(BIN)/python tools/pose.py

families: $(VENV)/.dev  ## write the table in docs/families.md from its tests
	$(BIN)/python tools/families.py

reference: $(VENV)/.dev  ## write docs/reference.md from the docstrings
	$(BIN)/python tools/reference.py

gallery: $(VENV)/.dev  ## draw the pictures of docs/gallery.md
	$(BIN)/python tools/gallery.py

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) --editable '.[demo]'
	touch $@

$(VENV)/.dev: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	touch $@
