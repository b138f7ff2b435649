# Targets of the Spark part; the main Makefile includes this file. Two environments: the oldest Python with
# PySpark 3.5, and the newest installed one with PySpark 4; a third for Sail, which needs no Java. The others need Java
# 17 or later; the tests report if it is missing.
SPARK35_PYTHON ?= $(shell pyenv prefix 3.9 >/dev/null 2>&1 && echo $$(pyenv prefix 3.9)/bin/python || command -v python3.9 || command -v python3.10 || command -v python3.11 || echo $(PYTHON))
SPARK4_PYTHON ?= $(shell for v in 3.13 3.12 3.11; do p=$$(pyenv prefix $$v 2>/dev/null) && echo $$p/bin/python && exit; command -v python$$v && exit; done; echo $(PYTHON))
SPARK_WHEELS := target/wheels
# The tests take the light profile; what is measured, the one of releases.
SPARK_PROFILE ?= light

.PHONY: test-spark test-spark-all test-spark-sail bench-spark bench-spark-checks spark-wheel

.venv/spark35/.ready: tests/spark/requirements-3.5.txt
	$(SPARK35_PYTHON) -m venv .venv/spark35
	.venv/spark35/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv/spark4/.ready: tests/spark/requirements-4.txt
	$(SPARK4_PYTHON) -m venv .venv/spark4
	.venv/spark4/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv/spark-build/.ready:
	$(PYTHON) -m venv .venv/spark-build
	.venv/spark-build/bin/pip install --quiet --disable-pip-version-check 'maturin>=1.9.4,<2'
	@touch $@

# One wheel for both Pythons.
spark-wheel: .venv/spark-build/.ready .venv/spark35/.ready .venv/spark4/.ready
	rm -f $(SPARK_WHEELS)/rollshare-*.whl
	.venv/spark-build/bin/maturin build --profile $(SPARK_PROFILE) --quiet --out $(SPARK_WHEELS)
	for venv in spark35 spark4; do \
		.venv/$$venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall \
			$(SPARK_WHEELS)/rollshare-*.whl || exit 1; done

test-spark: spark-wheel .venv/s3/.ready ## Test both Spark modes on a real cluster, PySpark 3.5 and 4 (Java 17)
	for venv in spark35 spark4; do .venv/$$venv/bin/python -m pytest -rs -W ignore --ignore tests/spark/test_sail.py tests/spark || exit 1; done

test-spark-all: test-spark-sail ## The same with all cases of tests/cases and tests/field, more moments at which drivers are killed, and on Sail
	ROLLSHARE_SPARK_ALL=1 $(MAKE) test-spark

.venv/sail/.ready: tests/spark/requirements-sail.txt
	$(PYTHON) -m venv .venv/sail
	.venv/sail/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-spark-sail: spark-wheel .venv/sail/.ready ## Test the Spark Connect client against Sail, without Java
	.venv/sail/bin/pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall \
		$(SPARK_WHEELS)/rollshare-*.whl
	.venv/sail/bin/python -m pytest -rs -W ignore tests/spark/test_sail.py

bench-spark: SPARK_PROFILE = release
bench-spark: spark-wheel ## Benchmark both modes against native PySpark; ARGS='--rows 1000000 --submit'
	.venv/spark4/bin/python benches/spark/run.py $(ARGS)

bench-spark-checks: SPARK_PROFILE = release
bench-spark-checks: spark-wheel ## Benchmark runs with checks on a cluster against one process; ARGS='--rows 20000000 200000000'
	.venv/spark4/bin/python benches/spark/checks.py $(ARGS)
