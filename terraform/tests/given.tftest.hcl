# What an organisation already has takes the place of what would be made: network, bucket, key, roles.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  bucket_name = "shares-of-a-team"
  wheel_dir   = "tests/wheels/both"
}

run "given_subnet" {
  variables {
    subnet_id = "subnet-0123456789abcdef0"
  }
  assert {
    condition     = length(aws_vpc.main) + length(aws_subnet.nodes) + length(aws_internet_gateway.main) + length(aws_route_table.nodes) + length(aws_route.out) + length(aws_route_table_association.nodes) + length(aws_vpc_endpoint.s3) + length(aws_default_security_group.closed) == 0
    error_message = "No network is made."
  }
  assert {
    condition     = aws_security_group.nodes.vpc_id == "vpc-given"
    error_message = "The security group is in the VPC of the subnet."
  }
  assert {
    condition     = one(aws_emr_cluster.spark[0].ec2_attributes).subnet_id == "subnet-0123456789abcdef0" && jsondecode(output.airflow_variable).job_flow.Instances.Ec2SubnetId == "subnet-0123456789abcdef0"
    error_message = "All clusters are in the given subnet."
  }
  assert {
    condition     = length(aws_security_group.service) == 0
    error_message = "Only clusters in a private subnet have a group for EMR's control plane."
  }
}

run "given_subnet_without_the_tag" {
  command = plan
  variables {
    subnet_id = "subnet-0123456789abcdef0"
  }
  override_data {
    target = data.aws_subnet.given[0]
    values = { vpc_id = "vpc-given", tags = {} }
  }
  expect_failures = [data.aws_subnet.given]
}

run "given_subnet_without_the_tag_and_a_role" {
  command = plan
  variables {
    subnet_id        = "subnet-0123456789abcdef0"
    service_role_arn = "arn:aws:iam::123456789012:role/platform-emr"
  }
  override_data {
    target = data.aws_subnet.given[0]
    values = { vpc_id = "vpc-given", tags = {} }
  }
  assert {
    condition     = aws_emr_cluster.spark[0].service_role == "arn:aws:iam::123456789012:role/platform-emr"
    error_message = "A role that is given may use subnets without the tag."
  }
}

run "given_private_subnet" {
  variables {
    subnet_id      = "subnet-0123456789abcdef0"
    private_subnet = true
  }
  assert {
    condition     = length(aws_nat_gateway.main) == 0 && one(aws_emr_cluster.spark[0].ec2_attributes).service_access_security_group == aws_security_group.service[0].id
    error_message = "No NAT gateway is made, and EMR reaches the nodes by the group for its control plane."
  }
}

run "private_subnet" {
  variables {
    private_subnet = true
  }
  assert {
    condition     = !aws_subnet.nodes[0].map_public_ip_on_launch
    error_message = "Nodes have no public addresses."
  }
  assert {
    condition     = aws_route.out[0].nat_gateway_id == aws_nat_gateway.main[0].id && aws_route.out[0].gateway_id == null
    error_message = "The nodes' way out is the NAT gateway."
  }
  assert {
    condition     = aws_nat_gateway.main[0].subnet_id == aws_subnet.public[0].id && aws_route.internet[0].gateway_id == aws_internet_gateway.main[0].id && aws_subnet.public[0].cidr_block == "10.80.1.0/24"
    error_message = "The NAT gateway is in a subnet that reaches the internet."
  }
  assert {
    condition = { for rule in [
      aws_vpc_security_group_egress_rule.service_to_nodes[0], aws_vpc_security_group_ingress_rule.nodes_from_service[0],
      aws_vpc_security_group_ingress_rule.service_from_nodes[0], aws_vpc_security_group_egress_rule.nodes_to_service[0],
      ] : "${rule.security_group_id} ${rule.referenced_security_group_id}" => rule.from_port... } == {
      "${aws_security_group.service[0].id} ${aws_security_group.nodes.id}" = [8443, 9443]
      "${aws_security_group.nodes.id} ${aws_security_group.service[0].id}" = [8443, 9443]
    }
    error_message = "Control plane to nodes on 8443, nodes to control plane on 9443."
  }
  assert {
    condition     = jsondecode(output.airflow_variable).job_flow.Instances.ServiceAccessSecurityGroup == aws_security_group.service[0].id
    error_message = "The scheduler's clusters have the group for EMR's control plane too."
  }
}

run "private_subnet_in_the_smallest_vpc" {
  command = plan
  variables {
    private_subnet = true
    vpc_cidr       = "10.80.0.0/24"
  }
  assert {
    condition     = [aws_subnet.nodes[0].cidr_block, aws_subnet.public[0].cidr_block] == ["10.80.0.0/25", "10.80.0.128/25"]
    error_message = "Two subnets fit into a VPC of a /24."
  }
}

run "given_bucket" {
  variables {
    create_bucket = false
  }
  assert {
    condition     = length(aws_s3_bucket.data) + length(aws_s3_bucket_policy.data) + length(aws_s3_bucket_versioning.data) + length(aws_s3_bucket_lifecycle_configuration.data) + length(aws_s3_bucket_server_side_encryption_configuration.data) + length(aws_s3_bucket_ownership_controls.data) + length(aws_s3_bucket_public_access_block.data) == 0
    error_message = "No setting of a given bucket is changed."
  }
  assert {
    condition     = [aws_s3_object.job.bucket, aws_s3_object.wheel.bucket, aws_s3_object.bootstrap.bucket] == ["shares-of-a-team", "shares-of-a-team", "shares-of-a-team"]
    error_message = "The nodes' files are put into it."
  }
}

