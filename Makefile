# Everything here runs in .venv, which the first target that needs it makes from constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: test test-programs test-loaders test-slow check docs site format demo bench bench-quick bench-core bench-convolution acceptance clean

# The quick tests and the examples in the docstrings, in a process for each core.
test: $(READY)
	$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal --durations 40 -m "not browser and not graphviz and not loaders and not slow" --doctest-modules src tests

# What takes long, and every property again, on many examples.
test-slow: $(READY)
	$(BIN)/pytest -n auto --maxprocesses 4 -m "slow or hypothesis" --hypothesis-profile many tests

# What needs programs that pip does not bring: pages in Chromium and pictures by Graphviz's dot, as `apt-get install chromium
# graphviz` brings them. Installs what drives Chromium.
test-programs: site
	$(BIN)/python -m pip install -qq --no-input --disable-pip-version-check -c constraints.txt -e ".[browser]"
	$(BIN)/pytest -m "browser or graphviz" tests

# Data and modules of other libraries: PyTorch, TensorFlow, Flax, Hugging Face datasets and grain, which this installs, too.
test-loaders: $(READY)
	$(BIN)/python -m pip install -qq --no-input --disable-pip-version-check -c constraints.txt -e ".[loaders]"
	$(BIN)/pytest -m loaders tests

# Layout, lint and types: all three speak before any of them fails the target.
check: $(READY)
	@status=0; \
	$(BIN)/ruff format --check . || status=1; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/mypy || status=1; \
	exit $$status

# The documentation, in build/docs: pastes what the code of its pages prints into them, then builds the site.
docs: $(READY)
	$(BIN)/python docs/blocks.py README.md docs/*.md
	$(MAKE) site
	@echo "Open build/docs/index.html"

# The site from the pages as they are.
site: $(READY)
	$(BIN)/python -m pip install -qq --no-input --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/python -m sphinx -q -W --keep-going docs build/docs

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

demo: $(READY)
	$(BIN)/lamina demo

# Lamina beside its peers: each has its own environment in benchmarks/scratch, made when it is first needed.
bench: $(READY)
	$(BIN)/python benchmarks/run.py

bench-quick: $(READY)
	$(BIN)/python benchmarks/run.py --quick

bench-core: $(READY)
	$(BIN)/python benchmarks/core.py

# Which way of computing a convolution on the CPU is fastest, by shape.
bench-convolution: $(READY)
	$(BIN)/python benchmarks/convolution.py

# The checks that stand beside the project.
acceptance: $(READY)
	.ci/run acceptance

clean:
	rm -rf .venv build dist docs/reference src/*.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache benchmarks/scratch
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@echo "Making .venv with the versions in constraints.txt; this takes a minute or two."
	@rm -f $@
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lamina needs Python 3.11 or newer: make PYTHON=python3.12")'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -qq --no-input --disable-pip-version-check -c constraints.txt -e ".[demo,dev]"
	@touch $@
