# A VPC with one public subnet: the nodes have outbound access to AWS's services and no inbound access. With
# private_subnet the nodes have no public addresses, and a NAT gateway, which is billed by the hour, in a second subnet.
# With subnet_id the network exists, and only security groups are made in it.

locals {
  own_network = var.subnet_id == null
  vpc_id      = local.own_network ? one(aws_vpc.main[*].id) : data.aws_subnet.given[0].vpc_id
  subnet_id   = local.own_network ? one(aws_subnet.nodes[*].id) : var.subnet_id
  nat         = local.own_network && var.private_subnet
  # The /24 blocks of the VPC: the first for the nodes, the second for the NAT gateway. A VPC of a /24 is cut in two.
  subnet_bits = max(24 - tonumber(split("/", var.vpc_cidr)[1]), var.private_subnet ? 1 : 0)
}

data "aws_subnet" "given" {
  count = local.own_network ? 0 : 1
  id    = var.subnet_id

  lifecycle {
    postcondition {
      condition     = var.service_role_arn != null || try(self.tags["for-use-with-amazon-emr-managed-policies"], "") == "true"
      error_message = <<-MESSAGE
        AmazonEMRServicePolicy_v2 uses only subnets with a tag, which ${var.subnet_id} lacks. Set service_role_arn to a role of your own, or:
        aws ec2 create-tags --resources ${var.subnet_id} --tags Key=for-use-with-amazon-emr-managed-policies,Value=true
      MESSAGE
    }
  }
}

resource "aws_vpc" "main" {
  #checkov:skip=CKV2_AWS_11:no port is open to the internet; flow logs would cost more than the job
  count                = local.own_network ? 1 : 0
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.emr_tag, { Name = var.name })
}

# The default security group of the VPC would allow all traffic among its members: it is emptied.
resource "aws_default_security_group" "closed" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.main[0].id
}

resource "aws_subnet" "nodes" {
  #checkov:skip=CKV_AWS_130:unless private_subnet is set, nodes reach AWS's services by a public address; no security group allows inbound traffic
  count                   = local.own_network ? 1 : 0
  vpc_id                  = aws_vpc.main[0].id
  cidr_block              = cidrsubnet(var.vpc_cidr, local.subnet_bits, 0)
  availability_zone       = var.availability_zone
  map_public_ip_on_launch = !var.private_subnet
  tags                    = merge(local.emr_tag, { Name = "${var.name}-nodes" })
}

resource "aws_internet_gateway" "main" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.main[0].id
  tags   = { Name = var.name }
}

resource "aws_route_table" "nodes" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.main[0].id
  tags   = { Name = "${var.name}-nodes" }
}

resource "aws_route" "out" {
  count                  = local.own_network ? 1 : 0
  route_table_id         = aws_route_table.nodes[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = local.nat ? null : aws_internet_gateway.main[0].id
  nat_gateway_id         = one(aws_nat_gateway.main[*].id)
}

resource "aws_route_table_association" "nodes" {
  count          = local.own_network ? 1 : 0
  subnet_id      = aws_subnet.nodes[0].id
  route_table_id = aws_route_table.nodes[0].id
}

# Traffic to S3 stays inside AWS, and is free of charge.
resource "aws_vpc_endpoint" "s3" {
  count             = local.own_network ? 1 : 0
  vpc_id            = aws_vpc.main[0].id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.nodes[0].id]
  policy            = local.endpoint_policy
  tags              = { Name = "${var.name}-s3" }
}

# The way out of a private subnet: a NAT gateway in a public one.
resource "aws_subnet" "public" {
  count             = local.nat ? 1 : 0
  vpc_id            = aws_vpc.main[0].id
  cidr_block        = cidrsubnet(var.vpc_cidr, local.subnet_bits, 1)
  availability_zone = aws_subnet.nodes[0].availability_zone
  tags              = { Name = "${var.name}-nat" }
}

resource "aws_eip" "nat" {
  count  = local.nat ? 1 : 0
  domain = "vpc"
  tags   = { Name = "${var.name}-nat" }
}

resource "aws_nat_gateway" "main" {
  count         = local.nat ? 1 : 0
  allocation_id = aws_eip.nat[0].id
  subnet_id     = aws_subnet.public[0].id
  tags          = { Name = var.name }
  depends_on    = [aws_route.internet]
}

resource "aws_route_table" "public" {
  count  = local.nat ? 1 : 0
  vpc_id = aws_vpc.main[0].id
  tags   = { Name = "${var.name}-nat" }
}

resource "aws_route" "internet" {
  count                  = local.nat ? 1 : 0
  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main[0].id
}

resource "aws_route_table_association" "public" {
  count          = local.nat ? 1 : 0
  subnet_id      = aws_subnet.public[0].id
  route_table_id = aws_route_table.public[0].id
}

# One group for all nodes. EMR adds the rules that its control plane needs (port 8443 from AWS's addresses).
resource "aws_security_group" "nodes" {
  #checkov:skip=CKV2_AWS_5:it is attached to the cluster, or by the scheduler to the clusters that it starts
  name        = "${var.name}-nodes"
  description = "Nodes of the cluster, among themselves and out to AWS"
  vpc_id      = local.vpc_id
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

# In a private subnet EMR's control plane reaches the nodes by an interface with this group, on port 8443, and the primary
# node reaches it on port 9443.
resource "aws_security_group" "service" {
  #checkov:skip=CKV2_AWS_5:it is attached to the cluster, or by the scheduler to the clusters that it starts
  count       = var.private_subnet ? 1 : 0
  name        = "${var.name}-service"
  description = "EMR's control plane, from and to the nodes"
  vpc_id      = local.vpc_id
  tags        = merge(local.emr_tag, { Name = "${var.name}-service" })
}

resource "aws_vpc_security_group_egress_rule" "service_to_nodes" {
  count                        = var.private_subnet ? 1 : 0
  security_group_id            = aws_security_group.service[0].id
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "tcp"
  from_port                    = 8443
  to_port                      = 8443
  description                  = "Control plane to nodes"
}

resource "aws_vpc_security_group_ingress_rule" "nodes_from_service" {
  count                        = var.private_subnet ? 1 : 0
  security_group_id            = aws_security_group.nodes.id
  referenced_security_group_id = aws_security_group.service[0].id
  ip_protocol                  = "tcp"
  from_port                    = 8443
  to_port                      = 8443
  description                  = "Control plane to nodes"
}

resource "aws_vpc_security_group_ingress_rule" "service_from_nodes" {
  count                        = var.private_subnet ? 1 : 0
  security_group_id            = aws_security_group.service[0].id
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "tcp"
  from_port                    = 9443
  to_port                      = 9443
  description                  = "Nodes to control plane"
}

resource "aws_vpc_security_group_egress_rule" "nodes_to_service" {
  count                        = var.private_subnet ? 1 : 0
  security_group_id            = aws_security_group.nodes.id
  referenced_security_group_id = aws_security_group.service[0].id
  ip_protocol                  = "tcp"
  from_port                    = 9443
  to_port                      = 9443
  description                  = "Nodes to control plane"
}

# SSH, only when networks are given.
resource "aws_security_group" "ssh" {
  #checkov:skip=CKV2_AWS_5:it is attached to the primary node, if there is a cluster
  count       = length(var.ssh_cidrs) > 0 ? 1 : 0
  name        = "${var.name}-ssh"
  description = "SSH to the primary node from given networks"
  vpc_id      = local.vpc_id
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