run "given_key" {
  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.data[0].rule).apply_server_side_encryption_by_default) == { sse_algorithm = "aws:kms", kms_master_key_id = var.kms_key_arn }
    error_message = "The bucket is encrypted with the key."
  }
  assert {
    condition = jsondecode(aws_emr_security_configuration.main.configuration).EncryptionConfiguration.AtRestEncryptionConfiguration == {
      S3EncryptionConfiguration        = { EncryptionMode = "SSE-KMS", AwsKmsKey = var.kms_key_arn }
      LocalDiskEncryptionConfiguration = { EncryptionKeyProviderType = "AwsKms", EnableEbsEncryption = true, AwsKmsKey = var.kms_key_arn }
    }
    error_message = aws_emr_security_configuration.main.configuration
  }
  assert {
    condition = alltrue([
      for policy in [aws_iam_role_policy.nodes[0].policy, aws_iam_policy.scheduler[0].policy, aws_iam_role_policy.service_key[0].policy] :
      [for statement in jsondecode(policy).Statement : statement.Resource if statement.Sid == "Key"] == [var.kms_key_arn]
    ])
    error_message = "Nodes, scheduler and EMR may use the key, and no other."
  }
  assert {
    condition     = aws_sns_topic.alarms[0].kms_master_key_id == var.kms_key_arn
    error_message = "The topic is encrypted with the key."
  }
}

run "without_a_key" {
  assert {
    condition     = !strcontains("${aws_iam_role_policy.nodes[0].policy}${aws_iam_policy.scheduler[0].policy}", "kms:") && length(aws_iam_role_policy.service_key) == 0
    error_message = "Nobody is allowed a key unless one is given."
  }
  assert {
    condition = jsondecode(aws_emr_security_configuration.main.configuration).EncryptionConfiguration == {
      EnableInTransitEncryption = false
      EnableAtRestEncryption    = true
      AtRestEncryptionConfiguration = {
        S3EncryptionConfiguration = { EncryptionMode = "SSE-S3" }
      }
    }
    error_message = aws_emr_security_configuration.main.configuration
  }
}

run "given_roles" {
  variables {
    service_role_arn        = "arn:aws:iam::123456789012:role/data/platform-emr"
    instance_profile        = "platform-nodes"
    create_scheduler_policy = false
  }
  assert {
    condition     = length(aws_iam_role.service) + length(aws_iam_role.nodes) + length(aws_iam_role_policy.nodes) + length(aws_iam_role_policy.service_pass_nodes) + length(aws_iam_role_policy_attachment.service) + length(aws_iam_instance_profile.nodes) + length(aws_iam_policy.scheduler) == 0
    error_message = "Nothing of IAM is made."
  }
  assert {
    condition     = aws_emr_cluster.spark[0].service_role == var.service_role_arn && one(aws_emr_cluster.spark[0].ec2_attributes).instance_profile == "arn:aws:iam::123456789012:instance-profile/platform-nodes"
    error_message = "The cluster has the given roles."
  }
  assert {
    condition     = [jsondecode(output.airflow_variable).job_flow.ServiceRole, jsondecode(output.airflow_variable).job_flow.JobFlowRole] == ["platform-emr", "platform-nodes"]
    error_message = "The scheduler's clusters have the given roles."
  }
  assert {
    condition = one([
      for statement in jsondecode(output.scheduler_policy).Statement : statement.Resource if statement.Sid == "PassRoles"
    ]) == [var.service_role_arn, "arn:aws:iam::123456789012:role/platform-nodes"] && output.scheduler_policy_arn == ""
    error_message = output.scheduler_policy
  }
  assert {
    condition     = [for statement in jsondecode(output.nodes_policy).Statement : statement.Sid] == ["List", "Read", "Publish", "Log", "Metrics", "SessionManager"]
    error_message = "The policy that the given role needs is an output."
  }
}

run "permissions_boundary" {
  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }
  assert {
    condition     = [for role in [aws_iam_role.service[0], aws_iam_role.nodes[0]] : role.permissions_boundary] == [var.permissions_boundary_arn, var.permissions_boundary_arn]
    error_message = "Both roles have the boundary."
  }
}

run "given_tags" {
  variables {
    tags = { team = "growth", project = "shares" }
  }
  assert {
    condition     = contains(jsondecode(output.airflow_variable).job_flow.Tags, { Key = "team", Value = "growth" }) && contains(jsondecode(output.airflow_variable).job_flow.Tags, { Key = "project", Value = "shares" })
    error_message = "The scheduler's clusters have the tags."
  }
  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.scheduler[0].policy).Statement : statement.Condition.StringEquals if contains(["StartClusters", "RunClusters"], statement.Sid)
    ] == [{ "aws:RequestTag/project" = "shares" }, { "elasticmapreduce:ResourceTag/project" = "shares" }]
    error_message = "The scheduler's policy asks for the tag that its clusters carry."
  }
}
