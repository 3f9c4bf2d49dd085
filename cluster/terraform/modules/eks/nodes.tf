# Three managed node groups. Labels and taints are the contract with the KubeRay overlays:
#   system       Ray head, API replicas, operators, monitoring; on demand, no taint
#   pricer       pricer workers on demand: what a run is guaranteed
#   pricer-spot  pricer workers on spot: a lost node costs the time of its shards, never a result

locals {
  pools = {
    system = {
      size     = var.node_pools.system
      capacity = "ON_DEMAND"
      labels   = { "riskray.io/pool" = "system", "riskray.io/capacity" = "on-demand" }
      taints   = {}
    }
    pricer = {
      size     = var.node_pools.pricer
      capacity = "ON_DEMAND"
      labels   = { "riskray.io/pool" = "pricer", "riskray.io/capacity" = "on-demand" }
      taints   = { "riskray.io/pool" = "pricer" }
    }
    pricer-spot = {
      size     = var.node_pools.pricer_spot
      capacity = "SPOT"
      labels   = { "riskray.io/pool" = "pricer", "riskray.io/capacity" = "spot" }
      taints   = { "riskray.io/pool" = "pricer", "riskray.io/capacity" = "spot" }
    }
  }
}

data "aws_iam_policy_document" "node_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

# What the kubelet needs and no more: pods get their rights from Pod Identity, the network plug-in included.
resource "aws_iam_role" "node" {
  name               = "${var.name}-node"
  assume_role_policy = data.aws_iam_policy_document.node_trust.json
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset(["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"])

  role       = aws_iam_role.node.name
  policy_arn = "${local.policies}/${each.key}"
}

resource "aws_launch_template" "pool" {
  for_each = local.pools

  name_prefix            = "${var.name}-${each.key}-"
  update_default_version = true

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # a pod is one hop further: it cannot borrow the node's role
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = each.value.size.disk_gib
      encrypted             = true
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])

    content {
      resource_type = tag_specifications.key
      tags          = { Name = "${var.name}-${each.key}" }
    }
  }
}

resource "aws_eks_node_group" "pool" {
  for_each = local.pools

  cluster_name    = aws_eks_cluster.this.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = var.node_subnets
  version         = var.kubernetes_version
  ami_type        = "AL2023_x86_64_STANDARD"
  capacity_type   = each.value.capacity
  instance_types  = each.value.size.instance_types
  labels          = each.value.labels

  launch_template {
    id      = aws_launch_template.pool[each.key].id
    version = aws_launch_template.pool[each.key].latest_version
  }

  scaling_config {
    min_size     = each.value.size.min
    max_size     = each.value.size.max
    desired_size = each.value.size.min
  }

  update_config {
    max_unavailable_percentage = 33
  }

  node_repair_config {
    enabled = true
  }

  dynamic "taint" {
    for_each = each.value.taints

    content {
      key    = taint.key
      value  = taint.value
      effect = "NO_SCHEDULE"
    }
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # the cluster autoscaler's
  }

  # Nodes that start before the network plug-in and Pod Identity would wait for them, and time out on a slow day.
  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.before_nodes]
}
