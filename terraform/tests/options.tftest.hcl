# Switches of the nodes and of the alarms, and what is without them.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  bucket_name = "shares-of-a-team"
  wheel_dir   = "tests/wheels/pyarrow"
}

run "one_node_by_default" {
  assert {
    condition     = length(aws_emr_cluster.spark[0].core_instance_group) == 0
    error_message = "The primary node alone."
  }
  assert {
    condition     = [for group in jsondecode(output.airflow_variable).job_flow.Instances.InstanceGroups : "${group.InstanceRole} ${group.InstanceCount}"] == ["MASTER 1"]
    error_message = "The scheduler's clusters too."
  }
}

run "a_cluster" {
  variables {
    core_instance_count = 4
  }
  assert {
    condition     = [for group in jsondecode(output.airflow_variable).job_flow.Instances.InstanceGroups : "${group.InstanceRole} ${group.InstanceCount}"] == ["MASTER 1", "CORE 4"] && aws_emr_cluster.spark[0].core_instance_group[0].instance_count == 4
    error_message = "A primary node and four core nodes."
  }
}

run "without_pyarrow" {
  command = plan
  assert {
    condition     = length(aws_s3_object.pyarrow) == 0 && length(aws_emr_cluster.spark[0].bootstrap_action[0].args) == 6
    error_message = "A wheel of pyarrow that lies there is not uploaded, nor installed."
  }
  assert {
    condition     = jsondecode(aws_emr_cluster.spark[0].configurations_json)[0].Configurations[0].Properties.PYSPARK_PYTHON == "/usr/bin/python3"
    error_message = "Spark uses the system's Python."
  }
}

run "pyarrow" {
  command = plan
  variables {
    pyarrow     = true
    node_folder = "/mnt/rollshare"
  }
  assert {
    condition = slice(aws_emr_cluster.spark[0].bootstrap_action[0].args, 3, 8) == tolist([
      "s3://shares-of-a-team/jobs/transform.py", filesha256("../jobs/transform.py"), "/mnt/rollshare",
      "s3://shares-of-a-team/wheels/pyarrow-21.0.0-cp39-cp39-manylinux_2_28_x86_64.whl",
      filesha256("tests/wheels/pyarrow/pyarrow-21.0.0-cp39-cp39-manylinux_2_28_x86_64.whl"),
    ])
    error_message = "The bootstrap gets the wheel of pyarrow and its hash."
  }
  assert {
    condition = distinct([
      jsondecode(aws_emr_cluster.spark[0].configurations_json)[0].Configurations[0].Properties.PYSPARK_PYTHON,
      jsondecode(aws_emr_cluster.spark[0].configurations_json)[1].Properties["spark.executorEnv.PYSPARK_PYTHON"],
      jsondecode(aws_emr_cluster.spark[0].configurations_json)[1].Properties["spark.yarn.appMasterEnv.PYSPARK_PYTHON"],
    ]) == tolist(["/mnt/rollshare/python/bin/python"])
    error_message = "Driver and executors use the environment with pyarrow."
  }
  assert {
    condition     = aws_s3_object.pyarrow[0].key == "wheels/pyarrow-21.0.0-cp39-cp39-manylinux_2_28_x86_64.whl"
    error_message = "The wheel is in the bucket."
  }
}

run "pyarrow_without_its_wheel" {
  command = plan
  variables {
    pyarrow   = true
    wheel_dir = "tests/wheels/both"
  }
  expect_failures = [aws_s3_object.pyarrow]
}

run "in_transit_encryption" {
  command = plan
  variables {
    certificates_file = "tests/certificates.zip"
  }
  assert {
    condition = jsondecode(aws_emr_security_configuration.main.configuration).EncryptionConfiguration.EnableInTransitEncryption && jsondecode(aws_emr_security_configuration.main.configuration).EncryptionConfiguration.InTransitEncryptionConfiguration == {
      TLSCertificateConfiguration = { CertificateProviderType = "PEM", S3Object = "s3://shares-of-a-team/certificates/nodes.zip" }
    }
    error_message = aws_emr_security_configuration.main.configuration
  }
  assert {
    condition     = aws_s3_object.certificates[0].key == "certificates/nodes.zip" && strcontains(aws_iam_role_policy.nodes[0].policy, ":::shares-of-a-team/certificates/*")
    error_message = "The nodes may read their certificates."
  }
}

run "alarms" {
  variables {
    alarm_emails     = ["team@example.org"]
    late_after_hours = 26
  }
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.run : name => [alarm.namespace, alarm.metric_name, alarm.dimensions.outcome, alarm.treat_missing_data, one(alarm.alarm_actions)] } == {
      blocked = ["rollshare", "runs", "blocked", "notBreaching", aws_sns_topic.alarms[0].arn]
      failed  = ["rollshare", "runs", "failed", "notBreaching", aws_sns_topic.alarms[0].arn]
    }
    error_message = "Alarms for blocked and failed runs."
  }
  assert {
    condition     = [aws_cloudwatch_metric_alarm.late[0].dimensions.outcome, aws_cloudwatch_metric_alarm.late[0].treat_missing_data] == ["published", "breaching"] && aws_cloudwatch_metric_alarm.late[0].evaluation_periods * aws_cloudwatch_metric_alarm.late[0].period == 26 * 3600
    error_message = "An alarm if nothing is published for 26 hours."
  }
  assert {
    condition     = aws_sns_topic_subscription.email["team@example.org"].topic_arn == aws_sns_topic.alarms[0].arn
    error_message = "The address is subscribed."
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.cluster[0].event_pattern).detail == { state = ["TERMINATED_WITH_ERRORS"], name = ["rollshare", "rollshare-daily"] } && aws_cloudwatch_event_target.cluster[0].arn == aws_sns_topic.alarms[0].arn
    error_message = "Clusters that end with errors are reported."
  }
  assert {
    condition     = jsondecode(output.airflow_variable).metrics == "rollshare"
    error_message = "The scheduler's runs send metrics."
  }
}

run "without_alarms" {
  variables {
    alarms           = false
    alarm_emails     = ["team@example.org"]
    late_after_hours = 26
  }
  assert {
    condition     = length(aws_sns_topic.alarms) + length(aws_sns_topic_policy.alarms) + length(aws_sns_topic_subscription.email) + length(aws_cloudwatch_metric_alarm.run) + length(aws_cloudwatch_metric_alarm.late) + length(aws_cloudwatch_event_rule.cluster) + length(aws_cloudwatch_event_target.cluster) == 0
    error_message = "No alarms."
  }
  assert {
    condition     = !strcontains(output.add_steps_command, "--metrics") && !strcontains("${aws_iam_role_policy.nodes[0].policy}${aws_iam_policy.scheduler[0].policy}", "cloudwatch")
    error_message = "No metrics."
  }
}
