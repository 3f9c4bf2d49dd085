variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "data_key_arn" {
  description = "KMS key of the artefacts bucket."
  type        = string
}

variable "export_expiry" {
  description = "Days after which an export is deleted."
  type        = number
}

variable "log_expiry" {
  description = "Days after which an access log is deleted."
  type        = number
}

variable "protect_data" {
  description = "Refuse to destroy a bucket that holds objects."
  type        = bool
}
