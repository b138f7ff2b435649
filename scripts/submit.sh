#!/usr/bin/env bash
# Sends the job to the cluster of terraform/ and waits until it ends: scripts/submit.sh [ARGUMENTS OF THE JOB]
# Exit codes: 0 the table is published; 1 the step failed, and the old table is unchanged; 64 an argument that cannot be
# sent; 66 no cluster; others are those of terraform or aws.
set -euo pipefail
cd "$(dirname "$0")/.."

cluster=$(scripts/terraform.sh output -raw cluster_id)
if [ -z "$cluster" ]; then
  echo "There is no cluster: run 'make deploy' (with create_cluster = true) first." >&2
  exit 66
fi
command=$(scripts/terraform.sh output -raw add_steps_command)
# The arguments go to the end of Args=[...], in double quotes, in which the AWS CLI takes commas as they are.
for argument in "$@"; do
  if [[ $argument == *[\'\"]* ]]; then
    echo "The argument $argument has a quotation mark, which cannot be sent in a step. Put the setting into a profile or a file of checks." >&2
    exit 64
  fi
  command=${command/\]\' --query/,\"$argument\"]\' --query}
done
step=$(eval "$command")
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
