# Needs Python >= 3.11 and make; everything else is installed in $(VENV).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two workers on two cores: threads of their own would only fight for them.
TEST_ENV := TF_NUM_INTRAOP_THREADS=1 OMP_NUM_THREADS=1 SCIPY_ARRAY_API=1

# Compiled when skrnn is installed: again when it changes.
KERNEL := $(wildcard skrnn/native/*.[ch])

.PHONY: help demo test test-lowest docs docs-test lint format clean

help:
	@echo "make demo    train on real text, beside a linear model"
	@echo "make test    run the tests"
	@echo "make test-lowest  run them on the lowest versions of what skrnn needs"
	@echo "make docs    build the site, docs/_build/html; the first time runs the examples"
	@echo "make docs-test  build it and look at it in Chromium"
	@echo "make lint    check style and format"
	@echo "make format  mend style and format"
	@echo "make clean   remove the environments, caches and build products"

demo: $(VENV)/.installed
	$(BIN)/python examples/quickstart.py

test: $(VENV)/.installed-test
	$(TEST_ENV) $(BIN)/python -m pytest -n 2

# The lowest versions that pyproject.toml admits. Without JAX, whose tests are then
# skipped: it wants a newer ml-dtypes than the lowest TensorFlow does.
LOWEST := "tensorflow==2.18.*" "keras==3.13.0" "scikit-learn==1.8.0" "numpy==2.0.*" \
	"scikeras==0.13.0"

test-lowest:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { \
		echo "The lowest TensorFlow needs Python 3.11 or 3.12:" \
			"make PYTHON=python3.12 test-lowest" >&2; \
		exit 1; }
	test -f $(VENV)-lowest/pyvenv.cfg || $(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --editable . $(LOWEST) \
		pytest pytest-xdist hypothesis pandas polars pyarrow matplotlib
	$(TEST_ENV) $(VENV)-lowest/bin/python -m pytest -n 2

# The examples run once; SPHINXOPTS="-D plot_gallery=0" leaves them out.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -b html -d docs/_build/doctrees $(SPHINXOPTS) \
		docs docs/_build/html

docs-test: docs $(VENV)/.installed-docs-test
	$(BIN)/python docs/check_site.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(KERNEL)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(KERNEL)

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	rm -rf docs/_build docs/auto_examples docs/generated examples/*.html
	rm -f skrnn/native/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What was compiled before would stay in place of what no longer compiles.
$(VENV)/.installed: pyproject.toml setup.py $(KERNEL) | $(VENV)/pyvenv.cfg
	rm -f skrnn/native/*.so
	$(BIN)/python -m pip install --editable .
	touch $@

$(VENV)/.installed-%: pyproject.toml setup.py $(KERNEL) | $(VENV)/pyvenv.cfg
	rm -f skrnn/native/*.so
	$(BIN)/python -m pip install --editable '.[$*]'
	touch $@

# A half-made environment would look finished to the next run.
$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "skrnn needs Python 3.11 or newer, and $(PYTHON) is not." \
			"Name another: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
