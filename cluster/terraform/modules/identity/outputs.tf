output "workloads" {
  description = "Namespace, service account and role of every workload that calls AWS."
  value = {
    for name, account in local.service_accounts : name => {
      namespace       = account.namespace
      service_account = account.service_account
      role_arn        = aws_iam_role.workload[name].arn
    }
  }
}

output "deploy_role_arn" {
  description = "Role that the pipeline assumes."
  value       = aws_iam_role.deploy.arn
}
