#!/usr/bin/env bash
# Runs terraform in terraform/, also without a network: scripts/terraform.sh init|plan|apply|test|... [ARGS]
#
# The AWS provider is taken from a local mirror if one exists: a folder that contains
# registry.terraform.io/hashicorp/aws/VERSION/PLATFORM. ROLLSHARE_TF_MIRROR names it; otherwise the usual places are
# searched. Without a mirror terraform uses its registry. ROLLSHARE_TF_DIR replaces the folder terraform/.
# Exit codes are terraform's; 69 if terraform is not installed.
set -euo pipefail

folder=${ROLLSHARE_TF_DIR:-$(cd "$(dirname "$0")/../terraform" && pwd)}
if ! command -v terraform >/dev/null; then
  echo 'terraform is not installed. https://developer.hashicorp.com/terraform/install has it for every system (1.7 or later).' >&2
  exit 69
fi

mirror() {
  local root
  for root in "${ROLLSHARE_TF_MIRROR:-}" "$HOME/.terraform.d/plugins" "${XDG_DATA_HOME:-$HOME/.local/share}/terraform/plugins" \
    /usr/local/share/terraform/plugins /usr/share/terraform/plugins /usr/local/share/* /opt/*; do
    if [ -n "$root" ] && [ -d "$root/registry.terraform.io/hashicorp/aws" ]; then
      printf '%s' "$root"
      return
    fi
  done
}

if [ -n "${ROLLSHARE_TF_MIRROR:-}" ] && ! [ -d "$ROLLSHARE_TF_MIRROR/registry.terraform.io/hashicorp/aws" ]; then
  echo "ROLLSHARE_TF_MIRROR=$ROLLSHARE_TF_MIRROR holds no registry.terraform.io/hashicorp/aws; \`terraform providers mirror DIR\` makes one." >&2
  exit 66
fi

# An existing terraform configuration of the user takes precedence, unless a mirror was named.
if [ -n "${ROLLSHARE_TF_MIRROR:-}" ] || ! { [ -f "${TF_CLI_CONFIG_FILE:-/}" ] || [ -f "$HOME/.terraformrc" ]; }; then
  found=$(mirror)
  if [ -n "$found" ]; then
    TF_CLI_CONFIG_FILE=$(mktemp)
    export TF_CLI_CONFIG_FILE
    trap 'rm -f "$TF_CLI_CONFIG_FILE"' EXIT
    cat >"$TF_CLI_CONFIG_FILE" <<CONFIG
provider_installation {
  filesystem_mirror {
    path    = "$found"
    include = ["registry.terraform.io/hashicorp/aws"]
  }
  direct {
    exclude = ["registry.terraform.io/hashicorp/aws"]
  }
}
CONFIG
  fi
fi

terraform -chdir="$folder" "$@"
