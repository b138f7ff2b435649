terraform {
  required_version = ">= 1.7"

  # Pinned here and not only by the lock file: a lock file made from a mirror has the hash of one platform only.
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

# Region and credentials come from the environment (AWS_DEFAULT_REGION, AWS_PROFILE, ...), see docs/aws.md.
provider "aws" {
  default_tags {
    tags = local.tags
  }
}

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}
