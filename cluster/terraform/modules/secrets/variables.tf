variable "name" {
  description = "Prefix of every secret's name."
  type        = string
}

variable "key_arn" {
  description = "KMS key of the secrets."
  type        = string
}

variable "versions" {
  description = "Generation of each secret: api-token, ray-auth-token, database. A larger number makes a new value."
  type        = map(number)
}

variable "database_endpoint" {
  description = "Host name of the writer."
  type        = string
}

variable "database_port" {
  description = "TCP port of the database."
  type        = number
}

variable "database_name" {
  description = "Database that riskray uses."
  type        = string
}

variable "database_tls" {
  description = "libpq's TLS parameters, in the form of a URL's query."
  type        = string
}

variable "protect_data" {
  description = "Keep a deleted secret for 30 days."
  type        = bool
}
