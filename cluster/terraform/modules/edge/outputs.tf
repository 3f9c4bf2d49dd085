output "dns_name" {
  description = "Address of the load balancer; point a name that the certificate covers at it."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Hosted zone of that address, for a Route 53 alias."
  value       = aws_lb.this.zone_id
}

output "target_group_arn" {
  description = "Target group for the TargetGroupBinding of the overlay."
  value       = aws_lb_target_group.serve.arn
}

output "load_balancer_suffix" {
  description = "What CloudWatch calls the load balancer."
  value       = aws_lb.this.arn_suffix
}

output "target_group_suffix" {
  description = "What CloudWatch calls the target group."
  value       = aws_lb_target_group.serve.arn_suffix
}
