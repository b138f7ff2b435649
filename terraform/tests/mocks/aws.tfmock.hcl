# What AWS would answer, where the tests look at it.

mock_data "aws_partition" {
  defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
}

mock_data "aws_region" {
  defaults = { name = "eu-central-1" }
}

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/rollshare-nodes" }
}

mock_resource "aws_iam_policy" {
  defaults = { arn = "arn:aws:iam::123456789012:policy/rollshare-scheduler" }
}

mock_resource "aws_iam_instance_profile" {
  defaults = { arn = "arn:aws:iam::123456789012:instance-profile/rollshare-nodes" }
}

mock_resource "aws_emr_cluster" {
  defaults = { id = "j-MOCKED" }
}

mock_data "aws_subnet" {
  defaults = {
    vpc_id = "vpc-given"
    tags   = { "for-use-with-amazon-emr-managed-policies" = "true" }
  }
}

mock_data "aws_s3_bucket" {
  defaults = { id = "shares-of-a-team" }
}

mock_data "aws_iam_instance_profile" {
  defaults = {
    arn      = "arn:aws:iam::123456789012:instance-profile/platform-nodes"
    role_arn = "arn:aws:iam::123456789012:role/platform-nodes"
  }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:rollshare-alarms" }
}
