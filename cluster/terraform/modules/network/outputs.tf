output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "One a zone, in the order of availability_zones."
  value       = [for zone in var.availability_zones : aws_subnet.public[zone].id]
}

output "private_subnet_ids" {
  description = "One a zone, in the order of availability_zones."
  value       = [for zone in var.availability_zones : aws_subnet.private[zone].id]
}

output "intra_subnet_ids" {
  description = "One a zone, in the order of availability_zones."
  value       = [for zone in var.availability_zones : aws_subnet.intra[zone].id]
}

output "nat_addresses" {
  description = "Public addresses that outgoing connections come from; for other people's allow lists."
  value       = [for address in aws_eip.nat : address.public_ip]
}
