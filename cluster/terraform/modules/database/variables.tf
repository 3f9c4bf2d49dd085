variable "name" {
  description = "Cluster identifier and prefix of every other name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets in at least two zones."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Security group whose members may connect."
  type        = string
}

variable "key_arn" {
  description = "KMS key of storage, backups, Performance Insights and the master password."
  type        = string
}

variable "log_key_arn" {
  description = "KMS key of the log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days that the server log is kept."
  type        = number
}

variable "engine_version" {
  description = "Aurora PostgreSQL version, such as 17.5."
  type        = string
}

variable "instance_class" {
  description = "db.serverless, or a provisioned class such as db.r8g.2xlarge."
  type        = string
}

variable "instance_count" {
  description = "Writer and readers together."
  type        = number
}

variable "capacity_units" {
  description = "Smallest and largest size of a serverless instance, in Aurora capacity units (2 GiB of memory each)."
  type        = object({ min = number, max = number })
}

variable "storage_type" {
  description = "standard or io-optimized."
  type        = string
}

variable "backup_retention_days" {
  description = "How far back point-in-time recovery reaches."
  type        = number
}

variable "insights_mode" {
  description = "standard or advanced."
  type        = string
}

variable "maintenance_work_mem_mib" {
  description = "Memory of one index build, MiB."
  type        = number
}

variable "autovacuum_workers" {
  description = "Vacuum processes at the same time."
  type        = number
}

variable "slow_statement_log_seconds" {
  description = "Statements that take longer are logged with their plan."
  type        = number
}

variable "protect_data" {
  description = "Deletion protection and a final snapshot."
  type        = bool
}
