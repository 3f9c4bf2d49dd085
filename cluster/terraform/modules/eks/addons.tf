# EKS add-ons, every version pinned. Those that run pods on ordinary nodes come after the nodes, or they would never become active.

locals {
  # Add-ons that call AWS, the service account they do it as, and the AWS-managed policy made for them.
  addon_identities = {
    vpc-cni                         = { service_account = "aws-node", policy = "AmazonEKS_CNI_Policy" }
    aws-ebs-csi-driver              = { service_account = "ebs-csi-controller-sa", policy = "service-role/AmazonEBSCSIDriverPolicy" }
    amazon-cloudwatch-observability = { service_account = "cloudwatch-agent", policy = "CloudWatchAgentServerPolicy" }
  }

  # enableNetworkPolicy: without it the cluster accepts the overlays' NetworkPolicy objects but does not enforce them.
  addon_configuration = {
    vpc-cni = jsonencode({ enableNetworkPolicy = "true" })
  }

  before_nodes = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"]
  after_nodes  = ["coredns", "aws-ebs-csi-driver", "metrics-server", "amazon-cloudwatch-observability"]
}

data "aws_iam_policy_document" "pod_trust" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "addon" {
  for_each = local.addon_identities

  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.pod_trust.json
}

resource "aws_iam_role_policy_attachment" "addon" {
  for_each = local.addon_identities

  role       = aws_iam_role.addon[each.key].name
  policy_arn = "${local.policies}/${each.value.policy}"
}

resource "aws_eks_addon" "before_nodes" {
  for_each = toset(local.before_nodes)

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = var.addon_versions[each.key]
  configuration_values        = lookup(local.addon_configuration, each.key, null)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  dynamic "pod_identity_association" {
    for_each = contains(keys(local.addon_identities), each.key) ? [local.addon_identities[each.key]] : []

    content {
      role_arn        = aws_iam_role.addon[each.key].arn
      service_account = pod_identity_association.value.service_account
    }
  }

  depends_on = [aws_iam_role_policy_attachment.addon]
}

resource "aws_eks_addon" "after_nodes" {
  for_each = toset(local.after_nodes)

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = var.addon_versions[each.key]
  configuration_values        = lookup(local.addon_configuration, each.key, null)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  dynamic "pod_identity_association" {
    for_each = contains(keys(local.addon_identities), each.key) ? [local.addon_identities[each.key]] : []

    content {
      role_arn        = aws_iam_role.addon[each.key].arn
      service_account = pod_identity_association.value.service_account
    }
  }

  depends_on = [aws_iam_role_policy_attachment.addon, aws_eks_node_group.pool]
}
