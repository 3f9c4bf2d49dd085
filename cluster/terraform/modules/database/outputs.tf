output "cluster_identifier" {
  description = "Identifier of the cluster."
  value       = aws_rds_cluster.this.cluster_identifier
}

output "instance_identifiers" {
  description = "Identifiers of the instances; the first is the first writer."
  value       = aws_rds_cluster_instance.this[*].identifier
}

output "writer_endpoint" {
  description = "Host name that follows the writer."
  value       = aws_rds_cluster.this.endpoint
}

output "reader_endpoint" {
  description = "Host name that spreads connections over the readers."
  value       = aws_rds_cluster.this.reader_endpoint
}

output "port" {
  description = "TCP port."
  value       = aws_rds_cluster.this.port
}

output "database_name" {
  description = "Database that the migrations fill."
  value       = aws_rds_cluster.this.database_name
}

output "master_secret_arn" {
  description = "Secret with the master user's name and password; RDS rotates it."
  value       = aws_rds_cluster.this.master_user_secret[0].secret_arn
}

output "security_group_id" {
  description = "Security group of the database."
  value       = aws_security_group.this.id
}
