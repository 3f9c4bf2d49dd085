# What every installation decides. Defaults suit production; envs/dev.tfvars shows what a development installation relaxes.

# -------------------------------------------------------------------------------------------------------------- where

variable "aws_region" {
  description = "Region of everything."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "A region looks like eu-central-1."
  }
}

variable "aws_account_id" {
  description = "Account that this belongs in; with credentials of any other, Terraform stops before it changes anything."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "An account has twelve digits."
  }
}

variable "project" {
  description = "First part of every name."
  type        = string
  default     = "riskray"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.project))
    error_message = "Two to twelve lower-case letters and digits, a letter first (load balancers take 32 characters in all)."
  }
}

variable "environment" {
  description = "Second part of every name: dev, prod, …"
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,7}$", var.environment))
    error_message = "Two to eight lower-case letters and digits, a letter first."
  }
}

variable "tags" {
  description = "Tags of everything, beside project, environment and managed-by; a cost centre, an owner."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.tags), ["project", "environment", "managed-by"])) == 0
    error_message = "project, environment and managed-by are set already."
  }
}

variable "protect_data" {
  description = "Deletion protection, final snapshots, and no deletion of buckets, repositories and secrets that hold something. False only where all data may be lost."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps logs: control plane, database, VPC flow, firewall."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch takes 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

# ------------------------------------------------------------------------------------------------------------ network

variable "vpc_cidr" {
  description = "IPv4 block of the VPC; must not overlap with networks it will be peered with."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]), 0) >= 16 && try(tonumber(split("/", var.vpc_cidr)[1]), 99) <= 18
    error_message = "A block from /16 to /18, such as 10.40.0.0/16: every pod takes an address."
  }
}

variable "availability_zones" {
  description = "Three zones of the region, by name."
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) == 3 && alltrue([for zone in var.availability_zones : startswith(zone, var.aws_region)])
    error_message = "Three different zones of aws_region, such as eu-central-1a, eu-central-1b, eu-central-1c."
  }
}

