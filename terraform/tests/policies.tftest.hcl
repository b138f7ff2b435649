# Policies and settings as they would be applied, with a mocked provider: no network, no account.

mock_provider "aws" {
  source = "./tests/mocks"
}

override_resource {
  target = aws_iam_role.service
  values = { arn = "arn:aws:iam::123456789012:role/rollshare-service" }
}

variables {
  bucket_name = "shares-of-a-team"
  wheel_dir   = "tests/wheels/both"
}

run "bucket" {
  assert {
    condition = jsondecode(aws_s3_bucket_policy.data[0].policy) == {
      Version = "2012-10-17"
      Statement = [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::shares-of-a-team", "arn:aws:s3:::shares-of-a-team/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }]
    }
    error_message = "The bucket has to deny everything without TLS: ${aws_s3_bucket_policy.data[0].policy}"
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.data[0].block_public_acls, aws_s3_bucket_public_access_block.data[0].block_public_policy,
      aws_s3_bucket_public_access_block.data[0].ignore_public_acls, aws_s3_bucket_public_access_block.data[0].restrict_public_buckets,
    ])
    error_message = "All four locks against public access have to be on."
  }
  assert {
    condition     = aws_s3_bucket_versioning.data[0].versioning_configuration[0].status == "Enabled"
    error_message = "The bucket has to be versioned."
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.data[0].rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "The bucket has to be encrypted."
  }
  assert {
    condition     = aws_s3_bucket.data[0].force_destroy == false
    error_message = "Unless asked for, terraform destroy must not delete the data."
  }
  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.data[0].rule : rule.id => one(rule.filter[*].prefix)
      if try(rule.expiration[0].days, 0) > 0
    } == { logs = "logs/", staging = "output/share/." }
    error_message = "Only logs and staging may be deleted with time, never exports or the table."
  }
  assert {
    condition = [aws_s3_object.job.key, aws_s3_object.bootstrap.key, aws_s3_object.wheel.key] == [
      "jobs/transform.py", "bootstrap/bootstrap.sh", "wheels/rollshare-0.0.0-cp39-abi3-manylinux_2_28_x86_64.whl",
    ]
    error_message = "Keys have to be those of docs/aws.md."
  }
}

