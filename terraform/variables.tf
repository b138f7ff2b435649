variable "bucket_name" {
  description = "Name of the one bucket: exports, job, bootstrap, wheel, logs, output. Unique in all of AWS. From .env: TF_VAR_bucket_name."
  type        = string

  validation {
    condition = (
      can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
      && !startswith(var.bucket_name, "xn--") && !endswith(var.bucket_name, "-s3alias")
    )
    error_message = "bucket_name has to be 3 to 63 lower case letters, digits and hyphens (no dots: TLS), not beginning with xn-- or ending in -s3alias."
  }
}

variable "name" {
  description = "Begins the name of every resource, and is their tag `project`."
  type        = string
  default     = "rollshare"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name has to be 2 to 31 lower case letters, digits and hyphens, beginning with a letter."
  }
}

variable "tags" {
  description = "Further tags of every resource."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.tags : length(key) >= 1 && length(key) <= 128 && length(value) <= 256 && !startswith(lower(key), "aws:")])
    error_message = "tags: keys of 1 to 128 characters not beginning with aws:, values of at most 256."
  }
}

# The cluster.

variable "create_cluster" {
  description = "false sets up all but the cluster, for a scheduler that starts one a run."
  type        = bool
  default     = true
}

variable "emr_release" {
  description = "EMR release label: emr-7.x (Spark 3.5) or emr-spark-8.x (Spark 4)."
  type        = string
  default     = "emr-7.13.0"

  validation {
    condition     = can(regex("^(emr-7|emr-spark-8)\\.[0-9]+\\.[0-9]+$", var.emr_release))
    error_message = "emr_release has to be a label such as emr-7.13.0 or emr-spark-8.1.0: the wheel needs Amazon Linux 2023, which came with 7."
  }
}

variable "architecture" {
  description = "x86_64, or arm64 for Graviton: picks instance types and wheel together."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture has to be x86_64 or arm64."
  }
}

variable "primary_instance_type" {
  description = "Instance type of the primary node; null takes m5.xlarge or m6g.xlarge, by architecture."
  type        = string
  default     = null

  validation {
    condition     = var.primary_instance_type == null || can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", var.primary_instance_type))
    error_message = "primary_instance_type has to be an EC2 instance type, such as m5.xlarge."
  }
}

variable "core_instance_type" {
  description = "Instance type of the core nodes; null takes m5.xlarge or m6g.xlarge, by architecture."
  type        = string
  default     = null

  validation {
    condition     = var.core_instance_type == null || can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", var.core_instance_type))
    error_message = "core_instance_type has to be an EC2 instance type, such as m5.xlarge."
  }
}

variable "core_instance_count" {
  description = "Core nodes, which run the executors. 0 is one node in all, which reads exports of up to some gigabytes."
  type        = number
  default     = 0

  validation {
    condition     = var.core_instance_count >= 0 && var.core_instance_count <= 100 && floor(var.core_instance_count) == var.core_instance_count
    error_message = "core_instance_count has to be a whole number from 0 (one node in all) to 100."
  }
}

variable "spark_python" {
  description = "The Python that Spark uses on the nodes and the wheel is installed for; null takes python3 (3.9) on emr-7, python3.11 on emr-spark-8."
  type        = string
  default     = null

  validation {
    condition     = var.spark_python == null || can(regex("^/[a-zA-Z0-9/._-]+$", var.spark_python))
    error_message = "spark_python has to be an absolute path on the nodes, such as /usr/bin/python3.11."
  }
}

variable "node_folder" {
  description = "Folder on the nodes for the job and, with pyarrow, its environment."
  type        = string
  default     = "/opt/rollshare"

  validation {
    condition     = can(regex("^(/[a-zA-Z0-9._-]+)+$", var.node_folder))
    error_message = "node_folder has to be an absolute path without a slash at its end, such as /opt/rollshare."
  }
}

variable "pyarrow" {
  description = "true installs the wheel with pyarrow, which data frames of Spark need, in an environment in node_folder. The wheel of pyarrow has to be in wheel_dir."
  type        = bool
  default     = false
}

variable "idle_timeout_seconds" {
  description = "The cluster ends itself after this long without a step."
  type        = number
  default     = 3600

  validation {
    condition     = var.idle_timeout_seconds >= 60 && var.idle_timeout_seconds <= 604800 && floor(var.idle_timeout_seconds) == var.idle_timeout_seconds
    error_message = "idle_timeout_seconds has to be a whole number from 60 (a minute) to 604800 (a week), EMR's own bounds."
  }
}

# The content of the bucket.

variable "wheel_dir" {
  description = "Folder with the wheel that `make wheel` builds, one of each architecture at most. Relative to terraform/."
  type        = string
  default     = "../dist"
}

variable "input_file" {
  description = "A local parquet export to put under input/; empty puts none. Relative to terraform/."
  type        = string
  default     = ""

  validation {
    condition     = var.input_file == "" || (endswith(var.input_file, ".parquet") && try(fileexists(var.input_file), false))
    error_message = "input_file has to be the path of a .parquet file that is there (relative to terraform/, or absolute)."
  }
}

