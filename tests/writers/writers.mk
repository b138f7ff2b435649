# Files of real writers, old and new; the main Makefile includes this file. tests/writers/run.py sets up a Python
# environment for each set of releases; those of Spark are set up by tests/spark/spark.mk. The arrow2 writer is built
# with the light program, from what `cargo test` has built; with LIGHT=path on the command line nothing is built.
WRITERS_BUILT := $(if $(filter command line,$(origin LIGHT)),,writers-build)

.PHONY: test-writers test-writers-slice writers-build

writers-build: light
	$(CARGO) build --profile test --example arrow2_writer
	cp target/debug/examples/arrow2_writer target/arrow2_writer

test-writers: $(WRITERS_BUILT) .venv/spark35/.ready .venv/spark4/.ready ## Test 10,000 files of real writers, old and new; ARGS='--files 500 --seed 2 --writer duckdb'
	$(PYTHON) tests/writers/run.py --program $(LIGHT) $(ARGS)

test-writers-slice: $(WRITERS_BUILT) ## Test 400 of them, at most 3000 rows each
	$(PYTHON) tests/writers/run.py --program $(LIGHT) --files 400 --most-rows 3000 $(ARGS)
