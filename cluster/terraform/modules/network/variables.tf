variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "cluster_name" {
  description = "EKS cluster that will use the private subnets; the load balancer controller finds them by this tag."
  type        = string
}

variable "vpc_cidr" {
  description = "IPv4 block of the VPC, /16 to /18."
  type        = string
}

variable "availability_zones" {
  description = "Three zones of the region."
  type        = list(string)
}

variable "nat_mode" {
  description = "none, single or per_zone."
  type        = string
}

variable "interface_endpoints" {
  description = "Service names (without the com.amazonaws.<region> part) that get an interface endpoint."
  type        = list(string)
}

variable "log_retention_days" {
  description = "Days that flow logs are kept."
  type        = number
}

variable "log_key_arn" {
  description = "KMS key of the log group."
  type        = string
}
