# One riskray installation: network, cluster, database, edge and who may do what. Every module is ours; README.md has the picture.

locals {
  name = "${var.project}-${var.environment}"
}

module "keys" {
  source = "./modules/keys"

  name = local.name
}

module "network" {
  source = "./modules/network"

  name                = local.name
  vpc_cidr            = var.vpc_cidr
  availability_zones  = var.availability_zones
  nat_mode            = var.nat_mode
  interface_endpoints = var.interface_endpoints
  cluster_name        = local.name
  log_retention_days  = var.log_retention_days
  log_key_arn         = module.keys.arns["logs"]
}

module "storage" {
  source = "./modules/storage"

  name          = local.name
  data_key_arn  = module.keys.arns["data"]
  log_expiry    = var.load_balancer_log_expiry_days
  export_expiry = var.export_expiry_days
  protect_data  = var.protect_data
}

module "registry" {
  source = "./modules/registry"

  name         = local.name
  key_arn      = module.keys.arns["data"]
  images_kept  = var.images_kept
  protect_data = var.protect_data
}

module "eks" {
  source = "./modules/eks"

  name                  = local.name
  kubernetes_version    = var.kubernetes_version
  addon_versions        = var.addon_versions
  control_plane_subnets = module.network.intra_subnet_ids
  node_subnets          = module.network.private_subnet_ids
  public_access_cidrs   = var.kubernetes_public_access_cidrs
  admin_principal_arns  = var.cluster_admin_principal_arns
  deploy_role_arn       = module.identity.deploy_role_arn
  secrets_key_arn       = module.keys.arns["cluster"]
  log_key_arn           = module.keys.arns["logs"]
  log_retention_days    = var.log_retention_days
  node_pools            = var.node_pools
}

module "database" {
  source = "./modules/database"

  name                       = local.name
  vpc_id                     = module.network.vpc_id
  subnet_ids                 = module.network.intra_subnet_ids
  client_security_group_id   = module.eks.cluster_security_group_id
  key_arn                    = module.keys.arns["data"]
  log_key_arn                = module.keys.arns["logs"]
  log_retention_days         = var.log_retention_days
  engine_version             = var.database_engine_version
  instance_class             = var.database_instance_class
  instance_count             = var.database_instance_count
  capacity_units             = var.database_capacity_units
  storage_type               = var.database_storage_type
  backup_retention_days      = var.database_backup_retention_days
  insights_mode              = var.database_insights_mode
  maintenance_work_mem_mib   = var.database_maintenance_work_mem_mib
  autovacuum_workers         = var.database_autovacuum_workers
  slow_statement_log_seconds = var.database_slow_statement_log_seconds
  protect_data               = var.protect_data
}

module "secrets" {
  source = "./modules/secrets"

  name              = local.name
  key_arn           = module.keys.arns["data"]
  protect_data      = var.protect_data
  versions          = var.secret_versions
  database_endpoint = module.database.writer_endpoint
  database_port     = module.database.port
  database_name     = module.database.database_name
  database_tls      = var.database_tls_parameters
}

module "edge" {
  source = "./modules/edge"

  name                      = local.name
  vpc_id                    = module.network.vpc_id
  subnet_ids                = var.edge_internet_facing ? module.network.public_subnet_ids : module.network.private_subnet_ids
  internet_facing           = var.edge_internet_facing
  client_cidrs              = var.edge_client_cidrs
  certificate_arn           = var.edge_certificate_arn
  serve_port                = var.serve_port
  serve_health_path         = var.serve_health_path
  pod_security_group_id     = module.eks.cluster_security_group_id
  idle_timeout_seconds      = var.edge_idle_timeout_seconds
  log_bucket                = module.storage.log_bucket
  firewall_enabled          = var.edge_firewall_enabled
  requests_per_five_minutes = var.edge_requests_per_five_minutes
  log_key_arn               = module.keys.arns["logs"]
  log_retention_days        = var.log_retention_days
  protect_data              = var.protect_data
}

module "identity" {
  source = "./modules/identity"

  name                        = local.name
  cluster_name                = local.name
  namespace                   = var.kubernetes_namespace
  artefact_bucket_arn         = module.storage.artefact_bucket_arn
  data_key_arn                = module.keys.arns["data"]
  secret_arns                 = module.secrets.arns
  target_group_arn            = module.edge.target_group_arn
  repository_arn              = module.registry.repository_arn
  github_repository           = var.github_repository
  github_branch               = var.github_branch
  github_environment          = var.github_environment
  github_oidc_provider_exists = var.github_oidc_provider_exists
}

# Apart from the roles themselves, because an association needs the cluster and the cluster's access entries need a role.
resource "aws_eks_pod_identity_association" "workload" {
  for_each = module.identity.workloads

  cluster_name    = module.eks.cluster_name
  namespace       = each.value.namespace
  service_account = each.value.service_account
  role_arn        = each.value.role_arn
}

module "observability" {
  source = "./modules/observability"

  name                     = local.name
  topic_key_arn            = module.keys.arns["logs"]
  alarm_emails             = var.alarm_emails
  database_cluster         = module.database.cluster_identifier
  database_instances       = module.database.instance_identifiers
  database_serverless      = var.database_instance_class == "db.serverless"
  connections_alarm        = var.database_connections_alarm
  load_balancer_suffix     = module.edge.load_balancer_suffix
  target_group_suffix      = module.edge.target_group_suffix
  cluster_name             = module.eks.cluster_name
  autoscaling_groups       = module.eks.autoscaling_groups
  server_errors_per_minute = var.server_errors_per_minute_alarm
}
