# A development installation: everything may be lost, one NAT gateway, one small serverless database, pricers from zero.
# Replace what stands in <…>: validation refuses it as it is.

aws_region         = "eu-central-1"
aws_account_id     = "<twelve digits>"
environment        = "dev"
availability_zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
protect_data       = false
log_retention_days = 14

nat_mode            = "single"
interface_endpoints = []

cluster_admin_principal_arns   = ["<arn:aws:iam::…:role/platform>"]
kubernetes_public_access_cidrs = [] # for example ["203.0.113.0/24"]: where kubectl and the pipeline's runners come from

node_pools = {
  system      = { instance_types = ["m7i.xlarge"], min = 2, max = 3, disk_gib = 60 }
  pricer      = { instance_types = ["m7i.2xlarge"], min = 0, max = 2, disk_gib = 60 }
  pricer_spot = { instance_types = ["m7i.2xlarge", "m7i-flex.2xlarge", "r7i.2xlarge"], min = 0, max = 10, disk_gib = 60 }
}

database_instance_count        = 1
database_capacity_units        = { min = 0.5, max = 16 }
database_storage_type          = "standard"
database_backup_retention_days = 3
database_connections_alarm     = 150

edge_certificate_arn = "<arn:aws:acm:eu-central-1:…:certificate/…>"
edge_client_cidrs    = ["10.0.0.0/8"]

images_kept        = 20
github_repository  = "<owner/riskray>"
github_environment = "dev"
alarm_emails       = []
