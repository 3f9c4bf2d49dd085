# Three keys, so that losing control of one exposes one kind of thing:
#   data     Aurora, S3 artefacts, ECR layers, Secrets Manager
#   cluster  envelope encryption of Kubernetes secrets in etcd
#   logs     CloudWatch log groups and the alarm topic

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  region  = data.aws_region.current.name

  purposes = {
    data    = "Aurora, S3 artefacts, ECR layers and secrets"
    cluster = "Kubernetes secrets in etcd"
    logs    = "CloudWatch log groups and the alarm topic"
  }
}

data "aws_iam_policy_document" "key" {
  for_each = local.purposes

  # Delegates the decision to IAM: without it not even the account's administrators could manage the key.
  # In a key policy the resource "*" is this key alone.
  statement {
    sid       = "AccountDecidesByIAM"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${local.account}:root"]
    }
  }

  dynamic "statement" {
    for_each = each.key == "logs" ? [1] : []

    content {
      sid       = "LogGroupsOfThisAccount"
      actions   = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["logs.${local.region}.amazonaws.com"]
      }

      condition {
        test     = "ArnLike"
        variable = "kms:EncryptionContext:aws:logs:arn"
        values   = ["arn:${data.aws_partition.current.partition}:logs:${local.region}:${local.account}:*"]
      }
    }
  }

  # Without the account as a condition, because EventBridge does not reliably send it: what such a caller could do is encrypt a false alarm.
  dynamic "statement" {
    for_each = each.key == "logs" ? [1] : []

    content {
      sid       = "AlarmsPublishToTheEncryptedTopic"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
      }
    }
  }
}

resource "aws_kms_key" "this" {
  for_each = local.purposes

  description             = "${var.name}: ${each.value}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key[each.key].json
}

resource "aws_kms_alias" "this" {
  for_each = local.purposes

  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}
