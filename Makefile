# On a machine with Rust, Python 3.9 or later and a C compiler each target sets up what it needs. Python environments
# are under .venv/.

PYTHON ?= python3
comma := ,
CARGO ?= cargo
SAMPLE_ROWS ?= 1000000
SAMPLE := target/sample/sample-$(SAMPLE_ROWS).parquet
ROLLSHARE := target/release/rollshare
# The light program: no S3, no link-time optimisation. `make run`, `make picture` and the tests use it; whatever is
# measured uses the release program.
LIGHT := target/light/rollshare

.DEFAULT_GOAL := help
.PHONY: help run build light archive audit campaign test test-more test-all test-rust test-report looks test-s3 test-archive lint bench bench-peers bench-checks bench-gx bench-s3 test-faults test-sensitivity \
  picture fuzz miri test-arm s3-server clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program with everything, target/release/rollshare (minutes)
	$(CARGO) build --release

light: ## Build the program without S3 and link-time optimisation, target/light/rollshare
	$(CARGO) build --profile light --no-default-features --features cli --bin rollshare

# Made once for each size, by the program given: the sample is deterministic.
make_sample = @test -f $(SAMPLE) || { mkdir -p $(dir $(SAMPLE)) && $(1) sample --rows $(SAMPLE_ROWS) --out $(SAMPLE); }

run: light ## Build the light program, generate a sample export, run the job on it, show the table
	$(call make_sample,$(LIGHT))
	$(LIGHT) run --source $(SAMPLE) --explain

archive: ## Build the program with its licences as an archive, and its symbols, in dist/
	$(CARGO) build --profile dist
	$(PYTHON) scripts/licenses.py
	$(PYTHON) scripts/release.py archive target/dist/rollshare dist
	$(PYTHON) scripts/release.py check dist

# Targets of the Python package, if it is there.
-include python/python.mk
# test-spark and bench-spark.
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

s3-server: $(S3_SERVER) ## Install the S3 API server that test-s3 uses

test-s3: $(S3_SERVER) ## Test S3 against moto (installed by pip), with faults in front of it, from Rust and from Python
	$(CARGO) test --test s3
	$(CARGO) test --test s3 -- --ignored --skip _child
	$(if $(wildcard python/python.mk),$(MAKE) test-python PYTHON_FEATURES=python$(comma)s3 PYTHON_TESTS=tests/python/test_s3.py)

# What a change needs first: no S3, no browser, no Spark, and one set of dependencies, those of `cargo test`.
# TEST_FEATURES= (none) PYTHON_FEATURES=python,s3 build S3 too, as the other tests do.
TEST_FEATURES ?= --no-default-features --features cli

test: test-rust $(if $(wildcard python/python.mk),test-python) ## Set up and run the tests of the program and the Python package

test-more: test-s3 test-archive test-report $(if $(wildcard python/python.mk),test-gx) ## Test S3, the archive, the report page in a browser, the suite for Great Expectations

test-all: test test-more test-spark test-writers-slice test-terraform test-airflow ## All tests: also other writers, Spark, Terraform, Airflow (Java 17, terraform)

test-rust: ## Test the Rust crate
	$(CARGO) test $(TEST_FEATURES)
	@if [ -n "$$ROLLSHARE_REAL_EXPORT" ]; then $(CARGO) test $(TEST_FEATURES) --test real_export --test checks --test compare -- --ignored; \
	else echo 'NOT RUN: the real export; set ROLLSHARE_REAL_EXPORT to the folder that holds it and its answers'; fi

test-report: light ## Test the report page in a headless Chromium
	ROLLSHARE_PROGRAM=$(abspath $(LIGHT)) scripts/test_report.sh .venv/browser

looks: light ## Draw the reference screenshots of the report page again, tests/browser/looks/
	ROLLSHARE_LOOKS=draw ROLLSHARE_PROGRAM=$(abspath $(LIGHT)) scripts/test_report.sh .venv/browser -k references

