# One bucket for everything: private, versioned, encrypted, TLS only. With create_bucket = false it exists, and only the
# objects below are managed.

resource "aws_s3_bucket" "data" {
  #checkov:skip=CKV_AWS_18:access logs would need a second bucket; CloudTrail data events provide them if needed
  #checkov:skip=CKV_AWS_144:exports and table can be recreated, so a second region has no benefit
  #checkov:skip=CKV_AWS_145:encrypted with S3's own key unless kms_key_arn names another: a customer key adds a charge per request
  #checkov:skip=CKV2_AWS_62:no listener: the scheduler polls for the export
  count         = var.create_bucket ? 1 : 0
  bucket        = var.bucket_name
  force_destroy = var.force_destroy
}

data "aws_s3_bucket" "given" {
  count  = var.create_bucket ? 0 : 1
  bucket = var.bucket_name
}

resource "aws_s3_bucket_public_access_block" "data" {
  count                   = var.create_bucket ? 1 : 0
  bucket                  = aws_s3_bucket.data[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "data" {
  count  = var.create_bucket ? 1 : 0
  bucket = aws_s3_bucket.data[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "data" {
  count  = var.create_bucket ? 1 : 0
  bucket = aws_s3_bucket.data[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data" {
  count  = var.create_bucket ? 1 : 0
  bucket = aws_s3_bucket.data[0].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
    # One request to KMS for many objects.
    bucket_key_enabled = var.kms_key_arn == null ? null : true
  }
}

resource "aws_s3_bucket_policy" "data" {
  count  = var.create_bucket ? 1 : 0
  bucket = aws_s3_bucket.data[0].id
  policy = local.bucket_policy
}

resource "aws_s3_bucket_lifecycle_configuration" "data" {
  count      = var.create_bucket ? 1 : 0
  bucket     = aws_s3_bucket.data[0].id
  depends_on = [aws_s3_bucket_versioning.data]

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.log_retention_days
    }

    # Each deletion leaves a marker, which is useless once the version behind it is gone.
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "logs"
    status = "Enabled"

    filter {
      prefix = local.keys.logs
    }

    expiration {
      days = var.log_retention_days
    }
  }

  # Unpublished objects are beside the table under names that begin with a dot; killed runs leave them.
  rule {
    id     = "staging"
    status = "Enabled"

    filter {
      prefix = "${local.keys.output}."
    }

    expiration {
      days = 1
    }
  }
}

# The files that the nodes need, under the keys of docs/aws.md. `source_hash` uploads a file when its bytes change.

resource "aws_s3_object" "job" {
  bucket      = local.bucket
  key         = local.keys.job
  source      = local.job_path
  source_hash = local.job_sha256
  depends_on  = [aws_s3_bucket_versioning.data]
}

resource "aws_s3_object" "bootstrap" {
  bucket      = local.bucket
  key         = local.keys.bootstrap
  source      = "${path.module}/../scripts/bootstrap.sh"
  source_hash = filesha256("${path.module}/../scripts/bootstrap.sh")
  depends_on  = [aws_s3_bucket_versioning.data]
}

resource "aws_s3_object" "wheel" {
  bucket      = local.bucket
  key         = local.keys.wheel
  source      = local.wheel_path
  source_hash = local.wheel_sha256
  depends_on  = [aws_s3_bucket_versioning.data]

  lifecycle {
    precondition {
      condition     = length(local.wheels) == 1
      error_message = <<-MESSAGE
        ${var.wheel_dir} has to hold one wheel for ${var.architecture}, rollshare-*-cp39-abi3-manylinux_*_${local.wheel_machine}.whl; found: ${length(local.wheels) == 0 ? "none" : join(", ", local.wheels)}.
        `make wheel` builds it for x86_64, scripts/wheel_aarch64.sh for arm64. Remove what is too old.
      MESSAGE
    }
    precondition {
      condition     = length(local.wheels) != 1 || local.wheel_glibc <= 34
      error_message = "${local.wheel_file} wants glibc 2.${local.wheel_glibc}; Amazon Linux 2023 has 2.34. `make wheel` builds one for 2.28."
    }
  }
}

resource "aws_s3_object" "input" {
  count       = var.input_file == "" ? 0 : 1
  bucket      = local.bucket
  key         = "${local.keys.input}${basename(var.input_file)}"
  source      = var.input_file
  source_hash = filesha256(var.input_file)
  depends_on  = [aws_s3_bucket_versioning.data]
}

# The wheel of pyarrow, for the separate environment of the nodes.
resource "aws_s3_object" "pyarrow" {
  count       = var.pyarrow ? 1 : 0
  bucket      = local.bucket
  key         = local.keys.pyarrow
  source      = local.pyarrow_path
  source_hash = local.pyarrow_sha256
  depends_on  = [aws_s3_bucket_versioning.data]

  lifecycle {
    precondition {
      condition     = length(local.pyarrow_wheels) == 1
      error_message = <<-MESSAGE
        pyarrow is true, so ${var.wheel_dir} has to hold one wheel of pyarrow for ${local.wheel_machine}; found: ${length(local.pyarrow_wheels) == 0 ? "none" : join(", ", local.pyarrow_wheels)}.
        pip download pyarrow --no-deps --only-binary :all: --python-version ${local.python_version} --platform manylinux_2_28_${local.wheel_machine} --dest ${var.wheel_dir}
      MESSAGE
    }
  }
}

# Certificate and key of the nodes, for encryption in transit.
resource "aws_s3_object" "certificates" {
  count       = var.certificates_file == null ? 0 : 1
  bucket      = local.bucket
  key         = local.keys.certificates
  source      = var.certificates_file
  source_hash = filesha256(var.certificates_file)
  depends_on  = [aws_s3_bucket_versioning.data]
}
