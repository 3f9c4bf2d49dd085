variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "key_arn" {
  description = "KMS key of the image layers."
  type        = string
}

variable "images_kept" {
  description = "Newest images that are kept."
  type        = number
}

variable "protect_data" {
  description = "Refuse to destroy a repository that holds images."
  type        = bool
}
