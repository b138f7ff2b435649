# Two roles: one for EMR with AWS's managed policy, and one for the nodes, which may read and write only in this bucket.
# service_role_arn and instance_profile replace them by roles that exist; the outputs have the policies that those need.

locals {
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket_name}"

  read_prefixes = [for key in concat(
    ["input/", "checks/", "profiles/", "jobs/", "bootstrap/", "wheels/"],
    var.certificates_file == null ? [] : ["certificates/"],
  ) : "${local.bucket_arn}/${key}*"]
  write_prefixes = ["${local.bucket_arn}/output/*"]

  # Requests to the bucket without TLS are denied, whatever other policies allow.
  bucket_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # The VPC endpoint for S3 allows this bucket, reading (repositories of Amazon Linux and EMR are in buckets of
  # changing names; the nodes' role limits what they may read), and EMR's archive of application histories.
  endpoint_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "ThisBucket"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
      },
      {
        Sid       = "Repositories"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:GetObject", "s3:ListBucket"]
        Resource  = "*"
      },
      {
        Sid       = "ApplicationHistory"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource  = "arn:${data.aws_partition.current.partition}:s3:::prod.${data.aws_region.current.name}.appinfo.src/*"
      },
    ]
  })

  nodes_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "List"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
        Resource = local.bucket_arn
      },
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = local.read_prefixes
      },
      {
        Sid      = "Publish"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = local.write_prefixes
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "${local.bucket_arn}/${local.keys.logs}*"
      },
      ], local.key_statements, local.metric_statements, var.session_manager ? [{
        # These actions do not support resource-level permissions.
        Sid    = "SessionManager"
        Effect = "Allow"
        Action = [
          "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
        ]
        Resource = "*"
    }] : [])
  })

  # With a customer key, roles that read or write objects need the key too.
  key_statements = var.kms_key_arn == null ? [] : [{
    Sid      = "Key"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"]
    Resource = var.kms_key_arn
  }]

  # The outcomes of runs, for the alarms. This action does not support resource-level permissions.
  metric_statements = var.alarms ? [{
    Sid       = "Metrics"
    Effect    = "Allow"
    Action    = "cloudwatch:PutMetricData"
    Resource  = "*"
    Condition = { StringEquals = { "cloudwatch:namespace" = var.name } }
  }] : []

  # Permissions of a scheduler that starts clusters with these roles, sends steps, and polls for exports and reports.
  scheduler_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "StartClusters"
        Effect   = "Allow"
        Action   = ["elasticmapreduce:RunJobFlow", "elasticmapreduce:AddTags"]
        Resource = "*"
        Condition = {
          StringEquals = { "aws:RequestTag/project" = local.tags.project }
        }
      },
      {
        Sid    = "RunClusters"
        Effect = "Allow"
        Action = [
          "elasticmapreduce:AddJobFlowSteps", "elasticmapreduce:DescribeCluster", "elasticmapreduce:DescribeStep",
          "elasticmapreduce:ListSteps", "elasticmapreduce:TerminateJobFlows",
        ]
        Resource = "*"
        Condition = {
          StringEquals = { "elasticmapreduce:ResourceTag/project" = local.tags.project }
        }
      },
      {
        Sid      = "PassRoles"
        Effect   = "Allow"
        Action   = "iam:PassRole"
        Resource = [local.service_role_arn, local.nodes_role_arn]
        Condition = {
          StringLike = { "iam:PassedToService" = ["elasticmapreduce.${local.service_domain}", "ec2.${local.service_domain}*"] }
        }
      },
      {
        Sid      = "List"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
        Resource = local.bucket_arn
      },
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = [for key in ["input/", "checks/", "profiles/", "output/"] : "${local.bucket_arn}/${key}*"]
      },
      {
        # In one-machine mode the scheduler publishes.
        Sid      = "Publish"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = local.write_prefixes
      },
    ], local.key_statements, local.metric_statements)
  })

  service_role_arn     = var.service_role_arn == null ? one(aws_iam_role.service[*].arn) : var.service_role_arn
  instance_profile_arn = var.instance_profile == null ? one(aws_iam_instance_profile.nodes[*].arn) : data.aws_iam_instance_profile.given[0].arn
  nodes_role_arn       = var.instance_profile == null ? one(aws_iam_role.nodes[*].arn) : data.aws_iam_instance_profile.given[0].role_arn

  service_domain = data.aws_partition.current.dns_suffix
}

resource "aws_iam_role" "service" {
  count                = var.service_role_arn == null ? 1 : 0
  name                 = "${var.name}-service"
  description          = "EMR's own: starts and ends the nodes"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "elasticmapreduce.${local.service_domain}" }
      Action    = "sts:AssumeRole"
      # Only for clusters of this account and region, against the confused deputy problem.
      Condition = {
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:elasticmapreduce:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:*" }
      }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "service" {
  count      = var.service_role_arn == null ? 1 : 0
  role       = aws_iam_role.service[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"
}

# The managed policy may pass only EMR's default role; this one has to be allowed by name.
resource "aws_iam_role_policy" "service_pass_nodes" {
  count = var.service_role_arn == null ? 1 : 0
  name  = "pass-nodes-role"
  role  = aws_iam_role.service[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "PassNodesRole"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = local.nodes_role_arn
      Condition = { StringLike = { "iam:PassedToService" = "ec2.${local.service_domain}*" } }
    }]
  })
}

# Encrypting the disks of the nodes takes grants for the key.
resource "aws_iam_role_policy" "service_key" {
  count = var.service_role_arn == null && var.kms_key_arn != null ? 1 : 0
  name  = "key"
  role  = aws_iam_role.service[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.key_statements, [{
      Sid       = "Disks"
      Effect    = "Allow"
      Action    = "kms:CreateGrant"
      Resource  = var.kms_key_arn
      Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
    }])
  })
}

resource "aws_iam_role" "nodes" {
  count                = var.instance_profile == null ? 1 : 0
  name                 = "${var.name}-nodes"
  description          = "The nodes: this bucket and no more"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.${local.service_domain}" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "nodes" {
  count  = var.instance_profile == null ? 1 : 0
  name   = "bucket"
  role   = aws_iam_role.nodes[0].id
  policy = local.nodes_policy
}

resource "aws_iam_instance_profile" "nodes" {
  count = var.instance_profile == null ? 1 : 0
  name  = "${var.name}-nodes"
  role  = aws_iam_role.nodes[0].name
}

data "aws_iam_instance_profile" "given" {
  count = var.instance_profile == null ? 0 : 1
  name  = var.instance_profile
}

# Not attached here: for the user or role under which the scheduler runs.
resource "aws_iam_policy" "scheduler" {
  count       = var.create_scheduler_policy ? 1 : 0
  name        = "${var.name}-scheduler"
  description = "Start clusters with these roles, send steps, read exports and reports, publish"
  policy      = local.scheduler_policy
}
