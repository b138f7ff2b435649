# One variable selects instance types and wheel together; a mismatch is an error before anything is created.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  bucket_name = "shares-of-a-team"
  wheel_dir   = "tests/wheels/both"
}

run "x86_64_by_default" {
  command = plan
  assert {
    condition     = aws_emr_cluster.spark[0].master_instance_group[0].instance_type == "m5.xlarge"
    error_message = "m5.xlarge."
  }
  assert {
    condition = aws_emr_cluster.spark[0].bootstrap_action[0].args == tolist([
      "s3://shares-of-a-team/wheels/rollshare-0.0.0-cp39-abi3-manylinux_2_28_x86_64.whl",
      filesha256("tests/wheels/both/rollshare-0.0.0-cp39-abi3-manylinux_2_28_x86_64.whl"), "/usr/bin/python3",
      "s3://shares-of-a-team/jobs/transform.py", filesha256("../jobs/transform.py"), "/opt/rollshare",
    ])
    error_message = "The bootstrap gets the wheel's place, its hash and Spark's Python, and the job's place, its hash and its folder."
  }
}

run "graviton" {
  command = plan
  variables {
    architecture        = "arm64"
    core_instance_count = 1
  }
  assert {
    condition     = [aws_emr_cluster.spark[0].master_instance_group[0].instance_type, aws_emr_cluster.spark[0].core_instance_group[0].instance_type] == ["m6g.xlarge", "m6g.xlarge"]
    error_message = "m6g.xlarge."
  }
  assert {
    condition     = aws_s3_object.wheel.key == "wheels/rollshare-0.0.0-cp39-abi3-manylinux_2_28_aarch64.whl" && endswith(aws_emr_cluster.spark[0].bootstrap_action[0].args[0], "aarch64.whl")
    error_message = "The wheel for aarch64."
  }
}

run "spark_4" {
  command = plan
  variables {
    emr_release = "emr-spark-8.1.0"
  }
  assert {
    condition     = aws_emr_cluster.spark[0].release_label == "emr-spark-8.1.0" && aws_emr_cluster.spark[0].bootstrap_action[0].args[2] == "/usr/bin/python3.11"
    error_message = "Spark 4 wants Python 3.10 or later."
  }
  assert {
    condition     = jsondecode(aws_emr_cluster.spark[0].configurations_json)[1].Properties["spark.executorEnv.PYSPARK_PYTHON"] == "/usr/bin/python3.11"
    error_message = "Executors use the Python that the wheel is installed for."
  }
}

run "cluster_settings" {
  command = plan
  variables {
    core_instance_count  = 3
    idle_timeout_seconds = 900
    core_instance_type   = "r7i.2xlarge"
  }
  assert {
    condition     = aws_emr_cluster.spark[0].core_instance_group[0].instance_count == 3 && aws_emr_cluster.spark[0].core_instance_group[0].instance_type == "r7i.2xlarge"
    error_message = "Count and type by variable."
  }
  assert {
    condition     = aws_emr_cluster.spark[0].auto_termination_policy[0].idle_timeout == 900 && aws_emr_cluster.spark[0].applications == toset(["Spark"])
    error_message = "Spark alone, ended when idle."
  }
  assert {
    condition     = jsondecode(aws_emr_security_configuration.main.configuration).InstanceMetadataServiceConfiguration.MinimumInstanceMetadataServiceVersion == 2
    error_message = "IMDSv2."
  }
}

run "no_cluster" {
  command = plan
  variables {
    create_cluster = false
  }
  assert {
    condition     = length(aws_emr_cluster.spark) == 0
    error_message = "A scheduler starts its own."
  }
}

run "older_wheel_tag" {
  command = plan
  variables {
    wheel_dir = "tests/wheels/x86"
  }
  assert {
    condition     = endswith(aws_s3_object.wheel.key, "manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
    error_message = "manylinux2014 fits too."
  }
}

run "no_wheel_for_graviton" {
  command = plan
  variables {
    architecture = "arm64"
    wheel_dir    = "tests/wheels/x86"
  }
  expect_failures = [aws_s3_object.wheel]
}

run "two_wheels" {
  command = plan
  variables {
    wheel_dir = "tests/wheels/two"
  }
  expect_failures = [aws_s3_object.wheel]
}

run "wheel_for_a_newer_glibc" {
  command = plan
  variables {
    wheel_dir = "tests/wheels/new"
  }
  expect_failures = [aws_s3_object.wheel]
}

run "x86_instance_with_the_graviton_wheel" {
  command = plan
  variables {
    architecture        = "arm64"
    core_instance_count = 1
    core_instance_type  = "m5.xlarge"
  }
  expect_failures = [aws_emr_cluster.spark]
}

run "graviton_instance_with_the_x86_wheel" {
  command = plan
  variables {
    primary_instance_type = "c7gn.xlarge"
  }
  expect_failures = [aws_emr_cluster.spark]
}

run "ssh_without_a_key" {
  command = plan
  variables {
    ssh_cidrs = ["203.0.113.7/32"]
  }
  expect_failures = [aws_key_pair.ssh]
}
