# The only way in: an Application Load Balancer with TLS, in front of Ray Serve's pods.
#
# Not API Gateway: an HTTP API ends every request after 30 seconds and every body after 10 MB. riskray takes portfolios of hundreds of
# megabytes, streams results as Arrow, and holds event streams and waiting requests for up to 55 seconds. It checks tokens and limits itself.
#
# Terraform makes the load balancer and an empty target group; the load balancer controller fills it from a TargetGroupBinding in the overlay.
# So the address, certificate and firewall outlive every RayService, and the controller needs no right to make anything.

resource "aws_security_group" "load_balancer" {
  name_prefix = "${var.name}-edge-"
  description = "HTTPS from the clients to the load balancer"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-edge" }

  lifecycle {
    create_before_destroy = true
  }
}

# This is the documented edge: the one place where an address range decides who comes in.
resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = toset(var.client_cidrs)

  security_group_id = aws_security_group.load_balancer.id
  description       = "HTTPS from clients"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "to_pods" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Ray Serve's proxies"
  referenced_security_group_id = var.pod_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.serve_port
  to_port                      = var.serve_port
}

resource "aws_vpc_security_group_ingress_rule" "pods" {
  security_group_id            = var.pod_security_group_id
  description                  = "Ray Serve's proxies, from the load balancer"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = var.serve_port
  to_port                      = var.serve_port
}

resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = !var.internet_facing
  subnets                    = var.subnet_ids
  security_groups            = [aws_security_group.load_balancer.id]
  idle_timeout               = var.idle_timeout_seconds
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive"
  enable_deletion_protection = var.protect_data

  access_logs {
    bucket  = var.log_bucket
    prefix  = "load-balancer"
    enabled = true
  }
}

resource "aws_lb_target_group" "serve" {
  name                          = "${var.name}-serve"
  vpc_id                        = var.vpc_id
  target_type                   = "ip"
  port                          = var.serve_port
  protocol                      = "HTTP" # inside the VPC, pod to pod; clients see TLS only
  load_balancing_algorithm_type = "least_outstanding_requests"
  deregistration_delay          = 60 # a leaving pod finishes what it has; longer streams reconnect with Last-Event-ID
  slow_start                    = 0  # not compatible with least_outstanding_requests

  health_check {
    path                = var.serve_health_path
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  tags = { "riskray.io/binding" = "serve" }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.serve.arn
  }
}
