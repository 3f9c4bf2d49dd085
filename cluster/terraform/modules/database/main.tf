# Aurora PostgreSQL: one writer and its readers in different zones, encrypted, reachable from the cluster's pods alone.
# The parameters, each with its reason, are in parameters.tf.

data "aws_partition" "current" {}

locals {
  serverless              = var.instance_class == "db.serverless"
  insights_retention_days = var.insights_mode == "advanced" ? 465 : 7
}

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Subnets without a route out"
  subnet_ids  = var.subnet_ids
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-database-"
  description = "PostgreSQL from the cluster's pods"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-database" }

  lifecycle {
    create_before_destroy = true
  }
}

# No egress rule: the database opens no connection.
resource "aws_vpc_security_group_ingress_rule" "pods" {
  security_group_id            = aws_security_group.this.id
  description                  = "PostgreSQL from pods and nodes"
  referenced_security_group_id = var.client_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

data "aws_iam_policy_document" "monitoring_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  name               = "${var.name}-database-monitoring"
  assume_role_policy = data.aws_iam_policy_document.monitoring_trust.json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

# Aurora would make this group itself, unencrypted and kept for ever.
resource "aws_cloudwatch_log_group" "postgresql" {
  name              = "/aws/rds/cluster/${var.name}/postgresql"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_key_arn
}

resource "aws_rds_cluster" "this" {
  cluster_identifier              = var.name
  engine                          = "aurora-postgresql"
  engine_version                  = var.engine_version
  database_name                   = "riskray"
  port                            = 5432
  db_subnet_group_name            = aws_db_subnet_group.this.name
  vpc_security_group_ids          = [aws_security_group.this.id]
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this.name

  # RDS makes the password, keeps it in Secrets Manager and rotates it every seven days: no person and no state file knows it.
  master_username               = "riskray_admin"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.key_arn

  iam_database_authentication_enabled = true
  storage_encrypted                   = true
  kms_key_id                          = var.key_arn
  storage_type                        = var.storage_type == "io-optimized" ? "aurora-iopt1" : null

  backup_retention_period      = var.backup_retention_days # also how far back point-in-time recovery reaches
  preferred_backup_window      = "01:00-02:00"             # UTC; backups are continuous, this is when a daily snapshot is taken
  preferred_maintenance_window = "sun:03:00-sun:04:00"
  copy_tags_to_snapshot        = true
  deletion_protection          = var.protect_data
  skip_final_snapshot          = !var.protect_data
  final_snapshot_identifier    = var.protect_data ? "${var.name}-final" : null

  enabled_cloudwatch_logs_exports = ["postgresql"]

  # Query history by wait and statement: a week in the standard mode, fifteen months in the advanced one.
  database_insights_mode                = var.insights_mode
  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.key_arn
  performance_insights_retention_period = local.insights_retention_days

  dynamic "serverlessv2_scaling_configuration" {
    for_each = local.serverless ? [1] : []

    content {
      min_capacity = var.capacity_units.min
      max_capacity = var.capacity_units.max
    }
  }

  lifecycle {
    # Minor versions arrive in the maintenance window; Terraform then must not ask for the old one.
    ignore_changes = [engine_version]
  }

  depends_on = [aws_cloudwatch_log_group.postgresql]
}

# Instance 0 is the first writer; any may become it. Subnets in three zones: Aurora spreads the instances.
resource "aws_rds_cluster_instance" "this" {
  count = var.instance_count

  identifier                            = "${var.name}-${count.index}"
  cluster_identifier                    = aws_rds_cluster.this.id
  engine                                = aws_rds_cluster.this.engine
  instance_class                        = var.instance_class
  promotion_tier                        = min(count.index, 1) # of serverless instances, tiers 0 and 1 keep the writer's size: a failover loses no speed
  publicly_accessible                   = false
  auto_minor_version_upgrade            = true
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.key_arn
  performance_insights_retention_period = local.insights_retention_days
  copy_tags_to_snapshot                 = true
}
