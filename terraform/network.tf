# A VPC with one public subnet: the nodes have outbound access to AWS's services and no inbound access.
# A private subnet would need a NAT gateway, which costs more per hour than a node's share of this job.

resource "aws_vpc" "main" {
  #checkov:skip=CKV2_AWS_11:no port is open to the internet; flow logs would cost more than the job
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.emr_tag, { Name = var.name })
}

# The default security group of the VPC would allow all traffic among its members: it is emptied.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "nodes" {
  #checkov:skip=CKV_AWS_130:nodes reach AWS's services by a public address; no security group allows inbound traffic
  vpc_id                  = aws_vpc.main.id
  cidr_block              = cidrsubnet(var.vpc_cidr, 24 - tonumber(split("/", var.vpc_cidr)[1]), 0)
  availability_zone       = var.availability_zone
  map_public_ip_on_launch = true
  tags                    = merge(local.emr_tag, { Name = "${var.name}-nodes" })
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = var.name }
}

resource "aws_route_table" "nodes" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "${var.name}-nodes" }
}

resource "aws_route" "out" {
  route_table_id         = aws_route_table.nodes.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route_table_association" "nodes" {
  subnet_id      = aws_subnet.nodes.id
  route_table_id = aws_route_table.nodes.id
}

# Traffic to S3 stays inside AWS, and is free of charge.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.main.id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.nodes.id]
  policy            = local.endpoint_policy
  tags              = { Name = "${var.name}-s3" }
}

# One group for all nodes. EMR adds the rules that its control plane needs (port 8443 from AWS's addresses).
resource "aws_security_group" "nodes" {
  #checkov:skip=CKV2_AWS_5:it is attached to the cluster, or by the scheduler to the clusters that it starts
  name        = "${var.name}-nodes"
  description = "Nodes of the cluster, among themselves and out to AWS"
  vpc_id      = aws_vpc.main.id
  tags        = merge(local.emr_tag, { Name = "${var.name}-nodes" })
}

resource "aws_vpc_security_group_ingress_rule" "among_nodes" {
  security_group_id            = aws_security_group.nodes.id
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "-1"
  description                  = "From node to node"
}

resource "aws_vpc_security_group_egress_rule" "among_nodes" {
  security_group_id            = aws_security_group.nodes.id
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "-1"
  description                  = "From node to node"
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.nodes.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "S3, EMR, Systems Manager"
}

# SSH, only when networks are given.
resource "aws_security_group" "ssh" {
  #checkov:skip=CKV2_AWS_5:it is attached to the primary node, if there is a cluster
  count       = length(var.ssh_cidrs) > 0 ? 1 : 0
  name        = "${var.name}-ssh"
  description = "SSH to the primary node from given networks"
  vpc_id      = aws_vpc.main.id
  tags        = merge(local.emr_tag, { Name = "${var.name}-ssh" })
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each          = toset(var.ssh_cidrs)
  security_group_id = aws_security_group.ssh[0].id
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  description       = "SSH"
}

resource "aws_key_pair" "ssh" {
  count      = length(var.ssh_cidrs) > 0 ? 1 : 0
  key_name   = var.name
  public_key = trimspace(var.public_key)

  lifecycle {
    precondition {
      condition     = var.public_key != ""
      error_message = "ssh_cidrs is set, public_key is not: set TF_VAR_public_key to the line of your .pub file, or leave ssh_cidrs empty and use Session Manager."
    }
  }
}
