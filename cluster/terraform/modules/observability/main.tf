# Alarms for what riskray's own metrics cannot see: the database's machine, the edge, the nodes. One topic; people subscribe to it.

data "aws_caller_identity" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id

  database = { DBClusterIdentifier = var.database_cluster }

  # Of every alarm: what to do is in docs/operations.md.
  alarms = merge(
    {
      database-cpu = {
        description = "Aurora's busiest instance above 85 % CPU for 15 minutes: a run is limited by the database."
        namespace   = "AWS/RDS", metric = "CPUUtilization", statistic = "Maximum", dimensions = local.database
        comparison  = "GreaterThanThreshold", threshold = 85, period = 300, periods = 3, missing = "missing"
      }
      database-connections = {
        description = "More connections than the pools should ever open: look for a leak, or add up the pools again."
        namespace   = "AWS/RDS", metric = "DatabaseConnections", statistic = "Maximum", dimensions = local.database
        comparison  = "GreaterThanThreshold", threshold = var.connections_alarm, period = 60, periods = 5, missing = "missing"
      }
      database-replica-lag = {
        description = "A reader is more than 2 s behind: a failover now would be slow, and reads from it are stale. Milliseconds."
        namespace   = "AWS/RDS", metric = "AuroraReplicaLagMaximum", statistic = "Maximum", dimensions = local.database
        comparison  = "GreaterThanThreshold", threshold = 2000, period = 60, periods = 5, missing = "notBreaching"
      }
      database-local-storage = {
        description = "Less than 10 GiB of an instance's local disk left: index builds and sorts spill there."
        namespace   = "AWS/RDS", metric = "FreeLocalStorage", statistic = "Minimum", dimensions = local.database
        comparison  = "LessThanThreshold", threshold = 10 * 1024 * 1024 * 1024, period = 300, periods = 2, missing = "notBreaching"
      }
      database-transaction-age = {
        description = "A billion transactions since the oldest freeze: vacuum does not keep up."
        namespace   = "AWS/RDS", metric = "MaximumUsedTransactionIDs", statistic = "Maximum", dimensions = local.database
        comparison  = "GreaterThanThreshold", threshold = 1000000000, period = 300, periods = 3, missing = "notBreaching"
      }
      edge-server-errors = {
        description = "Answers 5xx from riskray."
        namespace   = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum"
        dimensions  = { LoadBalancer = var.load_balancer_suffix }
        comparison  = "GreaterThanThreshold", threshold = var.server_errors_per_minute, period = 60, periods = 3, missing = "notBreaching"
      }
      edge-no-answer = {
        description = "Answers 5xx from the load balancer itself: no pod answered."
        namespace   = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", statistic = "Sum"
        dimensions  = { LoadBalancer = var.load_balancer_suffix }
        comparison  = "GreaterThanThreshold", threshold = var.server_errors_per_minute, period = 60, periods = 3, missing = "notBreaching"
      }
      edge-no-healthy-pod = {
        description = "Not one healthy Serve proxy: the API is down."
        namespace   = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Maximum"
        dimensions  = { LoadBalancer = var.load_balancer_suffix, TargetGroup = var.target_group_suffix }
        comparison  = "LessThanThreshold", threshold = 1, period = 60, periods = 3, missing = "breaching"
      }
      nodes-failed = {
        description = "A node of the cluster is in a failed condition (Container Insights)."
        namespace   = "ContainerInsights", metric = "cluster_failed_node_count", statistic = "Maximum"
        dimensions  = { ClusterName = var.cluster_name }
        comparison  = "GreaterThanThreshold", threshold = 0, period = 60, periods = 10, missing = "notBreaching"
      }
    },
    var.database_serverless ? {
      database-capacity = {
        description = "Aurora at its largest size for 15 minutes: raise database_capacity_units.max, or accept slower runs."
        namespace   = "AWS/RDS", metric = "ACUUtilization", statistic = "Maximum", dimensions = local.database
        comparison  = "GreaterThanThreshold", threshold = 95, period = 300, periods = 3, missing = "missing"
      }
    } : {},
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  dimensions          = each.value.dimensions
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# -------------------------------------------------------------------------------------------------------------- topic

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.topic_key_arn
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "AlarmsOfThisAccount"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }

  # EventBridge does not reliably send the condition keys that would name the account. The worst that follows is a false alarm.
  statement {
    sid       = "Events"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }

  statement {
    sid       = "OnlyOverTLS"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.topic.json
}

# Each address gets a mail and must confirm it.
resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.alarm_emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

# ------------------------------------------------------------------------------------------------------------- events

# What is an event and not a metric: failovers and failures of the database, and a node group that cannot start a node (no spot capacity,
# a quota, an instance type that a zone lacks).
locals {
  events = {
    database-cluster = {
      description = "Failover, failure or maintenance of ${var.database_cluster}"
      pattern = {
        source        = ["aws.rds"]
        "detail-type" = ["RDS DB Cluster Event"]
        detail = {
          SourceIdentifier = [var.database_cluster]
          EventCategories  = ["failover", "failure", "maintenance", "notification"]
        }
      }
    }
    database-instance = {
      description = "An instance of ${var.database_cluster} restarted, failed or runs out of local disk"
      pattern = {
        source        = ["aws.rds"]
        "detail-type" = ["RDS DB Instance Event"]
        detail = {
          SourceIdentifier = var.database_instances
          EventCategories  = ["availability", "failure", "low storage"]
        }
      }
    }
    node-launch-failed = {
      description = "A node group of ${var.cluster_name} could not start a node"
      pattern = {
        source        = ["aws.autoscaling"]
        "detail-type" = ["EC2 Instance Launch Unsuccessful"]
        detail        = { AutoScalingGroupName = values(var.autoscaling_groups) }
      }
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.events

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  event_pattern = jsonencode(each.value.pattern)
}

resource "aws_cloudwatch_event_target" "alarms" {
  for_each = aws_cloudwatch_event_rule.this

  rule = each.value.name
  arn  = aws_sns_topic.alarms.arn
}
