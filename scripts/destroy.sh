#!/usr/bin/env bash
# Takes down what `make deploy` has set up. Without DELETE_DATA=yes the bucket stays, with the table and the exports;
# everything that costs by the hour goes. Arguments go to terraform destroy (-auto-approve).
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${DELETE_DATA:-}" = yes ]; then
  # A bucket that is not empty is deleted only if its state says so: that is set first, and nothing else is changed.
  scripts/terraform.sh apply -auto-approve -target=aws_s3_bucket.data -var=force_destroy=true -var=create_cluster=false >/dev/null
  scripts/terraform.sh destroy -var=force_destroy=true "$@"
else
  # The cluster hangs on the network, and goes with it.
  scripts/terraform.sh destroy -target=aws_vpc.main "$@"
  echo "The bucket is left, with all data, for the price of its bytes. \`make destroy DELETE_DATA=yes\` deletes it too."
fi
