# A production installation. What is not here has the defaults of variables.tf, which are production's.
# Replace what stands in <…>: validation refuses it as it is.

aws_region         = "eu-central-1"
aws_account_id     = "<twelve digits>"
environment        = "prod"
availability_zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
log_retention_days = 365

cluster_admin_principal_arns = ["<arn:aws:iam::…:role/platform>"]

node_pools = {
  system      = { instance_types = ["m7i.xlarge"], min = 3, max = 6, disk_gib = 60 }
  pricer      = { instance_types = ["m7i.2xlarge"], min = 1, max = 20, disk_gib = 60 }
  pricer_spot = { instance_types = ["m7i.2xlarge", "m7i-flex.2xlarge", "r7i.2xlarge"], min = 0, max = 100, disk_gib = 60 }
}

database_instance_count           = 3
database_capacity_units           = { min = 8, max = 128 }
database_maintenance_work_mem_mib = 1024
database_insights_mode            = "advanced"

edge_certificate_arn  = "<arn:aws:acm:eu-central-1:…:certificate/…>"
edge_client_cidrs     = ["10.0.0.0/8"]
edge_firewall_enabled = true

github_repository  = "<owner/riskray>"
github_environment = "prod"
alarm_emails       = ["<risk-platform@…>"]
