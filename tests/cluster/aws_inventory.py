"""The resources of an AWS account by kind, to check that an apply creates them and a destroy removes all of them."""

from collections.abc import Callable
from typing import Any

import boto3


class Account:
    """Clients of one (stand-in for an) account, by service."""

    def __init__(self, endpoint: str, region: str) -> None:
        """`endpoint` serves all AWS services."""
        self._session = boto3.session.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=region)
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        """The client of a service, such as account["ec2"]."""
        if service not in self._clients:
            self._clients[service] = self._session.client(service, endpoint_url=self._endpoint)
        return self._clients[service]

    def every(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        """All pages of a listing."""
        pages = self[service].get_paginator(operation).paginate(**arguments)
        return [item for page in pages for item in page[key]]


def inventory(account: Account) -> dict[str, set[str]]:
    """Identifiers by kind. Keys that wait for their deletion count as deleted; network interfaces go with what they belong to."""
    found = {f"{service} {operation}": set(names(account)) for (service, operation), names in _KINDS.items()}
    clusters = found["eks list_clusters"]
    for operation, key in (
        ("list_nodegroups", "nodegroups"),
        ("list_addons", "addons"),
        ("list_access_entries", "accessEntries"),
        ("list_pod_identity_associations", "associations"),
    ):
        listed = [item for cluster in clusters for item in account.every("eks", operation, key, clusterName=cluster)]
        found[f"eks {operation}"] = {str(item) for item in listed}
    return found


def _listing(service: str, operation: str, key: str, identifier: str | None, **arguments: Any) -> Callable[[Account], list[str]]:
    def names(account: Account) -> list[str]:
        if account[service].can_paginate(operation):
            items = account.every(service, operation, key, **arguments)
        else:
            items = getattr(account[service], operation)(**arguments)[key]
        return [str(item if identifier is None else item[identifier]) for item in items]

    return names


def _keys_in_use(account: Account) -> list[str]:
    keys = [key["KeyId"] for key in account.every("kms", "list_keys", "Keys")]
    return [key for key in keys if account["kms"].describe_key(KeyId=key)["KeyMetadata"]["KeyState"] != "PendingDeletion"]


def _not_deleted(operation: str, key: str, identifier: str) -> Callable[[Account], list[str]]:
    def names(account: Account) -> list[str]:
        return [item[identifier] for item in account.every("ec2", operation, key) if item["State"] != "deleted"]

    return names


_KINDS: dict[tuple[str, str], Callable[[Account], list[str]]] = {
    ("kms", "list_keys"): _keys_in_use,
    ("ec2", "describe_nat_gateways"): _not_deleted("describe_nat_gateways", "NatGateways", "NatGatewayId"),
    ("ec2", "describe_vpc_endpoints"): _not_deleted("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    **{
        (service, operation): _listing(service, operation, key, identifier, **arguments)
        for service, operation, key, identifier, arguments in (
            ("ec2", "describe_vpcs", "Vpcs", "VpcId", {}),
            ("ec2", "describe_subnets", "Subnets", "SubnetId", {}),
            ("ec2", "describe_route_tables", "RouteTables", "RouteTableId", {}),
            ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId", {}),
            ("ec2", "describe_addresses", "Addresses", "AllocationId", {}),
            ("ec2", "describe_security_groups", "SecurityGroups", "GroupId", {}),
            ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId", {}),
            ("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId", {}),
            ("eks", "list_clusters", "clusters", None, {}),
            ("rds", "describe_db_clusters", "DBClusters", "DBClusterIdentifier", {}),
            ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier", {}),
            ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName", {}),
            ("rds", "describe_db_cluster_parameter_groups", "DBClusterParameterGroups", "DBClusterParameterGroupName", {}),
            ("rds", "describe_db_cluster_snapshots", "DBClusterSnapshots", "DBClusterSnapshotIdentifier", {"SnapshotType": "manual"}),
            ("secretsmanager", "list_secrets", "SecretList", "Name", {}),
            ("s3", "list_buckets", "Buckets", "Name", {}),
            ("ecr", "describe_repositories", "repositories", "repositoryName", {}),
            ("iam", "list_roles", "Roles", "RoleName", {}),
            ("iam", "list_policies", "Policies", "PolicyName", {"Scope": "Local"}),
            ("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList", "Arn", {}),
            ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerName", {}),
            ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupName", {}),
            ("wafv2", "list_web_acls", "WebACLs", "Name", {"Scope": "REGIONAL"}),
            ("logs", "describe_log_groups", "logGroups", "logGroupName", {}),
            ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName", {}),
            ("sns", "list_topics", "Topics", "TopicArn", {}),
            ("events", "list_rules", "Rules", "Name", {}),
        )
    },
}
