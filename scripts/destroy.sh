#!/usr/bin/env bash
# Deletes what `make deploy` has created. Without DELETE_DATA=yes the bucket is kept, with the table and the exports;
# everything that is billed by the hour is deleted. Arguments go to terraform destroy (-auto-approve).
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${DELETE_DATA:-}" = yes ]; then
  # Terraform deletes a bucket that is not empty only if force_destroy is in its state: set only that first.
  scripts/terraform.sh apply -auto-approve -target=aws_s3_bucket.data -var=force_destroy=true -var=create_cluster=false >/dev/null
  scripts/terraform.sh destroy -var=force_destroy=true "$@"
else
  # Everything in a network that was made here depends on it. A cluster in a given network is deleted by its name.
  scripts/terraform.sh destroy -target=aws_vpc.main -target=aws_eip.nat -target=aws_emr_cluster.spark "$@"
  echo "The bucket is left, with all data, for the price of its bytes. \`make destroy DELETE_DATA=yes\` deletes it too."
fi
