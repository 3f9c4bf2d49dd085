variable "name" {
  description = "Name of the load balancer and prefix of every other name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the load balancer: private ones, or public ones for an internet-facing edge."
  type        = list(string)
}

variable "internet_facing" {
  description = "Public addresses instead of private ones."
  type        = bool
}

variable "client_cidrs" {
  description = "Address ranges that may connect."
  type        = list(string)
}

variable "certificate_arn" {
  description = "ACM certificate of the listener."
  type        = string
}

variable "serve_port" {
  description = "Port of Ray Serve's proxies."
  type        = number
}

variable "serve_health_path" {
  description = "Path that answers 200 when a proxy is ready."
  type        = string
}

variable "pod_security_group_id" {
  description = "Security group of the pods."
  type        = string
}

variable "idle_timeout_seconds" {
  description = "Silence after which the load balancer closes a connection."
  type        = number
}

variable "log_bucket" {
  description = "Bucket of the access logs."
  type        = string
}

variable "firewall_enabled" {
  description = "Put a web application firewall in front."
  type        = bool
}

variable "requests_per_five_minutes" {
  description = "Requests from one address within five minutes, above which the firewall blocks it."
  type        = number
}

variable "log_key_arn" {
  description = "KMS key of the firewall's log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days that the firewall's log is kept."
  type        = number
}

variable "protect_data" {
  description = "Deletion protection: the address is in other people's configuration."
  type        = bool
}