# With the program of the tests: the archive is opened, not measured.
test-archive: ## Test that an archive holds the program, its licences and its symbols
	rm -rf target/archive
	$(CARGO) test --no-run --test program
	$(PYTHON) scripts/licenses.py
	$(PYTHON) scripts/release.py archive target/debug/rollshare target/archive
	$(PYTHON) scripts/release.py check target/archive

audit: ## Check licences, origins and known advisories of all crates (cargo-deny)
	scripts/audit.sh .venv/audit

lint: audit $(if $(wildcard python/python.mk),lint-python) ## Check formatting, clippy, documentation, ruff, mypy; audit
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' $(CARGO) doc --no-deps

bench: ## Run the criterion benchmarks; ROLLSHARE_BENCH_ROWS=20000000 for the full size
	$(CARGO) bench

# The other engines, in a separate environment.
PEERS := .venv/peers/.ready
$(PEERS): benches/peers/requirements.txt
	$(PYTHON) -m venv .venv/peers
	.venv/peers/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench-peers: $(PEERS) ## Benchmark every engine on the same files; ARGS='--rows 1000000 --previous COMMIT'
	$(CARGO) build --release --bin rollshare --example rollshare_time
	.venv/peers/bin/python benches/peers/run.py $(ARGS)

# Great Expectations, in a separate environment.
GX := .venv/gx/.ready
$(GX): benches/checks/requirements.txt
	$(PYTHON) -m venv .venv/gx
	.venv/gx/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench-checks: build ## Benchmark the checks on rows relative to the job alone
	$(call make_sample,$(ROLLSHARE))
	$(CARGO) run --release --example checks_time -- $(SAMPLE)

bench-gx: build $(GX) ## Benchmark the same checks by Great Expectations; SAMPLE_ROWS=20000000 for the full size (minutes)
	$(call make_sample,$(ROLLSHARE))
	.venv/gx/bin/python benches/checks/gx.py $(ROLLSHARE) $(SAMPLE)

test-faults: ## Test the checks with all pairs of faults, and more kinds in a million rows; minutes
	ROLLSHARE_FAULTS=all $(CARGO) test --lib -- checks::raw

test-sensitivity: ## Simulate runs against a history: falls that are caught, clean runs that are blocked; minutes
	$(CARGO) test --lib -- --ignored --nocapture tables_of_sensitivity

bench-s3: ## Benchmark reading from S3 against plain GETs; ARGS=25 for a latency of 25 ms
	$(CARGO) bench --bench s3 -- $(ARGS)

campaign: ## Attack with 10^6 damaged inputs, 1,000 kills, 100 of each other attack (docs/dev/reliability.md); hours
	ROLLSHARE_CAMPAIGN_INPUTS=$${ROLLSHARE_CAMPAIGN_INPUTS:-1000000} ROLLSHARE_CAMPAIGN_KILLS=$${ROLLSHARE_CAMPAIGN_KILLS:-1000} \
	ROLLSHARE_CAMPAIGN_ATTACKS=$${ROLLSHARE_CAMPAIGN_ATTACKS:-100} $(CARGO) test --profile campaign --no-default-features --features cli --test campaign -- \
	  --nocapture --test-threads 1

picture: light ## Draw docs/share.svg and docs/report.png from a sample
	@mkdir -p target/sample
	$(LIGHT) sample --rows 40000 --out target/sample/picture.parquet
	$(LIGHT) run --source target/sample/picture.parquet --details --target - --quiet \
	  | $(PYTHON) docs/picture.py > docs/share.svg
	$(LIGHT) run --source target/sample/picture.parquet --target target/sample/picture/share.parquet --quiet
	$(LIGHT) report latest --target target/sample/picture/share.parquet --png docs/report.png

fuzz: ## Fuzz the scan with arbitrary bytes for a minute (cargo-fuzz, nightly)
	$(CARGO) +nightly fuzz run scan -- -max_total_time=60

test-arm: ## Test the kernels and the reader for aarch64, elsewhere under qemu (cross-compiler, qemu-user); minutes
	scripts/test_arm.sh

miri: ## Run the kernels' unit tests under Miri (nightly), portable paths
	MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=4 $(CARGO) +nightly miri test --lib kernel::

clean: ## Delete everything that was built or set up
	rm -rf target .venv
