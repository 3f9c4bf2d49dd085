variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "topic_key_arn" {
  description = "KMS key of the topic."
  type        = string
}

variable "alarm_emails" {
  description = "Addresses that hear of alarms."
  type        = list(string)
}

variable "database_cluster" {
  description = "Identifier of the Aurora cluster."
  type        = string
}

variable "database_instances" {
  description = "Identifiers of its instances."
  type        = list(string)
}

variable "database_serverless" {
  description = "The instances are serverless, so capacity is a metric."
  type        = bool
}

variable "connections_alarm" {
  description = "Database connections above which something leaks."
  type        = number
}

variable "load_balancer_suffix" {
  description = "What CloudWatch calls the load balancer."
  type        = string
}

variable "target_group_suffix" {
  description = "What CloudWatch calls the target group."
  type        = string
}

variable "cluster_name" {
  description = "Name of the EKS cluster."
  type        = string
}

variable "autoscaling_groups" {
  description = "Auto Scaling group by node pool."
  type        = map(string)
}

variable "server_errors_per_minute" {
  description = "Answers 5xx a minute, three minutes running, that raise the alarm."
  type        = number
}
