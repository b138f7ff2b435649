# Every validation refuses what it is there for.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  bucket_name = "shares-of-a-team"
  wheel_dir   = "tests/wheels/both"
}

run "bucket_name_1" {
  command = plan
  variables {
    bucket_name = "Upper"
  }
  expect_failures = [var.bucket_name]
}

run "bucket_name_2" {
  command = plan
  variables {
    bucket_name = "dots.in.it"
  }
  expect_failures = [var.bucket_name]
}

run "bucket_name_3" {
  command = plan
  variables {
    bucket_name = "ab"
  }
  expect_failures = [var.bucket_name]
}

run "bucket_name_4" {
  command = plan
  variables {
    bucket_name = "xn--name"
  }
  expect_failures = [var.bucket_name]
}

run "bucket_name_5" {
  command = plan
  variables {
    bucket_name = "ends-"
  }
  expect_failures = [var.bucket_name]
}

run "name_1" {
  command = plan
  variables {
    name = "A"
  }
  expect_failures = [var.name]
}

run "name_2" {
  command = plan
  variables {
    name = "1abc"
  }
  expect_failures = [var.name]
}

run "tags_1" {
  command = plan
  variables {
    tags = { "aws:mine" = "x" }
  }
  expect_failures = [var.tags]
}

run "emr_release_1" {
  command = plan
  variables {
    emr_release = "emr-6.6.0"
  }
  expect_failures = [var.emr_release]
}

run "emr_release_2" {
  command = plan
  variables {
    emr_release = "7.13.0"
  }
  expect_failures = [var.emr_release]
}

run "emr_release_3" {
  command = plan
  variables {
    emr_release = "emr-spark-9.0.0"
  }
  expect_failures = [var.emr_release]
}

run "architecture_1" {
  command = plan
  variables {
    architecture = "aarch64"
  }
  expect_failures = [var.architecture]
}

run "primary_instance_type_1" {
  command = plan
  variables {
    primary_instance_type = "m5"
  }
  expect_failures = [var.primary_instance_type]
}

run "core_instance_type_1" {
  command = plan
  variables {
    core_instance_type = "large m5"
  }
  expect_failures = [var.core_instance_type]
}

run "core_instance_count_1" {
  command = plan
  variables {
    core_instance_count = 0
  }
  expect_failures = [var.core_instance_count]
}

run "core_instance_count_2" {
  command = plan
  variables {
    core_instance_count = 1.5
  }
  expect_failures = [var.core_instance_count]
}

run "core_instance_count_3" {
  command = plan
  variables {
    core_instance_count = 101
  }
  expect_failures = [var.core_instance_count]
}

run "spark_python_1" {
  command = plan
  variables {
    spark_python = "python3"
  }
  expect_failures = [var.spark_python]
}

run "idle_timeout_seconds_1" {
  command = plan
  variables {
    idle_timeout_seconds = 59
  }
  expect_failures = [var.idle_timeout_seconds]
}

run "idle_timeout_seconds_2" {
  command = plan
  variables {
    idle_timeout_seconds = 604801
  }
  expect_failures = [var.idle_timeout_seconds]
}

run "input_file_1" {
  command = plan
  variables {
    input_file = "tests/none.parquet"
  }
  expect_failures = [var.input_file]
}

run "input_file_2" {
  command = plan
  variables {
    input_file = "variables.tf"
  }
  expect_failures = [var.input_file]
}

run "log_retention_days_1" {
  command = plan
  variables {
    log_retention_days = 0
  }
  expect_failures = [var.log_retention_days]
}

run "vpc_cidr_1" {
  command = plan
  variables {
    vpc_cidr = "10.0.0.0/8"
  }
  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_2" {
  command = plan
  variables {
    vpc_cidr = "10.0.0.0/28"
  }
  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_3" {
  command = plan
  variables {
    vpc_cidr = "ten"
  }
  expect_failures = [var.vpc_cidr]
}

run "availability_zone_1" {
  command = plan
  variables {
    availability_zone = "eu-central-1"
  }
  expect_failures = [var.availability_zone]
}

run "ssh_cidrs_1" {
  command = plan
  variables {
    ssh_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.ssh_cidrs]
}

run "ssh_cidrs_2" {
  command = plan
  variables {
    ssh_cidrs = ["10.0.0.1"]
  }
  expect_failures = [var.ssh_cidrs]
}

run "public_key_1" {
  command = plan
  variables {
    public_key = "ecdsa-sha2-nistp256 AAAA"
  }
  expect_failures = [var.public_key]
}

run "public_key_2" {
  command = plan
  variables {
    public_key = "-----BEGIN OPENSSH PRIVATE KEY-----"
  }
  expect_failures = [var.public_key]
}