variable "nat_mode" {
  description = "per_zone: a zone's outage leaves the others connected. single: cheaper, and all egress dies with its zone. none: only endpoints; then interface_endpoints must name every service that nodes use, and every image must come from ECR."
  type        = string
  default     = "per_zone"

  validation {
    condition     = contains(["per_zone", "single", "none"], var.nat_mode)
    error_message = "per_zone, single or none."
  }

  validation {
    condition = var.nat_mode != "none" || length(setsubtract(
      ["ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "logs", "sts"], var.interface_endpoints
    )) == 0
    error_message = "Without NAT, interface_endpoints must hold at least ec2, ecr.api, ecr.dkr, eks, eks-auth, logs and sts."
  }
}

variable "interface_endpoints" {
  description = "Services reached inside the VPC instead of through NAT. Each costs an hourly price a zone: README.md does the sum. S3 always has its free gateway."
  type        = list(string)
  default     = ["ecr.api", "ecr.dkr", "eks-auth", "logs", "secretsmanager", "sts"]

  validation {
    condition = length(setsubtract(var.interface_endpoints, [
      "autoscaling", "ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "elasticloadbalancing", "kms", "logs", "monitoring", "secretsmanager", "sts",
    ])) == 0
    error_message = "Known: autoscaling, ec2, ecr.api, ecr.dkr, eks, eks-auth, elasticloadbalancing, kms, logs, monitoring, secretsmanager, sts."
  }
}

# ------------------------------------------------------------------------------------------------------------ cluster

variable "kubernetes_version" {
  description = "Minor version of Kubernetes. Raise it before its standard support ends (upgrade_policy is STANDARD: AWS upgrades then), one version at a time."
  type        = string
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.(3[3-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "A minor version from 1.33, such as 1.35."
  }
}

variable "addon_versions" {
  description = "Version of every EKS add-on; `aws eks describe-addon-versions --kubernetes-version 1.35` lists what fits. Change them together with kubernetes_version."
  type        = map(string)
  default = {
    vpc-cni                         = "v1.22.4-eksbuild.3"
    kube-proxy                      = "v1.35.3-eksbuild.29"
    coredns                         = "v1.13.2-eksbuild.31"
    eks-pod-identity-agent          = "v1.3.10-eksbuild.3"
    aws-ebs-csi-driver              = "v1.64.0-eksbuild.1"
    metrics-server                  = "v0.8.1-eksbuild.5"
    amazon-cloudwatch-observability = "v5.3.0-eksbuild.1"
  }

  validation {
    condition = toset(keys(var.addon_versions)) == toset([
      "amazon-cloudwatch-observability", "aws-ebs-csi-driver", "coredns", "eks-pod-identity-agent", "kube-proxy", "metrics-server", "vpc-cni",
    ]) && alltrue([for version in values(var.addon_versions) : can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+-eksbuild\\.[0-9]+$", version))])
    error_message = "One version, like v1.22.4-eksbuild.3, for each of vpc-cni, kube-proxy, coredns, eks-pod-identity-agent, aws-ebs-csi-driver, metrics-server and amazon-cloudwatch-observability."
  }
}

variable "kubernetes_public_access_cidrs" {
  description = "Who may reach the Kubernetes API from outside the VPC: the office, the pipeline's runners. Empty: only from inside the VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.kubernetes_public_access_cidrs : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "Address ranges such as 203.0.113.0/24; never the whole internet."
  }
}

variable "cluster_admin_principal_arns" {
  description = "IAM roles that administer the cluster (system:masters' successor). At least one; without one the cluster has no administrator."
  type        = list(string)

  validation {
    condition     = length(var.cluster_admin_principal_arns) > 0 && alltrue([for arn in var.cluster_admin_principal_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/", arn))])
    error_message = "At least one ARN of an IAM role, such as arn:aws:iam::123456789012:role/platform."
  }
}

variable "node_pools" {
  description = "Machines of each pool. Pricers are limited by cores and the memory bus; keep all types of both pricer pools to one processor family, so that results stay equal to the last bit, and to one size, so that the autoscaler can reckon."
  type = object({
    system      = object({ instance_types = list(string), min = number, max = number, disk_gib = number })
    pricer      = object({ instance_types = list(string), min = number, max = number, disk_gib = number })
    pricer_spot = object({ instance_types = list(string), min = number, max = number, disk_gib = number })
  })
  default = {
    system      = { instance_types = ["m7i.xlarge"], min = 3, max = 6, disk_gib = 60 }
    pricer      = { instance_types = ["m7i.2xlarge"], min = 1, max = 20, disk_gib = 60 }
    pricer_spot = { instance_types = ["m7i.2xlarge", "m7i-flex.2xlarge", "r7i.2xlarge"], min = 0, max = 100, disk_gib = 60 }
  }

  validation {
    condition     = alltrue([for pool in values(var.node_pools) : pool.min >= 0 && pool.max >= pool.min && pool.max >= 1 && pool.disk_gib >= 40 && length(pool.instance_types) > 0])
    error_message = "Each pool: 0 <= min <= max, max >= 1, disk_gib >= 40 (the image and its layers), at least one instance type."
  }

  validation {
    condition     = var.node_pools.system.min >= 2
    error_message = "The system pool holds the Ray head, DNS and the operators: at least two nodes."
  }
}

variable "kubernetes_namespace" {
  description = "Namespace that the overlays deploy riskray into."
  type        = string
  default     = "riskray"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.kubernetes_namespace))
    error_message = "A Kubernetes name: lower-case letters, digits and hyphens."
  }
}

# ----------------------------------------------------------------------------------------------------------- database

variable "database_engine_version" {
  description = "Aurora PostgreSQL version to start with; minor versions then arrive in the maintenance window. `aws rds describe-db-engine-versions --engine aurora-postgresql` lists the region's."
  type        = string
  default     = "17.5"

  validation {
    condition     = can(regex("^(1[6-9]|[2-9][0-9])\\.[0-9]+$", var.database_engine_version))
    error_message = "PostgreSQL 16 or newer, such as 17.5."
  }
}

variable "database_instance_class" {
  description = "db.serverless grows and shrinks with the load: right for bursts. A provisioned class is cheaper once runs fill most of the day."
  type        = string
  default     = "db.serverless"

  validation {
    condition     = can(regex("^db\\.(serverless|[a-z][a-z0-9]+\\.[0-9]*x?large)$", var.database_instance_class))
    error_message = "db.serverless, or a class such as db.r8g.2xlarge."
  }
}

variable "database_instance_count" {
  description = "Writer and readers together. Two is the least that survives a zone within a minute."
  type        = number
  default     = 2

  validation {
    condition     = var.database_instance_count >= 1 && var.database_instance_count <= 16 && floor(var.database_instance_count) == var.database_instance_count
    error_message = "A whole number from 1 to 16."
  }
}

variable "database_capacity_units" {
  description = "Smallest and largest size of a serverless instance, in Aurora capacity units (about 2 GiB of memory with the processor to match). The minimum decides how fast it grows: from 8, not from 0.5, for nightly runs."
  type        = object({ min = number, max = number })
  default     = { min = 4, max = 64 }

  validation {
    condition     = var.database_capacity_units.min >= 0.5 && var.database_capacity_units.max <= 256 && var.database_capacity_units.min <= var.database_capacity_units.max && var.database_capacity_units.max >= 1
    error_message = "0.5 <= min <= max <= 256, max >= 1. Zero (pausing) is of no use: riskray's coordinator listens all the time."
  }
}

variable "database_storage_type" {
  description = "io-optimized: dearer by the hour and gigabyte, no price for each I/O; pays when I/O is above a quarter of Aurora's bill, as nightly bulk COPY makes it. standard: for little use."
  type        = string
  default     = "io-optimized"

  validation {
    condition     = contains(["standard", "io-optimized"], var.database_storage_type)
    error_message = "standard or io-optimized."
  }
}

variable "database_backup_retention_days" {
  description = "Days that point-in-time recovery reaches back."
  type        = number
  default     = 35

  validation {
    condition     = var.database_backup_retention_days >= 1 && var.database_backup_retention_days <= 35
    error_message = "From 1 to 35 days."
  }
}

variable "database_insights_mode" {
  description = "CloudWatch Database Insights: standard keeps a week of history and is free, advanced keeps fifteen months and is priced by processor or capacity unit."
  type        = string
  default     = "standard"

  validation {
    condition     = contains(["standard", "advanced"], var.database_insights_mode)
    error_message = "standard or advanced."
  }
}

variable "database_maintenance_work_mem_mib" {
  description = "Memory of one index build or vacuum, MiB. Several at once must fit beside shared buffers, also when a serverless instance is small."
  type        = number
  default     = 512

  validation {
    condition     = var.database_maintenance_work_mem_mib >= 64 && var.database_maintenance_work_mem_mib <= 16384
    error_message = "From 64 to 16384 MiB."
  }
}

variable "database_autovacuum_workers" {
  description = "Vacuum processes at the same time."
  type        = number
  default     = 5

  validation {
    condition     = var.database_autovacuum_workers >= 1 && var.database_autovacuum_workers <= 20
    error_message = "From 1 to 20."
  }
}

variable "database_slow_statement_log_seconds" {
  description = "Statements that take longer are logged with their plan."
  type        = number
  default     = 10

  validation {
    condition     = var.database_slow_statement_log_seconds >= 1
    error_message = "At least one second: plans of everything would drown the log."
  }
}

variable "database_connections_alarm" {
  description = "Connections above which something leaks: the sum of all pools (RISKRAY_DATABASE_POOL_SIZE for each API replica and the coordinator, and what a pricer opens times the pricers) and a fifth more."
  type        = number
  default     = 800

  validation {
    condition     = var.database_connections_alarm >= 10
    error_message = "At least 10."
  }
}

variable "database_tls_parameters" {
  description = "How clients check the server, in the form of a URL's query. The overlay mounts AWS's public certificate bundle at this path."
  type        = string
  default     = "sslmode=verify-full&sslrootcert=/etc/riskray/rds/global-bundle.pem"

  validation {
    condition     = can(regex("sslmode=(require|verify-ca|verify-full)", var.database_tls_parameters))
    error_message = "The database refuses plain text: sslmode=verify-full (or verify-ca, require)."
  }
}

# ------------------------------------------------------------------------------------------------- storage and images

variable "export_expiry_days" {
  description = "Days after which files under exports/ are deleted; the database still has what they held."
  type        = number
  default     = 90

  validation {
    condition     = var.export_expiry_days >= 1
    error_message = "At least one day."
  }
}

variable "load_balancer_log_expiry_days" {
  description = "Days after which access logs of the load balancer and the buckets are deleted."
  type        = number
  default     = 365

  validation {
    condition     = var.load_balancer_log_expiry_days >= 1
    error_message = "At least one day."
  }
}

variable "images_kept" {
  description = "Newest images that the repository keeps: how far a rollback can reach."
  type        = number
  default     = 50

  validation {
    condition     = var.images_kept >= 5
    error_message = "At least 5, or there is nothing to roll back to."
  }
}

variable "secret_versions" {
  description = "Generation of each secret that Terraform makes; a larger number makes a new value at the next apply."
  type        = map(number)
  default     = { api-token = 1, ray-auth-token = 1, database = 1 }

  validation {
    condition     = toset(keys(var.secret_versions)) == toset(["api-token", "ray-auth-token", "database"]) && alltrue([for version in values(var.secret_versions) : version >= 1])
    error_message = "api-token, ray-auth-token and database, each at least 1."
  }
}

# --------------------------------------------------------------------------------------------------------------- edge

variable "edge_certificate_arn" {
  description = "ACM certificate, in this region, for the name that clients use."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/", var.edge_certificate_arn))
    error_message = "The ARN of an ACM certificate."
  }
}

variable "edge_internet_facing" {
  description = "Public addresses for the load balancer. False: reachable from the VPC and what is connected to it."
  type        = bool
  default     = false

  validation {
    condition     = !var.edge_internet_facing || var.edge_firewall_enabled
    error_message = "An internet-facing edge needs edge_firewall_enabled = true."
  }
}

variable "edge_client_cidrs" {
  description = "Address ranges that may call the API."
  type        = list(string)

  validation {
    condition     = length(var.edge_client_cidrs) > 0 && alltrue([for cidr in var.edge_client_cidrs : can(cidrhost(cidr, 0))])
    error_message = "At least one address range, such as 10.0.0.0/8."
  }

  validation {
    condition     = var.edge_internet_facing || alltrue([for cidr in var.edge_client_cidrs : !endswith(cidr, "/0")])
    error_message = "The whole internet only with edge_internet_facing = true, which asks for the firewall too."
  }
}

variable "edge_firewall_enabled" {
  description = "AWS WAF in front of the load balancer: managed rules and a limit by address."
  type        = bool
  default     = false
}

variable "edge_requests_per_five_minutes" {
  description = "Requests from one address within five minutes, above which the firewall blocks it."
  type        = number
  default     = 6000

  validation {
    condition     = var.edge_requests_per_five_minutes >= 100
    error_message = "At least 100; offices share one address."
  }
}

variable "edge_idle_timeout_seconds" {
  description = "Silence after which a connection is closed. Longer than riskray's own waits (50 s) and event streams (55 s), shorter than keep_alive_timeout_s of deployments/serve.yaml (90 s), or a pod closes a connection that the load balancer is about to use."
  type        = number
  default     = 60

  validation {
    condition     = var.edge_idle_timeout_seconds >= 60 && var.edge_idle_timeout_seconds <= 85
    error_message = "From 60 to 85 seconds."
  }
}

variable "serve_port" {
  description = "Port of Ray Serve's proxies: http_options.port of deployments/serve.yaml."
  type        = number
  default     = 8800

  validation {
    condition     = var.serve_port >= 1024 && var.serve_port <= 65535
    error_message = "From 1024 to 65535."
  }
}

variable "serve_health_path" {
  description = "Path for which a Serve proxy returns 200 when it can route."
  type        = string
  default     = "/-/healthz"

  validation {
    condition     = startswith(var.serve_health_path, "/")
    error_message = "A path that begins with a slash."
  }
}

# ----------------------------------------------------------------------------------------------- pipeline and alarms

variable "github_repository" {
  description = "owner/name of the repository whose pipeline deploys."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "owner/name, without wildcards."
  }
}

variable "github_branch" {
  description = "Branch whose jobs may deploy."
  type        = string
  default     = "main"

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]+$", var.github_branch))
    error_message = "A branch name, without wildcards."
  }
}

variable "github_environment" {
  description = "GitHub environment whose jobs may deploy; its protection rules say who approves."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+$", var.github_environment))
    error_message = "The name of an environment, without wildcards."
  }
}

variable "github_oidc_provider_exists" {
  description = "The account has GitHub's identity provider already (there can be only one); false makes it."
  type        = bool
  default     = false
}

variable "alarm_emails" {
  description = "Addresses that hear of alarms; each has to confirm a mail."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "E-mail addresses."
  }
}

variable "server_errors_per_minute_alarm" {
  description = "Answers 5xx a minute, three minutes running, that raise an alarm."
  type        = number
  default     = 5

  validation {
    condition     = var.server_errors_per_minute_alarm >= 0
    error_message = "Not negative."
  }
}
