# Targets of the Spark part; the main Makefile includes this file. There are three environments: the oldest
# Python with PySpark 3.5, the newest installed Python with PySpark 4, and one for Sail, which needs no Java.
# The first two need Java 17 or later; their tests report when it is missing.
SPARK35_PYTHON ?= $(shell pyenv prefix 3.9 >/dev/null 2>&1 && echo $$(pyenv prefix 3.9)/bin/python || command -v python3.9 || command -v python3.10 || command -v python3.11 || echo $(PYTHON))
SPARK4_PYTHON ?= $(shell for v in 3.13 3.12 3.11; do p=$$(pyenv prefix $$v 2>/dev/null) && echo $$p/bin/python && exit; command -v python$$v && exit; done; echo $(PYTHON))
SPARK_WHEELS := target/wheels

.PHONY: test-spark test-spark-all test-spark-sail bench-spark spark-wheel

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
	.venv/spark-build/bin/maturin build --release --quiet --out $(SPARK_WHEELS)
	for venv in spark35 spark4; do \
		.venv/$$venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall \
			$(SPARK_WHEELS)/rollshare-*.whl || exit 1; done

test-spark: spark-wheel .venv/s3/.ready ## Both modes on a real cluster, PySpark 3.5 and 4 (needs Java 17)
	for venv in spark35 spark4; do .venv/$$venv/bin/python -m pytest -rs -W ignore --ignore tests/spark/test_sail.py tests/spark || exit 1; done

test-spark-all: test-spark-sail ## The same on all small inputs, and on Sail
	ROLLSHARE_SPARK_ALL=1 $(MAKE) test-spark

.venv/sail/.ready: tests/spark/requirements-sail.txt
	$(PYTHON) -m venv .venv/sail
	.venv/sail/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-spark-sail: spark-wheel .venv/sail/.ready ## Sail instead of Spark, without Java
	.venv/sail/bin/pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall \
		$(SPARK_WHEELS)/rollshare-*.whl
	.venv/sail/bin/python -m pytest -rs -W ignore tests/spark/test_sail.py

bench-spark: spark-wheel ## Compare native PySpark with both modes; ARGS='--rows 1000000 --submit'
	.venv/spark4/bin/python benches/spark/run.py $(ARGS)
