# Targets of the cloud part; the main Makefile includes this file.
PYTHON ?= python3
# Settings and credentials, `export NAME=value` lines as in .env.example; without the file, those of the environment.
ENV_FILE ?= .env
WITH_ENV = if [ -f "$(ENV_FILE)" ]; then . "$(abspath $(ENV_FILE))"; fi;
CLOUD_VENV := .venv/cloud
CHECKOV_VENV := .venv/checkov

.PHONY: deploy submit destroy test-terraform cloud-wheel

deploy: ## Set up bucket, network, roles and cluster on AWS (docs/aws.md)
	@$(WITH_ENV) scripts/terraform.sh init -input=false && scripts/terraform.sh apply $(ARGS)

submit: ## Send the job to the cluster and wait until it ends; ARGS='--allow-restatement 2026_10..2026_12' for the job
	@$(WITH_ENV) scripts/submit.sh $(ARGS)

destroy: ## Delete what costs by the hour; DELETE_DATA=yes also deletes bucket and data
	@$(WITH_ENV) DELETE_DATA="$(DELETE_DATA)" scripts/destroy.sh $(ARGS)

$(CLOUD_VENV)/.ready: tests/terraform/requirements.txt
	$(PYTHON) -m venv $(CLOUD_VENV)
	$(CLOUD_VENV)/bin/pip install -q -r $<
	# The wheel that is installed is that which the tests' nodes get.
	$(CLOUD_VENV)/bin/pip download -q --no-deps --only-binary :all: --dest $(CLOUD_VENV)/wheels \
		pyarrow==$$($(CLOUD_VENV)/bin/python -c 'import pyarrow; print(pyarrow.__version__)')
	@touch $@

# In a separate environment, since it pins packages that the others use.
$(CHECKOV_VENV)/.ready:
	$(PYTHON) -m venv $(CHECKOV_VENV)
	$(CHECKOV_VENV)/bin/pip install -q checkov==3.3.30
	@touch $@

# A wheel of this checkout for this machine, which the tests' nodes install. `make wheel` builds a portable one.
cloud-wheel: $(CLOUD_VENV)/.ready
	@rm -rf target/cloud-wheel
	PATH="$(abspath $(CLOUD_VENV))/bin:$$PATH" maturin build -q --profile light --out target/cloud-wheel

test-terraform: $(CLOUD_VENV)/.ready $(CHECKOV_VENV)/.ready cloud-wheel ## Test the cloud part: terraform, bootstrap, a whole cycle against an emulator
	CHECKOV=$(CHECKOV_VENV)/bin/checkov PATH="$(abspath $(CLOUD_VENV))/bin:$$PATH" \
		$(CLOUD_VENV)/bin/python -m pytest -c tests/terraform/pytest.ini tests/terraform

# Airflow pins its dependencies, so it has a separate environment too.
AIRFLOW_VENV := .venv/airflow
AIRFLOW_2_VENV := .venv/airflow-2
.PHONY: test-airflow test-airflow-3 test-airflow-2
$(AIRFLOW_VENV)/.ready: tests/airflow/requirements.txt tests/airflow/constraints.txt
	$(PYTHON) -m venv $(AIRFLOW_VENV)
	$(AIRFLOW_VENV)/bin/pip install -q -r tests/airflow/requirements.txt -c tests/airflow/constraints.txt
	@touch $@

$(AIRFLOW_2_VENV)/.ready: tests/airflow/requirements-2.txt tests/airflow/constraints-2.txt
	$(PYTHON) -m venv $(AIRFLOW_2_VENV)
	$(AIRFLOW_2_VENV)/bin/pip install -q -r tests/airflow/requirements-2.txt -c tests/airflow/constraints-2.txt
	@touch $@

test-airflow: test-airflow-3 test-airflow-2 ## Test the Airflow DAG end to end against an emulator, in Airflow 3 and 2

test-airflow-3: $(AIRFLOW_VENV)/.ready cloud-wheel
	CLOUD_PYTHON="$(abspath $(CLOUD_VENV))/bin/python" \
		$(AIRFLOW_VENV)/bin/python -m pytest -c tests/airflow/pytest.ini tests/airflow

test-airflow-2: $(AIRFLOW_2_VENV)/.ready cloud-wheel
	CLOUD_PYTHON="$(abspath $(CLOUD_VENV))/bin/python" \
		$(AIRFLOW_2_VENV)/bin/python -m pytest -c tests/airflow/pytest.ini tests/airflow
