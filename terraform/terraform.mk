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

submit: ## Send the job to the cluster and wait until it ends
	@$(WITH_ENV) scripts/submit.sh

destroy: ## Delete what costs by the hour; DELETE_DATA=yes also deletes bucket and data
	@$(WITH_ENV) DELETE_DATA="$(DELETE_DATA)" scripts/destroy.sh $(ARGS)

$(CLOUD_VENV)/.ready: tests/terraform/requirements.txt
	$(PYTHON) -m venv $(CLOUD_VENV)
	$(CLOUD_VENV)/bin/pip install -q -r $<
	@touch $@

# In a separate environment, since it pins packages that the others use.
$(CHECKOV_VENV)/.ready:
	$(PYTHON) -m venv $(CHECKOV_VENV)
	$(CHECKOV_VENV)/bin/pip install -q checkov==3.3.30
	@touch $@

# A wheel of this checkout for this machine, which the tests' nodes install. `make wheel` builds a portable one.
cloud-wheel: $(CLOUD_VENV)/.ready
	@rm -rf target/cloud-wheel
	PATH="$(abspath $(CLOUD_VENV))/bin:$$PATH" maturin build -q --release --out target/cloud-wheel

test-terraform: $(CLOUD_VENV)/.ready $(CHECKOV_VENV)/.ready cloud-wheel ## Test the cloud part: terraform, bootstrap, a whole cycle against an emulator
	CHECKOV=$(CHECKOV_VENV)/bin/checkov PATH="$(abspath $(CLOUD_VENV))/bin:$$PATH" \
		$(CLOUD_VENV)/bin/python -m pytest -c tests/terraform/pytest.ini tests/terraform

# Airflow pins its dependencies, so it has a separate environment too.
AIRFLOW_VENV := .venv/airflow
.PHONY: test-airflow
$(AIRFLOW_VENV)/.ready: tests/airflow/requirements.txt tests/airflow/constraints.txt
	$(PYTHON) -m venv $(AIRFLOW_VENV)
	$(AIRFLOW_VENV)/bin/pip install -q -r tests/airflow/requirements.txt -c tests/airflow/constraints.txt
	@touch $@

test-airflow: $(AIRFLOW_VENV)/.ready cloud-wheel ## Test the Airflow DAG end to end against an emulator
	CLOUD_PYTHON="$(abspath $(CLOUD_VENV))/bin/python" \
		$(AIRFLOW_VENV)/bin/python -m pytest -c tests/airflow/pytest.ini tests/airflow
