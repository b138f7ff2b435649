#!/usr/bin/env bash
# Sends the job to the cluster of terraform/ and waits until it ends.
# Exit codes: 0 the table is published; 1 the step failed, and the old table is unchanged; others are those of terraform
# or aws.
set -euo pipefail
cd "$(dirname "$0")/.."

cluster=$(scripts/terraform.sh output -raw cluster_id)
if [ -z "$cluster" ]; then
  echo "There is no cluster: run 'make deploy' (with create_cluster = true) first." >&2
  exit 66
fi
step=$(eval "$(scripts/terraform.sh output -raw add_steps_command)")
echo "step $step on cluster $cluster"

describe() {
  aws emr describe-step --cluster-id "$cluster" --step-id "$step" --query "$1" --output text
}
while state=$(describe Step.Status.State); [ "$state" = PENDING ] || [ "$state" = RUNNING ]; do
  sleep "${ROLLSHARE_POLL_SECONDS:-10}"
done
echo "step $step: $state"
if [ "$state" != COMPLETED ]; then
  logs=$(scripts/terraform.sh output -raw logs_path)
  echo "The table was left as it was. $(describe 'Step.Status.[StateChangeReason.Message,FailureDetails.Message]')" >&2
  echo "What the job said, some minutes from now: aws s3 cp ${logs}$cluster/steps/$step/stderr.gz - | gunzip" >&2
  exit 1
fi
echo "published: $(scripts/terraform.sh output -raw output_path)"
