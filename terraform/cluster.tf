locals {
  kms_key = var.kms_key_arn == null ? {} : { AwsKmsKey = var.kms_key_arn }
}

resource "aws_emr_security_configuration" "main" {
  #checkov:skip=CKV_AWS_171:SSE-S3, as the bucket, unless kms_key_arn names a key: it adds a charge per request
  #checkov:skip=CKV_AWS_349:on with kms_key_arn; nodes live for one job and hold partial sums
  #checkov:skip=CKV_AWS_350:on with kms_key_arn: local disk encryption of EMR needs a customer key
  #checkov:skip=CKV_AWS_351:on with certificates_file; nodes communicate only among themselves, and send sums, not users
  name = var.name
  configuration = jsonencode({
    EncryptionConfiguration = merge(
      {
        EnableInTransitEncryption = var.certificates_file != null
        EnableAtRestEncryption    = true
        AtRestEncryptionConfiguration = merge(
          { S3EncryptionConfiguration = merge({ EncryptionMode = var.kms_key_arn == null ? "SSE-S3" : "SSE-KMS" }, local.kms_key) },
          var.kms_key_arn == null ? {} : {
            LocalDiskEncryptionConfiguration = merge({ EncryptionKeyProviderType = "AwsKms", EnableEbsEncryption = true }, local.kms_key)
          },
        )
      },
      var.certificates_file == null ? {} : {
        InTransitEncryptionConfiguration = {
          TLSCertificateConfiguration = { CertificateProviderType = "PEM", S3Object = "${local.bucket_uri}/${local.keys.certificates}" }
        }
      },
    )
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

  service_role           = local.service_role_arn
  security_configuration = aws_emr_security_configuration.main.name
  log_uri                = "${local.bucket_uri}/${local.keys.logs}"
  configurations_json    = jsonencode(local.configurations)

  termination_protection            = false
  keep_job_flow_alive_when_no_steps = true

  auto_termination_policy {
    idle_timeout = var.idle_timeout_seconds
  }

  ec2_attributes {
    subnet_id                         = local.subnet_id
    instance_profile                  = local.instance_profile_arn
    emr_managed_master_security_group = aws_security_group.nodes.id
    emr_managed_slave_security_group  = aws_security_group.nodes.id
    service_access_security_group     = one(aws_security_group.service[*].id)
    additional_master_security_groups = one(aws_security_group.ssh[*].id)
    key_name                          = one(aws_key_pair.ssh[*].key_name)
  }

  master_instance_group {
    name          = "primary"
    instance_type = local.primary_instance_type
  }

  dynamic "core_instance_group" {
    for_each = var.core_instance_count == 0 ? [] : [var.core_instance_count]
    content {
      name           = "core"
      instance_type  = local.core_instance_type
      instance_count = core_instance_group.value
    }
  }

  bootstrap_action {
    name = "rollshare wheel"
    path = "${local.bucket_uri}/${aws_s3_object.bootstrap.key}"
    args = local.bootstrap_arguments
  }

  tags = local.emr_tag

  # Nodes fetch the wheel when they start: they need the role's policy and the routes.
  depends_on = [
    aws_s3_object.wheel, aws_s3_object.job, aws_s3_object.pyarrow, aws_s3_object.certificates,
    aws_iam_role_policy.nodes, aws_iam_role_policy.service_pass_nodes, aws_iam_role_policy.service_key,
    aws_iam_role_policy_attachment.service, aws_route.out, aws_route_table_association.nodes, aws_vpc_endpoint.s3,
    aws_vpc_security_group_egress_rule.https, aws_vpc_security_group_egress_rule.among_nodes,
    aws_vpc_security_group_ingress_rule.among_nodes, aws_vpc_security_group_egress_rule.service_to_nodes,
    aws_vpc_security_group_ingress_rule.nodes_from_service, aws_vpc_security_group_ingress_rule.service_from_nodes,
    aws_vpc_security_group_egress_rule.nodes_to_service,
  ]

  lifecycle {
    precondition {
      condition     = local.instances_fit
      error_message = "Instance types ${local.primary_instance_type} and ${local.core_instance_type} are not all ${var.architecture}, which the wheel is for: change them or architecture."
    }
  }
}
