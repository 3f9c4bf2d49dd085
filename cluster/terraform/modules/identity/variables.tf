variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "cluster_name" {
  description = "EKS cluster whose service accounts the roles trust."
  type        = string
}

variable "namespace" {
  description = "Kubernetes namespace that riskray runs in."
  type        = string
}

variable "artefact_bucket_arn" {
  description = "Bucket with inbox/ and exports/."
  type        = string
}

variable "data_key_arn" {
  description = "KMS key of the bucket and of the secrets."
  type        = string
}

variable "secret_arns" {
  description = "Secrets that the External Secrets Operator may read."
  type        = map(string)
}

variable "target_group_arn" {
  description = "Target group that the load balancer controller keeps."
  type        = string
}

variable "repository_arn" {
  description = "Image repository that the pipeline pushes to."
  type        = string
}

variable "github_repository" {
  description = "owner/name of the repository whose pipeline deploys."
  type        = string
}

variable "github_branch" {
  description = "Branch whose jobs may deploy."
  type        = string
}

variable "github_environment" {
  description = "GitHub environment whose jobs may deploy."
  type        = string
}

variable "github_oidc_provider_exists" {
  description = "The account already has GitHub's identity provider."
  type        = bool
}
