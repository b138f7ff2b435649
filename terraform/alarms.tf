# A topic, and alarms by the metric `runs` that the job sends: its dimension `outcome` is that of its exit code.
#
#   published  0, 7
#   blocked    4 (a check has failed), 5 (a check could not run)
#   failed     every other exit code

resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:encrypted with kms_key_arn; AWS's own key for SNS lets no alarm publish, and messages hold no data
  count             = var.alarms ? 1 : 0
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  count = var.alarms ? 1 : 0
  arn   = aws_sns_topic.alarms[0].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms[0].arn
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      },
      {
        # Without a condition, as EventBridge's documentation has it for topics.
        Sid       = "Events"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms[0].arn
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = var.alarms ? toset(var.alarm_emails) : []
  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "run" {
  for_each = var.alarms ? {
    blocked = "A check has blocked a run; the table is unchanged. docs/aws.md, Runbook, Blocked."
    failed  = "A run has failed; the table is unchanged. docs/aws.md, Runbook, Failed."
  } : {}
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value
  namespace           = var.name
  metric_name         = "runs"
  dimensions          = { outcome = each.key }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms[0].arn]
}

# Also finds what sends no metric: a job that was killed, a scheduler that does not run.
resource "aws_cloudwatch_metric_alarm" "late" {
  count               = var.alarms && var.late_after_hours != null ? 1 : 0
  alarm_name          = "${var.name}-late"
  alarm_description   = "No run was published for ${coalesce(var.late_after_hours, 0)} hours. docs/aws.md, Runbook, Late."
  namespace           = var.name
  metric_name         = "runs"
  dimensions          = { outcome = "published" }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = var.late_after_hours
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms[0].arn]
}

# A cluster that ends before the job starts, such as one whose bootstrap fails, sends no metric either.
resource "aws_cloudwatch_event_rule" "cluster" {
  count       = var.alarms ? 1 : 0
  name        = "${var.name}-cluster"
  description = "Clusters that end with errors"
  event_pattern = jsonencode({
    source      = ["aws.emr"]
    detail-type = ["EMR Cluster State Change"]
    detail      = { state = ["TERMINATED_WITH_ERRORS"], name = [var.name, local.daily_name] }
  })
}

resource "aws_cloudwatch_event_target" "cluster" {
  count = var.alarms ? 1 : 0
  rule  = aws_cloudwatch_event_rule.cluster[0].name
  arn   = aws_sns_topic.alarms[0].arn

  input_transformer {
    input_paths    = { cluster = "$.detail.clusterId", reason = "$.detail.stateChangeReason" }
    input_template = "\"Cluster <cluster> has ended with errors; the table is unchanged. docs/aws.md, Runbook, Failed. <reason>\""
  }
}
