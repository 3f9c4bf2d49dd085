output "cluster_name" {
  description = "Name of the cluster."
  value       = aws_eks_cluster.this.name
}

output "cluster_endpoint" {
  description = "Address of the Kubernetes API."
  value       = aws_eks_cluster.this.endpoint
}

output "cluster_security_group_id" {
  description = "Security group that EKS gives to control plane, nodes and pods."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "deploy_group" {
  description = "Kubernetes group of the pipeline."
  value       = var.deploy_group
}

output "autoscaling_groups" {
  description = "Auto Scaling group by node pool."
  value       = { for pool, group in aws_eks_node_group.pool : pool => group.resources[0].autoscaling_groups[0].name }
}

output "node_pools" {
  description = "Labels and taints by node pool: what the overlays select and tolerate."
  value       = { for pool, settings in local.pools : pool => { labels = settings.labels, taints = settings.taints } }
}
