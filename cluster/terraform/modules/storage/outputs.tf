output "artefact_bucket" {
  description = "Name of the bucket that jobs read from (inbox/) and write to (exports/)."
  value       = aws_s3_bucket.this["artefacts"].id
}

output "artefact_bucket_arn" {
  description = "ARN of the artefacts bucket."
  value       = aws_s3_bucket.this["artefacts"].arn
}

output "log_bucket" {
  description = "Name of the logs bucket, once load balancers may write to it."
  value       = aws_s3_bucket.this["logs"].id

  depends_on = [aws_s3_bucket_policy.this, aws_s3_bucket_server_side_encryption_configuration.this]
}
