# riskray's load: bursts of binary COPY into a fresh partition, one index build when the load ends, then reads; a partition is never
# updated and is dropped whole. Time limits, lock limits and synchronous_commit travel with every connection of riskray itself
# (riskray/store/database.py); here they guard against other clients.
#
# What is absent on purpose: max_wal_size, checkpoint_timeout, full_page_writes, wal_compression and the like. Aurora ships redo records to its
# storage and has neither checkpoints nor a local WAL, so the usual advice for bulk loads has nothing to act on. shared_buffers stays Aurora's
# (three quarters of memory): it has no page cache of the operating system to share with.

locals {
  family = "aurora-postgresql${split(".", var.engine_version)[0]}"

  dynamic_parameters = {
    # Refuse plain text. Only newer major versions have it as their default.
    "rds.force_ssl" = 1

    # An acknowledged shard must survive a failover: riskray tells the client it is done. Off would gain nothing worth that.
    "synchronous_commit" = "on"

    # The key of a run's partition is built after the load: memory decides whether the sort of a million rows touches the disk. kB.
    "maintenance_work_mem" = var.maintenance_work_mem_mib * 1024

    # The same build may use this many helpers.
    "max_parallel_maintenance_workers" = 4

    # `run` is small and updated by every shard: vacuum it early, or each claim walks over dead versions.
    "autovacuum_vacuum_scale_factor" = 0.05

    # Fresh partitions are analysed soon, so that the first dashboard after a run gets a sane plan.
    "autovacuum_analyze_scale_factor" = 0.05
    "autovacuum_naptime"              = 15

    # Vacuum is throttled for spinning disks by default; Aurora's storage can take it, and a slow freeze piles up behind nightly loads.
    "autovacuum_vacuum_cost_limit" = 2000

    # Storage is as fast at random as in order.
    "random_page_cost" = 1.1

    # A forgotten psql session must not hold a snapshot (and vacuum) all day. riskray's own connections set 60 s. Milliseconds.
    "idle_in_transaction_session_timeout" = 300000

    # A spot node that vanishes leaves connections behind with their locks: notice in 60 + 3 x 10 s, not in two hours.
    "tcp_keepalives_idle"     = 60
    "tcp_keepalives_interval" = 10
    "tcp_keepalives_count"    = 3

    # Wide values that are compressed at all (JSON documents, manifests): several times faster than pglz. Arrow batches are stored as they are.
    "default_toast_compression" = "lz4"

    # Evidence for the runbook's "investigate a slow run": waits, slow statements, every change of schema, who connected. Milliseconds.
    "track_io_timing"                    = 1
    "log_min_duration_statement"         = var.slow_statement_log_seconds * 1000
    "log_lock_waits"                     = 1
    "log_autovacuum_min_duration"        = 10000
    "log_statement"                      = "ddl"
    "log_connections"                    = 1
    "log_disconnections"                 = 1
    "auto_explain.log_min_duration"      = var.slow_statement_log_seconds * 1000
    "pg_stat_statements.track"           = "top"
    "rds.force_autovacuum_logging_level" = "info"
  }

  # These need a restart of the instances: Terraform stores them, the next maintenance window or failover applies them.
  static_parameters = {
    "shared_preload_libraries" = "pg_stat_statements,auto_explain"

    # Nightly loads of several books at once leave several large partitions to freeze together.
    "autovacuum_max_workers" = var.autovacuum_workers

    # SCRAM only: an MD5 hash is as good as the password.
    "rds.accepted_password_auth_method" = "scram"
  }
}

resource "aws_rds_cluster_parameter_group" "this" {
  name_prefix = "${var.name}-"
  family      = local.family
  description = "riskray: bulk COPY into short-lived partitions"

  dynamic "parameter" {
    for_each = local.dynamic_parameters

    content {
      name         = parameter.key
      value        = tostring(parameter.value)
      apply_method = "immediate"
    }
  }

  dynamic "parameter" {
    for_each = local.static_parameters

    content {
      name         = parameter.key
      value        = tostring(parameter.value)
      apply_method = "pending-reboot"
    }
  }

  lifecycle {
    create_before_destroy = true # a major upgrade needs the new family's group beside the old one
  }
}