variable "log_retention_days" {
  description = "Logs, and versions that were replaced or deleted, are kept for so many days."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= 3650 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "log_retention_days has to be a whole number from 1 to 3650."
  }
}

variable "create_bucket" {
  description = "false uses a bucket that exists: only objects are put into it, and none of its settings is changed."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "ARN of a KMS key: for the bucket, if it is made here, what EMR writes, the disks of the nodes and the topic of the alarms. null: S3's own key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn has to be the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID; an alias is none."
  }
}

variable "force_destroy" {
  description = "true lets `terraform destroy` delete the bucket with everything in it. `make destroy DELETE_DATA=yes` sets it."
  type        = bool
  default     = false
}

# Roles.

variable "service_role_arn" {
  description = "ARN of a role for EMR that exists; null makes one."
  type        = string
  default     = null

  validation {
    condition     = var.service_role_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", var.service_role_arn))
    error_message = "service_role_arn has to be the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME."
  }
}

variable "instance_profile" {
  description = "Name of an instance profile for the nodes that exists, with a role that has the policy of the output nodes_policy; null makes both."
  type        = string
  default     = null

  validation {
    condition     = var.instance_profile == null || can(regex("^[a-zA-Z0-9+=,.@_-]{1,128}$", var.instance_profile))
    error_message = "instance_profile has to be the name of an instance profile, not its ARN."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of a policy that bounds the roles that are made here; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn has to be the ARN of a policy, arn:aws:iam::ACCOUNT:policy/NAME."
  }
}

variable "create_scheduler_policy" {
  description = "false makes no policy for the scheduler; the output scheduler_policy has its text."
  type        = bool
  default     = true
}

# Alarms.

variable "alarms" {
  description = "Metrics of runs, a topic, and alarms for blocked and failed runs."
  type        = bool
  default     = true
}

variable "alarm_emails" {
  description = "Addresses that the alarms are sent to. AWS asks each of them to confirm."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alarm_emails has to be addresses such as team@example.org."
  }
}

variable "late_after_hours" {
  description = "Also an alarm if no run was published for so many hours, 26 for a daily run; null: none."
  type        = number
  default     = null

  validation {
    condition     = var.late_after_hours == null || try(var.late_after_hours >= 1 && var.late_after_hours <= 168 && floor(var.late_after_hours) == var.late_after_hours, false)
    error_message = "late_after_hours has to be a whole number from 1 to 168 (a week), CloudWatch's own bound."
  }
}

# The network.

variable "subnet_id" {
  description = "A subnet that exists, for all nodes; its VPC is used too. null makes a VPC with a subnet."
  type        = string
  default     = null

  validation {
    condition     = var.subnet_id == null || can(regex("^subnet-[0-9a-f]{8,17}$", var.subnet_id))
    error_message = "subnet_id has to be the id of a subnet, such as subnet-0123456789abcdef0."
  }
}

variable "private_subnet" {
  description = "true: nodes have no public addresses. The subnet that is made has a NAT gateway, which is billed by the hour; one that is given needs a way to S3 and AWS's services."
  type        = bool
  default     = false
}

variable "certificates_file" {
  description = "A local zip with certificateChain.pem and privateKey.pem, for encryption between nodes; null: none. Relative to terraform/."
  type        = string
  default     = null

  validation {
    condition     = var.certificates_file == null || (endswith(coalesce(var.certificates_file, "-"), ".zip") && try(fileexists(var.certificates_file), false))
    error_message = "certificates_file has to be the path of a .zip file that is there (relative to terraform/, or absolute)."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC; the subnet takes the first /24."
  type        = string
  default     = "10.80.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr has to be an IPv4 block from /16 to /24, such as 10.80.0.0/16."
  }
}

variable "availability_zone" {
  description = "Zone of the subnet; null leaves it to AWS. Set it where an instance type is not in every zone."
  type        = string
  default     = null

  validation {
    condition     = var.availability_zone == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+[a-z]$", var.availability_zone))
    error_message = "availability_zone has to be a zone's name, such as eu-central-1a."
  }
}

variable "session_manager" {
  description = "Lets Session Manager open a shell on the nodes, without an open port or a key."
  type        = bool
  default     = true
}

variable "ssh_cidrs" {
  description = "Networks that may reach the primary node by SSH. Empty: no SSH."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.ssh_cidrs : can(cidrhost(cidr, 0)) && try(tonumber(split("/", cidr)[1]), 0) >= 16])
    error_message = "ssh_cidrs has to be IPv4 blocks of /16 or smaller, such as 203.0.113.7/32; the whole internet is not among them."
  }
}

variable "public_key" {
  description = "SSH public key (ssh-ed25519 ... or ssh-rsa ...), needed with ssh_cidrs alone. From .env: TF_VAR_public_key."
  type        = string
  default     = ""

  validation {
    condition     = var.public_key == "" || can(regex("^(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/=]+( .*)?$", trimspace(var.public_key)))
    error_message = "public_key has to be the one line of a .pub file, ssh-ed25519 or ssh-rsa; ECDSA keys are not taken by EC2."
  }
}
