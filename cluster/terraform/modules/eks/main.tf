# The Kubernetes control plane, who may talk to it, and the add-ons. Nodes are in nodes.tf, add-ons in addons.tf.

data "aws_partition" "current" {}

locals {
  policies         = "arn:${data.aws_partition.current.partition}:iam::aws:policy"
  cluster_policies = "arn:${data.aws_partition.current.partition}:eks::aws:cluster-access-policy"
}

data "aws_iam_policy_document" "cluster_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "cluster" {
  name               = "${var.name}-cluster"
  assume_role_policy = data.aws_iam_policy_document.cluster_trust.json
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "${local.policies}/AmazonEKSClusterPolicy"
}

# EKS would make this group itself, unencrypted and kept for ever.
resource "aws_cloudwatch_log_group" "control_plane" {
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_key_arn
}

resource "aws_eks_cluster" "this" {
  name                          = var.name
  version                       = var.kubernetes_version
  role_arn                      = aws_iam_role.cluster.arn
  enabled_cluster_log_types     = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
  bootstrap_self_managed_addons = false # addons.tf installs them, pinned

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false # administrators are named; the identity that first ran Terraform is none by itself
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = var.secrets_key_arn
    }
  }

  upgrade_policy {
    support_type = "STANDARD" # extended support costs six times as much an hour; without it AWS upgrades at the end of support
  }

  vpc_config {
    subnet_ids              = var.control_plane_subnets
    endpoint_private_access = true
    endpoint_public_access  = length(var.public_access_cidrs) > 0
    public_access_cidrs     = length(var.public_access_cidrs) > 0 ? var.public_access_cidrs : null
  }

  depends_on = [aws_cloudwatch_log_group.control_plane, aws_iam_role_policy_attachment.cluster]
}

# ------------------------------------------------------------------------------------------------------------- access

resource "aws_eks_access_entry" "admin" {
  for_each = toset(var.admin_principal_arns)

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.key
}

resource "aws_eks_access_policy_association" "admin" {
  for_each = aws_eks_access_entry.admin

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value.principal_arn
  policy_arn    = "${local.cluster_policies}/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}

# The pipeline is a member of a Kubernetes group and of nothing else: what the group may do is a Role in the KubeRay overlay,
# because AWS's own access policies know nothing of RayService.
resource "aws_eks_access_entry" "deploy" {
  cluster_name      = aws_eks_cluster.this.name
  principal_arn     = var.deploy_role_arn
  kubernetes_groups = [var.deploy_group]
}
