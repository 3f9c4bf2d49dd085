output "arns" {
  description = "ARN by secret: api-token, ray-auth-token, database."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}

output "names" {
  description = "Name in Secrets Manager by secret; ExternalSecret objects refer to it."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.name }
}
