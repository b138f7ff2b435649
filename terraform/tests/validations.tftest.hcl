# Every validation rejects its bad values. A run sets one bad value for each of many variables, and fails unless all of
# them are rejected.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  bucket_name = "shares-of-a-team"
  wheel_dir   = "tests/wheels/both"
}

run "refused" {
  command = plan
  variables {
    bucket_name           = "Upper"
    name                  = "A"
    tags                  = { "aws:mine" = "x" }
    emr_release           = "emr-6.6.0"
    architecture          = "aarch64"
    primary_instance_type = "m5"
    core_instance_type    = "large m5"
    core_instance_count   = -1
    spark_python          = "python3"
    idle_timeout_seconds  = 59
    input_file            = "tests/none.parquet"
    log_retention_days    = 0
    vpc_cidr              = "10.0.0.0/8"
    availability_zone     = "eu-central-1"
    ssh_cidrs             = ["0.0.0.0/0"]
    public_key            = "ecdsa-sha2-nistp256 AAAA"

    node_folder              = "opt/rollshare"
    kms_key_arn              = "alias/data"
    service_role_arn         = "rollshare-service"
    instance_profile         = "arn:aws:iam::123456789012:instance-profile/nodes"
    permissions_boundary_arn = "boundary"
    alarm_emails             = ["team"]
    late_after_hours         = 0
    subnet_id                = "vpc-0123456789abcdef0"
    certificates_file        = "tests/none.zip"
  }
  expect_failures = [
    var.bucket_name,
    var.name,
    var.tags,
    var.emr_release,
    var.architecture,
    var.primary_instance_type,
    var.core_instance_type,
    var.core_instance_count,
    var.spark_python,
    var.idle_timeout_seconds,
    var.input_file,
    var.log_retention_days,
    var.vpc_cidr,
    var.availability_zone,
    var.ssh_cidrs,
    var.public_key,
    var.node_folder,
    var.kms_key_arn,
    var.service_role_arn,
    var.instance_profile,
    var.permissions_boundary_arn,
    var.alarm_emails,
    var.late_after_hours,
    var.subnet_id,
    var.certificates_file,
  ]
}

run "refused_too" {
  command = plan
  variables {
    bucket_name          = "dots.in.it"
    name                 = "1abc"
    emr_release          = "7.13.0"
    core_instance_count  = 1.5
    idle_timeout_seconds = 604801
    input_file           = "variables.tf"
    vpc_cidr             = "10.0.0.0/28"
    ssh_cidrs            = ["10.0.0.1"]
    public_key           = "-----BEGIN OPENSSH PRIVATE KEY-----"
    node_folder          = "/opt/rollshare/"
    late_after_hours     = 169
    certificates_file    = "tests/mocks/aws.tfmock.hcl"
  }
  expect_failures = [
    var.bucket_name,
    var.name,
    var.emr_release,
    var.core_instance_count,
    var.idle_timeout_seconds,
    var.input_file,
    var.vpc_cidr,
    var.ssh_cidrs,
    var.public_key,
    var.node_folder,
    var.late_after_hours,
    var.certificates_file,
  ]
}

run "refused_as_well" {
  command = plan
  variables {
    bucket_name         = "ab"
    emr_release         = "emr-spark-9.0.0"
    core_instance_count = 101
    vpc_cidr            = "ten"
  }
  expect_failures = [var.bucket_name, var.emr_release, var.core_instance_count, var.vpc_cidr]
}

run "refused_prefix" {
  command = plan
  variables {
    bucket_name = "xn--name"
  }
  expect_failures = [var.bucket_name]
}

run "refused_end" {
  command = plan
  variables {
    bucket_name = "ends-"
  }
  expect_failures = [var.bucket_name]
}
