# Who may do what in AWS: one role for each service account that calls AWS at all, and the pipeline's role.
# The Ray head, the API and the pricers have no role on purpose: they talk to Postgres and to each other, never to AWS.
# Where a resource is "*", the action is a read that has no resource-level permission, or is held by a condition.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.name

  service_accounts = {
    cluster-autoscaler           = { namespace = "kube-system", service_account = "cluster-autoscaler" }
    aws-load-balancer-controller = { namespace = "kube-system", service_account = "aws-load-balancer-controller" }
    external-secrets             = { namespace = "external-secrets", service_account = "external-secrets" }
    jobs                         = { namespace = var.namespace, service_account = "riskray-jobs" }
  }

  policies = {
    cluster-autoscaler           = data.aws_iam_policy_document.cluster_autoscaler.json
    aws-load-balancer-controller = data.aws_iam_policy_document.load_balancer_controller.json
    external-secrets             = data.aws_iam_policy_document.external_secrets.json
    jobs                         = data.aws_iam_policy_document.jobs.json
  }
}

# Pod Identity tags the session with cluster, namespace and service account: the role trusts this one account of this one cluster.
data "aws_iam_policy_document" "pod_trust" {
  for_each = local.service_accounts

  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/eks-cluster-arn"
      values   = ["arn:${local.partition}:eks:${local.region}:${local.account}:cluster/${var.cluster_name}"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/kubernetes-namespace"
      values   = [each.value.namespace]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/kubernetes-service-account"
      values   = [each.value.service_account]
    }
  }
}

resource "aws_iam_role" "workload" {
  for_each = local.service_accounts

  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.pod_trust[each.key].json
}

resource "aws_iam_role_policy" "workload" {
  for_each = local.service_accounts

  name   = each.key
  role   = aws_iam_role.workload[each.key].id
  policy = local.policies[each.key]
}

# Grows and shrinks the node groups of this cluster. It learns labels and taints of an empty group from DescribeNodegroup, so the
# groups need no tags of their own; EKS puts the discovery tags on their Auto Scaling groups.
data "aws_iam_policy_document" "cluster_autoscaler" {
  statement {
    sid = "Look"
    actions = [
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeAutoScalingInstances",
      "autoscaling:DescribeLaunchConfigurations",
      "autoscaling:DescribeScalingActivities",
      "autoscaling:DescribeTags",
      "ec2:DescribeImages",
      "ec2:DescribeInstanceTypes",
      "ec2:DescribeLaunchTemplateVersions",
      "ec2:GetInstanceTypesFromInstanceRequirements",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "LookAtNodeGroups"
    actions   = ["eks:DescribeNodegroup"]
    resources = ["arn:${local.partition}:eks:${local.region}:${local.account}:nodegroup/${var.cluster_name}/*/*"]
  }

  statement {
    sid       = "ResizeGroupsOfThisCluster"
    actions   = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    resources = ["arn:${local.partition}:autoscaling:${local.region}:${local.account}:autoScalingGroup:*:autoScalingGroupName/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/k8s.io/cluster-autoscaler/${var.cluster_name}"
      values   = ["owned"]
    }
  }
}

# Terraform owns the load balancer; the controller only keeps the addresses of pods in its target group (TargetGroupBinding).
# That is a fraction of the policy it needs to make load balancers by itself.
data "aws_iam_policy_document" "load_balancer_controller" {
  statement {
    sid = "Look"
    actions = [
      "ec2:DescribeAvailabilityZones",
      "ec2:DescribeInstances",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
      "elasticloadbalancing:DescribeTags",
      "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeTargetHealth",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "KeepTargets"
    actions   = ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"]
    resources = [var.target_group_arn]
  }
}

data "aws_iam_policy_document" "external_secrets" {
  statement {
    sid       = "ReadRiskraysSecrets"
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = values(var.secret_arns)
  }

  statement {
    sid       = "DecryptThem"
    actions   = ["kms:Decrypt"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.amazonaws.com"]
    }
  }
}

# Jobs read what the day's feeds put into inbox/ and leave results in exports/.
data "aws_iam_policy_document" "jobs" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [var.artefact_bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["inbox/*", "exports/*"]
    }
  }

  statement {
    sid       = "ReadInboxAndExports"
    actions   = ["s3:GetObject"]
    resources = ["${var.artefact_bucket_arn}/inbox/*", "${var.artefact_bucket_arn}/exports/*"]
  }

  statement {
    sid       = "WriteExports"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${var.artefact_bucket_arn}/exports/*"]
  }

  statement {
    sid       = "KeyOfTheBucket"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.amazonaws.com"]
    }
  }
}
