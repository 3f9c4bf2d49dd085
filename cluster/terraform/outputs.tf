# What the KubeRay overlays, the pipeline and the runbook need. No output is secret: secrets are named, never shown.

output "aws_region" {
  description = "Region of everything."
  value       = var.aws_region
}

output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`, the cluster autoscaler's discovery tag and the load balancer controller's --cluster-name."
  value       = module.eks.cluster_name
}

output "cluster_endpoint" {
  description = "Address of the Kubernetes API."
  value       = module.eks.cluster_endpoint
}

output "node_pools" {
  description = "Labels that the overlays select and taints that they tolerate, by node pool."
  value       = module.eks.node_pools
}

output "vpc_id" {
  description = "For the load balancer controller's --aws-vpc-id: pods cannot ask the instance for it."
  value       = module.network.vpc_id
}

output "private_subnet_ids" {
  description = "Subnets of nodes and pods."
  value       = module.network.private_subnet_ids
}

output "public_subnet_ids" {
  description = "Subnets of internet-facing load balancers."
  value       = module.network.public_subnet_ids
}

output "egress_addresses" {
  description = "Public addresses that outgoing connections come from."
  value       = module.network.nat_addresses
}

output "kubernetes_namespace" {
  description = "Namespace that Pod Identity expects riskray in."
  value       = var.kubernetes_namespace
}

output "service_accounts" {
  description = "Service accounts with a role, by workload: namespace, service_account, role_arn. Pod Identity joins them; no annotation is needed."
  value       = module.identity.workloads
}

output "repository_url" {
  description = "Image repository: the overlays' image, the pipeline's push."
  value       = module.registry.repository_url
}

output "deploy_role_arn" {
  description = "role-to-assume of the pipeline."
  value       = module.identity.deploy_role_arn
}

output "deploy_kubernetes_group" {
  description = "Kubernetes group of the pipeline, for the overlay's RoleBinding."
  value       = module.eks.deploy_group
}

output "secret_names" {
  description = "Names in Secrets Manager for the overlays' ExternalSecret objects: api-token, ray-auth-token, database."
  value       = module.secrets.names
}

output "secret_arns" {
  description = "ARNs of the same."
  value       = module.secrets.arns
}

output "database_endpoint" {
  description = "Host name that follows the writer."
  value       = module.database.writer_endpoint
}

output "database_reader_endpoint" {
  description = "Host name that spreads over the readers, for reports."
  value       = module.database.reader_endpoint
}

output "database_name" {
  description = "Database that the migrations fill."
  value       = module.database.database_name
}

output "database_master_secret_arn" {
  description = "Secret of the master user, for the one-time set-up of role riskray_app; RDS rotates it."
  value       = module.database.master_secret_arn
}

output "artefact_bucket" {
  description = "Bucket with inbox/ (feeds write, jobs read) and exports/ (jobs write)."
  value       = module.storage.artefact_bucket
}

output "target_group_arn" {
  description = "For the overlay's TargetGroupBinding."
  value       = module.edge.target_group_arn
}

output "edge_dns_name" {
  description = "Address of the load balancer; point the certificate's name at it."
  value       = module.edge.dns_name
}

output "edge_zone_id" {
  description = "Hosted zone of that address, for a Route 53 alias."
  value       = module.edge.zone_id
}

output "alarm_topic_arn" {
  description = "Topic of all alarms."
  value       = module.observability.topic_arn
}
