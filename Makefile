# The habits. On a machine with Rust and Python 3.9 or later each target sets up
# what it needs; Python environments live under .venv/.

PYTHON ?= python3
CARGO ?= cargo
SAMPLE_ROWS ?= 1000000
SAMPLE := target/sample/sample-$(SAMPLE_ROWS).parquet
ROLLSHARE := target/release/rollshare

.DEFAULT_GOAL := help
.PHONY: help run build test test-all test-rust test-report test-s3 lint bench bench-peers bench-checks bench-gx bench-s3 test-faults \
  picture fuzz miri s3-server clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## The program, at target/release/rollshare
	$(CARGO) build --release

run: build $(SAMPLE) ## Build, make a sample export, run the job on it, show the table
	$(ROLLSHARE) run --source $(SAMPLE) --explain

# Made anew for each size only: the sample is the same for ever.
$(SAMPLE): | build
	@mkdir -p $(@D)
	$(ROLLSHARE) sample --rows $(SAMPLE_ROWS) --out $@

# Python brings test-python, where the package is there.
-include python/python.mk
# Spark brings test-spark and bench-spark.
-include tests/spark/spark.mk
# test-writers: files of real writers.
-include tests/writers/writers.mk
# deploy, submit, destroy, and the tests of the cloud part.
-include terraform/terraform.mk

# moto, an S3 API server for tests/s3.
S3_SERVER := .venv/s3/.ready
$(S3_SERVER): tests/s3/requirements.txt
	$(PYTHON) -m venv .venv/s3
	.venv/s3/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

s3-server: $(S3_SERVER) ## The S3 API server that test-s3 runs against

test-s3: $(S3_SERVER) ## S3 against moto (pip installs it), with faults in front of it
	$(CARGO) test --test s3 -- --ignored --skip _child

test: test-rust test-s3 test-report $(if $(wildcard python/python.mk),test-python test-gx) ## Set up and run every test

test-all: test test-spark test-writers-slice test-terraform test-airflow ## The same, and other writers, Spark, Terraform and Airflow (Java 17, terraform)

test-rust:
	$(CARGO) test
	@if [ -n "$$ROLLSHARE_REAL_EXPORT" ]; then $(CARGO) test --test real_export --test checks --test compare -- --ignored; \
	else echo 'NOT RUN: the real export; set ROLLSHARE_REAL_EXPORT to the folder that holds it and its answers'; fi

test-report: build ## The page of a run in a headless Chromium
	scripts/test_report.sh .venv/browser

lint: $(if $(wildcard python/python.mk),lint-python) ## Formatting, clippy, documentation, ruff, mypy; licences and advisories if cargo-deny is installed
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' $(CARGO) doc --no-deps
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check; \
	else echo 'NOT RUN: cargo-deny is not installed (cargo install cargo-deny)'; fi

bench: ## Criterion; ROLLSHARE_BENCH_ROWS=20000000 for the full size
	$(CARGO) bench

# The other engines, in an environment of their own.
PEERS := .venv/peers/.ready
$(PEERS): benches/peers/requirements.txt
	$(PYTHON) -m venv .venv/peers
	.venv/peers/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench-peers: $(PEERS) ## Every engine on the same files; ARGS='--rows 1000000 --previous COMMIT'
	$(CARGO) build --release --example rollshare_time
	.venv/peers/bin/python benches/peers/run.py $(ARGS)

# Great Expectations, in an environment of its own.
GX := .venv/gx/.ready
$(GX): benches/checks/requirements.txt
	$(PYTHON) -m venv .venv/gx
	.venv/gx/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench-checks: build $(SAMPLE) ## What the checks on rows cost, in parts of the bare job
	$(CARGO) run --release --example checks_time -- $(SAMPLE)

bench-gx: build $(SAMPLE) $(GX) ## The same checks by Great Expectations; SAMPLE_ROWS=20000000 for the full size (minutes)
	.venv/gx/bin/python benches/checks/gx.py $(ROLLSHARE) $(SAMPLE)

test-faults: ## All pairs of faults, and more kinds in a million rows; minutes
	ROLLSHARE_FAULTS=all $(CARGO) test --lib -- checks::raw

bench-s3: ## Reading from S3 against plain GETs; ARGS=25 for answers after 25 ms
	$(CARGO) bench --bench s3 -- $(ARGS)

picture: build ## docs/share.svg, drawn from a sample
	@mkdir -p target/sample
	$(ROLLSHARE) sample --rows 9330 --out target/sample/picture.parquet
	$(ROLLSHARE) run --source target/sample/picture.parquet --details --target - --quiet \
	  | $(PYTHON) docs/picture.py > docs/share.svg

fuzz: ## Any bytes through the scan, for a minute (cargo-fuzz, nightly)
	$(CARGO) +nightly fuzz run scan -- -max_total_time=60

miri: ## The unsafe kernels' unit tests under Miri (nightly), portable paths
	MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=4 $(CARGO) +nightly miri test --lib kernel::

clean: ## Everything that was built or set up
	rm -rf target .venv
