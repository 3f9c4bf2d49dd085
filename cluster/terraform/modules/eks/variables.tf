variable "name" {
  description = "Name of the cluster and prefix of every other name."
  type        = string
}

variable "kubernetes_version" {
  description = "Minor version, such as 1.35."
  type        = string
}

variable "addon_versions" {
  description = "Version by add-on name; every add-on of addons.tf must be here."
  type        = map(string)
}

variable "control_plane_subnets" {
  description = "Subnets of the control plane's network interfaces."
  type        = list(string)
}

variable "node_subnets" {
  description = "Subnets of nodes and pods."
  type        = list(string)
}

variable "public_access_cidrs" {
  description = "Who may reach the Kubernetes API from outside the VPC; empty closes the public endpoint."
  type        = list(string)
}

variable "admin_principal_arns" {
  description = "IAM roles that administer the cluster."
  type        = list(string)
}

variable "deploy_role_arn" {
  description = "IAM role of the pipeline."
  type        = string
}

variable "deploy_group" {
  description = "Kubernetes group of the pipeline; the overlays bind a Role to it."
  type        = string
  default     = "riskray:deployers"
}

variable "secrets_key_arn" {
  description = "KMS key that encrypts Kubernetes secrets."
  type        = string
}

variable "log_key_arn" {
  description = "KMS key of the log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days that control plane logs are kept."
  type        = number
}

variable "node_pools" {
  description = "Instance types, smallest and largest number of nodes and disk of each pool."
  type = object({
    system      = object({ instance_types = list(string), min = number, max = number, disk_gib = number })
    pricer      = object({ instance_types = list(string), min = number, max = number, disk_gib = number })
    pricer_spot = object({ instance_types = list(string), min = number, max = number, disk_gib = number })
  })
}
