# Three secrets that riskray needs, made by Secrets Manager and written with write-only arguments: their values are in no plan and in no state.
# To rotate one, raise its number in var.versions and apply; README.md says what to restart.
# The database's master user is not here: RDS makes, keeps and rotates that one itself (modules/database).

locals {
  descriptions = {
    "api-token"      = "RISKRAY_API_TOKEN: the bearer token of the HTTP API."
    "ray-auth-token" = "RAY_AUTH_TOKEN: what Ray's own processes show each other, the dashboard and the Jobs API."
    "database"       = "Login of role riskray_app, and the whole connection string for RISKRAY_DATABASE_URL."
  }
}

ephemeral "aws_secretsmanager_random_password" "this" {
  for_each = local.descriptions

  password_length     = 48
  exclude_punctuation = true # fits into an HTTP header and into a URL as it is
}

resource "aws_secretsmanager_secret" "this" {
  for_each = local.descriptions

  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.protect_data ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "token" {
  for_each = toset(["api-token", "ray-auth-token"])

  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  secret_string_wo_version = var.versions[each.key]
}

resource "aws_secretsmanager_secret_version" "database" {
  secret_id = aws_secretsmanager_secret.this["database"].id

  secret_string_wo = jsonencode({
    username = "riskray_app"
    password = ephemeral.aws_secretsmanager_random_password.this["database"].random_password
    host     = var.database_endpoint
    port     = var.database_port
    dbname   = var.database_name
    url = join("", [
      "postgresql://riskray_app:", ephemeral.aws_secretsmanager_random_password.this["database"].random_password,
      "@", var.database_endpoint, ":", var.database_port, "/", var.database_name, "?", var.database_tls,
    ])
  })
  secret_string_wo_version = var.versions["database"]
}
