output "arns" {
  description = "ARN of the key by purpose: data, cluster, logs."
  value       = { for purpose, key in aws_kms_key.this : purpose => key.arn }
}