run "nodes_reach_this_bucket_alone" {
  assert {
    condition = jsondecode(aws_iam_role_policy.nodes[0].policy).Statement == [
      { Sid = "List", Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketLocation"], Resource = "arn:aws:s3:::shares-of-a-team" },
      {
        Sid      = "Read", Effect = "Allow", Action = "s3:GetObject",
        Resource = [for key in ["input", "checks", "profiles", "jobs", "bootstrap", "wheels"] : "arn:aws:s3:::shares-of-a-team/${key}/*"]
      },
      {
        Sid      = "Publish", Effect = "Allow",
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
        Resource = ["arn:aws:s3:::shares-of-a-team/output/*"]
      },
      { Sid = "Log", Effect = "Allow", Action = "s3:PutObject", Resource = "arn:aws:s3:::shares-of-a-team/logs/*" },
      {
        Sid       = "Metrics", Effect = "Allow", Action = "cloudwatch:PutMetricData", Resource = "*"
        Condition = { StringEquals = { "cloudwatch:namespace" = "rollshare" } }
      },
      {
        Sid = "SessionManager", Effect = "Allow", Resource = "*",
        Action = [
          "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
        ]
      },
    ]
    error_message = "The nodes' policy: ${aws_iam_role_policy.nodes[0].policy}"
  }
  assert {
    condition     = endswith(aws_iam_role_policy_attachment.service[0].policy_arn, ":policy/service-role/AmazonEMRServicePolicy_v2")
    error_message = "EMR's role goes by the managed policy, version 2."
  }
  assert {
    condition     = alltrue([for resource in [aws_vpc.main[0], aws_subnet.nodes[0], aws_security_group.nodes, aws_emr_cluster.spark[0]] : try(resource.tags["for-use-with-amazon-emr-managed-policies"], "") == "true"])
    error_message = "AmazonEMRServicePolicy_v2 acts on tagged VPC, subnet, security groups and cluster alone."
  }
  assert {
    condition = one(jsondecode(aws_iam_role_policy.service_pass_nodes[0].policy).Statement) == {
      Sid       = "PassNodesRole", Effect = "Allow", Action = "iam:PassRole", Resource = aws_iam_role.nodes[0].arn
      Condition = { StringLike = { "iam:PassedToService" = "ec2.amazonaws.com*" } }
    }
    error_message = "EMR may pass the nodes' role, to EC2, and no other."
  }
  assert {
    condition = one(jsondecode(aws_iam_role.service[0].assume_role_policy).Statement).Condition == {
      StringEquals = { "aws:SourceAccount" = "123456789012" }
      ArnLike      = { "aws:SourceArn" = "arn:aws:elasticmapreduce:eu-central-1:123456789012:*" }
    }
    error_message = "EMR takes its role for this account's clusters alone."
  }
  assert {
    condition = alltrue([
      for policy in [aws_iam_role_policy.nodes[0].policy, aws_iam_policy.scheduler[0].policy, aws_iam_role_policy.service_pass_nodes[0].policy] :
      alltrue([for statement in jsondecode(policy).Statement : !contains(flatten([statement.Action]), "*") && !contains(flatten([statement.Action]), "s3:*")])
    ])
    error_message = "No identity has wildcard actions."
  }
}

run "scheduler" {
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.scheduler[0].policy).Statement :
      flatten([statement.Resource]) != ["*"] || can(statement.Condition.StringEquals["aws:RequestTag/project"]) || can(statement.Condition.StringEquals["elasticmapreduce:ResourceTag/project"]) || can(statement.Condition.StringEquals["cloudwatch:namespace"])
    ])
    error_message = "What the scheduler may do to every cluster is bound to the tag `project`."
  }
  assert {
    condition = one([
      for statement in jsondecode(aws_iam_policy.scheduler[0].policy).Statement : statement.Resource if statement.Sid == "PassRoles"
    ]) == ["arn:aws:iam::123456789012:role/rollshare-service", "arn:aws:iam::123456789012:role/rollshare-nodes"]
    error_message = "The scheduler may pass the two roles of this configuration."
  }
  assert {
    condition = one([
      for statement in jsondecode(aws_iam_policy.scheduler[0].policy).Statement : statement.Resource if statement.Sid == "Read"
    ]) == [for key in ["input", "checks", "profiles", "output"] : "arn:aws:s3:::shares-of-a-team/${key}/*"]
    error_message = "The scheduler reads exports, settings and the table, and not logs, certificates or wheels."
  }
  assert {
    condition     = contains(jsondecode(output.airflow_variable).job_flow.Tags, { Key = "project", Value = "rollshare" })
    error_message = "The scheduler's clusters carry the tag that its policy asks for."
  }
  assert {
    condition     = contains(jsondecode(output.airflow_variable).job_flow.Tags, { Key = "for-use-with-amazon-emr-managed-policies", Value = "true" })
    error_message = "The scheduler's clusters carry the tag that EMR's policy asks for."
  }
}

run "without_session_manager" {
  variables {
    session_manager = false
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.nodes[0].policy, "ssm")
    error_message = "Nothing of Session Manager is left."
  }
}

run "no_way_in" {
  assert {
    condition     = length(aws_security_group.ssh) + length(aws_key_pair.ssh) + length(aws_vpc_security_group_ingress_rule.ssh) == 0
    error_message = "No SSH unless asked for."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.among_nodes.referenced_security_group_id == aws_security_group.nodes.id && aws_vpc_security_group_ingress_rule.among_nodes.cidr_ipv4 == null
    error_message = "Nodes listen to nodes alone."
  }
}

run "ssh_from_given_networks" {
  variables {
    ssh_cidrs  = ["203.0.113.7/32", "198.51.100.0/24"]
    public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 somebody"
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.ssh : rule.cidr_ipv4]) == toset(var.ssh_cidrs)
    error_message = "SSH from the given networks and from nowhere else."
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.ssh : rule.from_port == 22 && rule.to_port == 22])
    error_message = "Port 22 alone."
  }
  assert {
    condition     = one(aws_emr_cluster.spark[0].ec2_attributes).key_name == "rollshare" && one(aws_emr_cluster.spark[0].ec2_attributes).additional_master_security_groups == aws_security_group.ssh[0].id
    error_message = "Key and group go to the primary node."
  }
}

run "outputs_to_paste" {
  assert {
    condition     = output.cluster_id == "j-MOCKED" && output.output_path == "s3://shares-of-a-team/output/share/"
    error_message = "cluster_id and output_path."
  }
  assert {
    condition     = output.add_steps_command == "aws emr add-steps --cluster-id j-MOCKED --steps 'Type=Spark,Name=rollshare,ActionOnFailure=CONTINUE,Args=[/opt/rollshare/transform.py,--source_parquet,s3://shares-of-a-team/input/,--target_parquet,s3://shares-of-a-team/output/share/,--metrics,rollshare]' --query 'StepIds[0]' --output text"
    error_message = output.add_steps_command
  }
}
