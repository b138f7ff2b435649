locals {
  cluster_id = one(aws_emr_cluster.spark[*].id)
  # Printed if there is no cluster.
  cluster = coalesce(local.cluster_id, "CLUSTER_ID")
  input   = "${local.bucket_uri}/${local.keys.input}"
  output  = "${local.bucket_uri}/${local.keys.output}"
}

output "cluster_id" {
  description = "Id of the cluster; empty with create_cluster = false."
  value       = local.cluster_id == null ? "" : local.cluster_id
}

output "input_path" {
  description = "Exports go here."
  value       = local.input
}

output "output_path" {
  description = "The published table."
  value       = local.output
}

output "logs_path" {
  description = "Logs of clusters and steps."
  value       = "${local.bucket_uri}/${local.keys.logs}"
}

output "add_steps_command" {
  description = "Sends the job to the cluster."
  value = join(" ", [
    "aws emr add-steps --cluster-id ${local.cluster}",
    "--steps 'Type=Spark,Name=rollshare,ActionOnFailure=CONTINUE,Args=[${join(",", concat([local.node_job, "--source_parquet", local.input, "--target_parquet", local.output], local.job_arguments))}]'",
    "--query 'StepIds[0]' --output text",
  ])
}

output "describe_step_command" {
  description = "State of a step; put the id that add-steps printed for STEP_ID."
  value       = "aws emr describe-step --cluster-id ${local.cluster} --step-id STEP_ID --query 'Step.Status' --output json"
}

output "session_command" {
  description = "A shell on the primary node by Session Manager, without an open port."
  value = join(" ", [
    "aws ssm start-session --target",
    "\"$(aws emr list-instances --cluster-id ${local.cluster} --instance-group-types MASTER --query 'Instances[0].Ec2InstanceId' --output text)\"",
  ])
}

output "scheduler_policy_arn" {
  description = "Policy for the user or role under which the scheduler runs; empty with create_scheduler_policy = false."
  value       = var.create_scheduler_policy ? aws_iam_policy.scheduler[0].arn : ""
}

output "scheduler_policy" {
  description = "Text of that policy, for a role that others manage."
  value       = local.scheduler_policy
}

output "nodes_policy" {
  description = "Text of the policy that the role of the nodes needs, for instance_profile."
  value       = local.nodes_policy
}

output "alarms_topic_arn" {
  description = "SNS topic of the alarms; empty with alarms = false."
  value       = var.alarms ? aws_sns_topic.alarms[0].arn : ""
}

output "airflow_variable" {
  description = "Value of the Airflow variable `organic_share`, the settings of dags/organic_share.py."
  value = jsonencode({
    bucket  = var.bucket_name
    job     = local.node_job
    metrics = var.alarms ? var.name : ""
    job_flow = {
      Name                  = local.daily_name
      ReleaseLabel          = var.emr_release
      Applications          = [{ Name = "Spark" }]
      ServiceRole           = reverse(split("/", local.service_role_arn))[0]
      JobFlowRole           = var.instance_profile == null ? aws_iam_instance_profile.nodes[0].name : var.instance_profile
      SecurityConfiguration = aws_emr_security_configuration.main.name
      LogUri                = "${local.bucket_uri}/${local.keys.logs}"
      Configurations        = local.configurations
      BootstrapActions = [{
        Name                  = "rollshare wheel"
        ScriptBootstrapAction = { Path = "${local.bucket_uri}/${local.keys.bootstrap}", Args = local.bootstrap_arguments }
      }]
      AutoTerminationPolicy = { IdleTimeout = var.idle_timeout_seconds }
      Tags                  = [for key, value in merge(local.tags, local.emr_tag) : { Key = key, Value = value }]
      Instances = merge({
        Ec2SubnetId                   = local.subnet_id
        EmrManagedMasterSecurityGroup = aws_security_group.nodes.id
        EmrManagedSlaveSecurityGroup  = aws_security_group.nodes.id
        KeepJobFlowAliveWhenNoSteps   = true
        TerminationProtected          = false
        InstanceGroups = [
          for group in [
            { Name = "primary", InstanceRole = "MASTER", InstanceType = local.primary_instance_type, InstanceCount = 1 },
            { Name = "core", InstanceRole = "CORE", InstanceType = local.core_instance_type, InstanceCount = var.core_instance_count },
          ] : group if group.InstanceCount > 0
        ]
      }, var.private_subnet ? { ServiceAccessSecurityGroup = aws_security_group.service[0].id } : {})
    }
  })
}
