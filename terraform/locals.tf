locals {
  # EMR's managed service policy acts only on resources with this tag.
  emr_tag = { "for-use-with-amazon-emr-managed-policies" = "true" }

  # The keys of the bucket. docs/aws.md, dags/ and the outputs use the same keys.
  keys = {
    input        = "input/"
    checks       = "checks/"
    profiles     = "profiles/"
    job          = "jobs/transform.py"
    bootstrap    = "bootstrap/bootstrap.sh"
    certificates = "certificates/nodes.zip"
    wheel        = "wheels/${local.wheel_file}"
    pyarrow      = "wheels/${local.pyarrow_file}"
    output       = "output/share/"
    logs         = "logs/"
  }
  bucket     = var.create_bucket ? one(aws_s3_bucket.data[*].id) : one(data.aws_s3_bucket.given[*].id)
  bucket_uri = "s3://${var.bucket_name}"

  # Clusters that the scheduler starts.
  daily_name = "${var.name}-daily"

  # Tags of every resource. A key of var.tags may replace `project`, by which the scheduler's clusters are known.
  tags = merge({ project = var.name }, var.tags)

  # One variable selects instance types and wheel.
  machine       = { x86_64 = { wheel = "x86_64", instance = "m5.xlarge" }, arm64 = { wheel = "aarch64", instance = "m6g.xlarge" } }[var.architecture]
  wheel_machine = local.machine.wheel
  wheel_folder  = startswith(var.wheel_dir, "/") ? var.wheel_dir : "${path.module}/${var.wheel_dir}"
  wheels        = sort(fileset(local.wheel_folder, "rollshare-*-cp39-abi3-manylinux*_${local.wheel_machine}.whl"))
  wheel_file    = length(local.wheels) == 1 ? local.wheels[0] : "none"
  wheel_path    = "${local.wheel_folder}/${local.wheel_file}"
  wheel_sha256  = length(local.wheels) == 1 ? filesha256(local.wheel_path) : "none"
  # manylinux2014 and older tags name no glibc above 2.17.
  wheel_glibc = try(min([for version in regexall("manylinux_2_([0-9]+)_", local.wheel_file) : tonumber(version[0])]...), 17)

  job_path   = "${path.module}/../jobs/transform.py"
  job_sha256 = filesha256(local.job_path)

  pyarrow_wheels = sort(fileset(local.wheel_folder, "pyarrow-*_${local.wheel_machine}.whl"))
  pyarrow_file   = length(local.pyarrow_wheels) == 1 ? local.pyarrow_wheels[0] : "none"
  pyarrow_path   = "${local.wheel_folder}/${local.pyarrow_file}"
  pyarrow_sha256 = length(local.pyarrow_wheels) == 1 ? filesha256(local.pyarrow_path) : "none"

  primary_instance_type = coalesce(var.primary_instance_type, local.machine.instance)
  core_instance_type    = coalesce(var.core_instance_type, local.machine.instance)
  # Graviton families carry a g after the generation: m6g, c7gn, r8gd, im4gn; x86 ones do not (g5 is a family of GPUs).
  instances_fit = alltrue([
    for type in [local.primary_instance_type, local.core_instance_type] :
    can(regex("^[a-z]+[0-9]+g", type)) == (var.architecture == "arm64")
  ])

  # emr-7 has Python 3.9 as python3; emr-spark-8 runs Spark 4, which needs 3.10 or later.
  python_version = startswith(var.emr_release, "emr-7.") ? "3.9" : "3.11"
  spark_python   = coalesce(var.spark_python, local.python_version == "3.9" ? "/usr/bin/python3" : "/usr/bin/python3.11")
  # That of the environment with pyarrow, if there is one.
  node_python = var.pyarrow ? "${var.node_folder}/python/bin/python" : local.spark_python
  # The job, where the bootstrap puts it after it has verified its hash.
  node_job = "${var.node_folder}/transform.py"

  # Driver and executors use the Python that the wheel is installed for.
  configurations = [
    {
      Classification = "spark-env"
      Properties     = {}
      Configurations = [{ Classification = "export", Properties = { PYSPARK_PYTHON = local.node_python, AWS_DEFAULT_REGION = data.aws_region.current.name } }]
    },
    {
      Classification = "spark-defaults"
      Properties = {
        "spark.executorEnv.PYSPARK_PYTHON"           = local.node_python
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON"     = local.node_python
        "spark.executorEnv.AWS_DEFAULT_REGION"       = data.aws_region.current.name
        "spark.yarn.appMasterEnv.AWS_DEFAULT_REGION" = data.aws_region.current.name
      }
    },
  ]

  bootstrap_arguments = concat(
    ["${local.bucket_uri}/${local.keys.wheel}", local.wheel_sha256, local.spark_python],
    ["${local.bucket_uri}/${local.keys.job}", local.job_sha256, var.node_folder],
    var.pyarrow ? ["${local.bucket_uri}/${local.keys.pyarrow}", local.pyarrow_sha256] : [],
  )

  # What the job is given in addition to source and target.
  job_arguments = var.alarms ? ["--metrics", var.name] : []
}
