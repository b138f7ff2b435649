resource "aws_emr_security_configuration" "main" {
  #checkov:skip=CKV_AWS_171:SSE-S3, as the bucket: a customer key adds a charge per request and adds no protection here
  #checkov:skip=CKV_AWS_349:nodes live for one job and hold partial sums; their disks are encrypted if that is the account's default
  #checkov:skip=CKV_AWS_350:as CKV_AWS_349: local disk encryption of EMR needs a customer key
  #checkov:skip=CKV_AWS_351:nodes communicate only among themselves, inside one subnet; they send sums, not users
  name = var.name
  configuration = jsonencode({
    EncryptionConfiguration = {
      EnableInTransitEncryption = false
      EnableAtRestEncryption    = true
      AtRestEncryptionConfiguration = {
        S3EncryptionConfiguration = { EncryptionMode = "SSE-S3" }
      }
    }
    # Instance credentials only by IMDSv2.
    InstanceMetadataServiceConfiguration = {
      MinimumInstanceMetadataServiceVersion = 2
      HttpPutResponseHopLimit               = 1
    }
  })
}

resource "aws_emr_cluster" "spark" {
  #checkov:skip=CKV_AWS_114:Kerberos is for shared clusters; this one runs one job without logins
  count         = var.create_cluster ? 1 : 0
  name          = var.name
  release_label = var.emr_release
  applications  = ["Spark"]

  service_role           = aws_iam_role.service.arn
  security_configuration = aws_emr_security_configuration.main.name
  log_uri                = "${local.bucket_uri}/${local.keys.logs}"
  configurations_json    = jsonencode(local.configurations)

  termination_protection            = false
  keep_job_flow_alive_when_no_steps = true

  auto_termination_policy {
    idle_timeout = var.idle_timeout_seconds
  }

  ec2_attributes {
    subnet_id                         = aws_subnet.nodes.id
    instance_profile                  = aws_iam_instance_profile.nodes.arn
    emr_managed_master_security_group = aws_security_group.nodes.id
    emr_managed_slave_security_group  = aws_security_group.nodes.id
    additional_master_security_groups = one(aws_security_group.ssh[*].id)
    key_name                          = one(aws_key_pair.ssh[*].key_name)
  }

  master_instance_group {
    name          = "primary"
    instance_type = local.primary_instance_type
  }

  core_instance_group {
    name           = "core"
    instance_type  = local.core_instance_type
    instance_count = var.core_instance_count
  }

  bootstrap_action {
    name = "rollshare wheel"
    path = "${local.bucket_uri}/${aws_s3_object.bootstrap.key}"
    args = local.bootstrap_arguments
  }

  tags = local.emr_tag

  # Nodes fetch the wheel when they start: they need the role's policy and the routes.
  depends_on = [
    aws_s3_object.wheel, aws_s3_object.job, aws_iam_role_policy.nodes, aws_iam_role_policy.service_pass_nodes,
    aws_iam_role_policy_attachment.service, aws_route.out, aws_route_table_association.nodes, aws_vpc_endpoint.s3,
    aws_vpc_security_group_egress_rule.https, aws_vpc_security_group_egress_rule.among_nodes,
    aws_vpc_security_group_ingress_rule.among_nodes,
  ]

  lifecycle {
    precondition {
      condition     = local.instances_fit
      error_message = "Instance types ${local.primary_instance_type} and ${local.core_instance_type} are not all ${var.architecture}, which the wheel is for: change them or architecture."
    }
  }
}
