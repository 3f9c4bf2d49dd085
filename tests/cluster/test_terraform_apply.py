"""Apply the Terraform configuration to a stand-in for AWS, check the resources, and destroy them.

The stand-in is moto with the EKS routes that it lacks (`aws_stand_in.py`), so that no resource is left out. It stores resources without
enforcing rules: the tests show that Terraform requests the right resources in an order that works, and removes all of them.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.aws_inventory import Account
from tests.cluster.conftest import DEADLINE_S, OPTIONAL, REGION, STATE_BUCKET, VARIABLES, Installation
from tests.cluster.terraform import FILLED_IN, LOCAL_OVERRIDE, PROVIDER_OVERRIDE, SOURCE, Terraform

NAME = "riskray-dev"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def account(installation: Installation) -> Account:
    return installation.account


@pytest.fixture(scope="module")
def outputs(installation: Installation) -> dict[str, Any]:
    """The outputs of the applied configuration."""
    return installation.outputs()


def test_production_plan_protects_data(installation: Installation, tmp_path: Path) -> None:
    """The first test here, because it needs nothing applied: by its end most is."""
    production = Terraform(tmp_path / "copy", endpoint=installation.endpoint)
    production.write("all_override.tf", LOCAL_OVERRIDE + PROVIDER_OVERRIDE)
    production.write_variables("test.tfvars.json", FILLED_IN)
    production.init()
    plan = production.planned("-var-file=envs/prod.tfvars", "-var-file=test.tfvars.json")
    database = plan["module.database.aws_rds_cluster.this"]
    assert (database["deletion_protection"], database["skip_final_snapshot"], database["storage_type"]) == (True, False, "aurora-iopt1")
    assert database["backup_retention_period"] == 35
    assert plan["module.edge.aws_lb.this"]["enable_deletion_protection"] is True
    assert {values["force_destroy"] for address, values in plan.items() if ".aws_s3_bucket.this" in address} == {False}
    assert {values["recovery_window_in_days"] for address, values in plan.items() if ".aws_secretsmanager_secret.this" in address} == {30}
    assert plan["module.registry.aws_ecr_repository.this"]["force_delete"] is False
    assert plan["module.eks.aws_eks_cluster.this"]["vpc_config"][0]["endpoint_public_access"] is False
    assert len([address for address in plan if ".aws_nat_gateway." in address]) == 3
    assert len([address for address in plan if ".aws_rds_cluster_instance." in address]) == 3


# ------------------------------------------------------------------------------------------------------------ network


def test_network_has_three_tiers_in_three_zones(outputs: dict[str, Any], account: Account) -> None:
    subnets = account["ec2"].describe_subnets(Filters=[{"Name": "vpc-id", "Values": [outputs["vpc_id"]]}])["Subnets"]
    zones_by_tier: dict[str, set[str]] = {}
    for subnet in subnets:
        zones_by_tier.setdefault(tag(subnet, "tier"), set()).add(subnet["AvailabilityZone"])
        assert not subnet["MapPublicIpOnLaunch"]
    assert zones_by_tier == {tier: {f"{REGION}{zone}" for zone in "abc"} for tier in ("public", "private", "intra")}


def test_only_private_and_public_subnets_have_a_way_out(outputs: dict[str, Any], account: Account) -> None:
    tables = account["ec2"].describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [outputs["vpc_id"]]}])["RouteTables"]
    ways_out = {
        tag(table, "Name"): [
            "nat" if route.get("NatGatewayId") else "internet"
            for route in table["Routes"]
            if route.get("DestinationCidrBlock") == "0.0.0.0/0"
        ]
        for table in tables
        if tag(table, "Name")
    }
    private = {f"{NAME}-private-{REGION}{zone}": ["nat"] for zone in "abc"}
    assert ways_out == {f"{NAME}-public": ["internet"], f"{NAME}-intra": [], **private}


def test_no_security_group_lets_the_whole_internet_in(outputs: dict[str, Any], account: Account) -> None:
    groups = account["ec2"].describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [outputs["vpc_id"]]}])["SecurityGroups"]
    open_to_all = [
        (group["GroupName"], permission)
        for group in groups
        for permission in group["IpPermissions"]
        if any(block["CidrIp"].endswith("/0") for block in permission["IpRanges"]) or permission["Ipv6Ranges"]
    ]
    assert open_to_all == []
    default = next(group for group in groups if group["GroupName"] == "default")
    assert (default["IpPermissions"], default["IpPermissionsEgress"]) == ([], [])


def test_flow_logs_and_endpoints_exist(outputs: dict[str, Any], account: Account) -> None:
    [flow] = account["ec2"].describe_flow_logs()["FlowLogs"]
    assert (flow["ResourceId"], flow["TrafficType"]) == (outputs["vpc_id"], "ALL")
    endpoints = account["ec2"].describe_vpc_endpoints()["VpcEndpoints"]
    kinds = {endpoint["ServiceName"].removeprefix(f"com.amazonaws.{REGION}."): endpoint["VpcEndpointType"] for endpoint in endpoints}
    assert kinds == {"s3": "Gateway", **dict.fromkeys(OPTIONAL["interface_endpoints"], "Interface")}  # type: ignore[call-overload]


# ------------------------------------------------------------------------------------------------------------ cluster


def test_cluster_is_private_logged_and_encrypted(outputs: dict[str, Any], account: Account) -> None:
    cluster = account["eks"].describe_cluster(name=outputs["cluster_name"])["cluster"]
    network = cluster["resourcesVpcConfig"]
    assert network["endpointPrivateAccess"] is True
    assert network["publicAccessCidrs"] == ["203.0.113.0/24"]
    [logging] = [setup for setup in cluster["logging"]["clusterLogging"] if setup["enabled"]]
    assert set(logging["types"]) == {"api", "audit", "authenticator", "controllerManager", "scheduler"}
    [encryption] = cluster["encryptionConfig"]
    assert encryption["resources"] == ["secrets"]
    assert encryption["provider"]["keyArn"] == key_of(account, f"alias/{NAME}-cluster")
    assert cluster["accessConfig"] == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    assert cluster["upgradePolicy"] == {"supportType": "STANDARD"}


def test_node_groups_carry_the_labels_and_taints_of_the_outputs(outputs: dict[str, Any], account: Account) -> None:
    capacity = {}
    for name in account["eks"].list_nodegroups(clusterName=NAME)["nodegroups"]:
        group = account["eks"].describe_nodegroup(clusterName=NAME, nodegroupName=name)["nodegroup"]
        taints = {taint["key"]: taint["value"] for taint in group["taints"]}
        assert {taint["effect"] for taint in group["taints"]} <= {"NO_SCHEDULE"}
        assert outputs["node_pools"][name] == {"labels": group["labels"], "taints": taints}
        capacity[name] = (group["capacityType"], group["labels"]["riskray.io/pool"], group["scalingConfig"]["minSize"])
        template = account["ec2"].describe_launch_template_versions(LaunchTemplateId=group["launchTemplate"]["id"])
        machine = template["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        assert (machine["MetadataOptions"]["HttpTokens"], machine["MetadataOptions"]["HttpPutResponseHopLimit"]) == ("required", 1)
        assert [disk["Ebs"]["Encrypted"] for disk in machine["BlockDeviceMappings"]] == [True]
    assert capacity == {"system": ("ON_DEMAND", "system", 2), "pricer": ("ON_DEMAND", "pricer", 0), "pricer-spot": ("SPOT", "pricer", 0)}


def test_add_ons_are_pinned_and_network_policies_enforced(outputs: dict[str, Any], account: Account) -> None:
    names = account["eks"].list_addons(clusterName=NAME)["addons"]
    addons = {name: account["eks"].describe_addon(clusterName=NAME, addonName=name)["addon"] for name in names}
    assert addons.keys() >= {"vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver", "metrics-server"}
    assert [name for name, addon in addons.items() if not re.fullmatch(r"v\d+\.\d+\.\d+-eksbuild\.\d+", addon["addonVersion"])] == []
    assert json.loads(addons["vpc-cni"]["configurationValues"]) == {"enableNetworkPolicy": "true"}


def test_service_accounts_are_joined_to_their_own_roles(outputs: dict[str, Any], account: Account) -> None:
    eks = account["eks"]
    joined = {
        (association["namespace"], association["serviceAccount"]): eks.describe_pod_identity_association(
            clusterName=NAME, associationId=association["associationId"]
        )["association"]["roleArn"]
        for association in eks.list_pod_identity_associations(clusterName=NAME)["associations"]
        if association["namespace"] != "add-on"  # of the add-ons, made with them
    }
    expected = {(entry["namespace"], entry["service_account"]): entry["role_arn"] for entry in outputs["service_accounts"].values()}
    assert joined == expected
    assert ("riskray", "riskray-jobs") in joined
    for (namespace, service_account), role in joined.items():
        [statement] = account["iam"].get_role(RoleName=role.rsplit("/", 1)[1])["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert statement["Condition"]["StringEquals"] == {
            "aws:RequestTag/eks-cluster-arn": f"arn:aws:eks:{REGION}:123456789012:cluster/{NAME}",
            "aws:RequestTag/kubernetes-namespace": namespace,
            "aws:RequestTag/kubernetes-service-account": service_account,
        }


def test_pipeline_may_push_and_find_the_cluster_from_one_branch_and_environment(outputs: dict[str, Any], account: Account) -> None:
    name = outputs["deploy_role_arn"].rsplit("/", 1)[1]
    [trust] = account["iam"].get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    subjects = trust["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert set(subjects) == {"repo:example/riskray:ref:refs/heads/main", "repo:example/riskray:environment:dev"}
    statements = account["iam"].get_role_policy(RoleName=name, PolicyName="deploy")["PolicyDocument"]["Statement"]
    everywhere = [statement["Action"] for statement in statements if statement["Resource"] == "*"]
    assert everywhere == ["ecr:GetAuthorizationToken"]
    assert {action.split(":")[0] for statement in statements for action in listed(statement["Action"])} == {"ecr", "eks"}
    entry = account["eks"].describe_access_entry(clusterName=NAME, principalArn=outputs["deploy_role_arn"])["accessEntry"]
    assert entry["kubernetesGroups"] == [outputs["deploy_kubernetes_group"]]
    policies = account["eks"].list_associated_access_policies(clusterName=NAME, principalArn=outputs["deploy_role_arn"])
    assert policies["associatedAccessPolicies"] == []


def test_no_role_may_do_a_wildcard_on_everything(outputs: dict[str, Any], account: Account) -> None:
    broad = []
    for role in account.every("iam", "list_roles", "Roles"):
        for policy in account["iam"].list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            document = account["iam"].get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
            for statement in listed(document["Statement"]):
                if "*" in listed(statement["Resource"]):
                    broad += [(role["RoleName"], action) for action in listed(statement["Action"]) if not is_plain_read(action)]
    assert broad == []


# ----------------------------------------------------------------------------------------------------------- database


def test_database_is_encrypted_spread_and_reachable_from_pods_alone(outputs: dict[str, Any], account: Account) -> None:
    [cluster] = account["rds"].describe_db_clusters()["DBClusters"]
    assert cluster["Engine"] == "aurora-postgresql"
    assert cluster["StorageEncrypted"] is True
    assert cluster["KmsKeyId"] == key_of(account, f"alias/{NAME}-data")
    assert cluster["IAMDatabaseAuthenticationEnabled"] is True
    assert cluster["BackupRetentionPeriod"] == 3
    assert cluster["MasterUserSecret"]["SecretArn"] == outputs["database_master_secret_arn"]
    assert len(cluster["DBClusterMembers"]) == OPTIONAL["database_instance_count"]
    assert not any(instance["PubliclyAccessible"] for instance in account["rds"].describe_db_instances()["DBInstances"])
    [subnets] = account["rds"].describe_db_subnet_groups()["DBSubnetGroups"]
    assert len({subnet["SubnetAvailabilityZone"]["Name"] for subnet in subnets["Subnets"]}) == 3

    [group] = [membership["VpcSecurityGroupId"] for membership in cluster["VpcSecurityGroups"]]
    [permission] = account["ec2"].describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    pods = account["eks"].describe_cluster(name=NAME)["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"]
    assert (permission["FromPort"], permission["ToPort"], permission["IpRanges"]) == (5432, 5432, [])
    assert [pair["GroupId"] for pair in permission["UserIdGroupPairs"]] == [pods]


def test_database_parameters_are_the_documented_ones(outputs: dict[str, Any], account: Account) -> None:
    [cluster] = account["rds"].describe_db_clusters()["DBClusters"]
    name = cluster["DBClusterParameterGroup"]
    listed_parameters = account["rds"].describe_db_cluster_parameters(DBClusterParameterGroupName=name)["Parameters"]
    parameters = {parameter["ParameterName"]: (parameter["ParameterValue"], parameter["ApplyMethod"]) for parameter in listed_parameters}
    assert parameters["rds.force_ssl"] == ("1", "immediate")
    assert parameters["synchronous_commit"] == ("on", "immediate")
    assert parameters["maintenance_work_mem"] == (str(512 * 1024), "immediate")
    assert parameters["shared_preload_libraries"] == ("pg_stat_statements,auto_explain", "pending-reboot")
    assert parameters["autovacuum_max_workers"] == ("5", "pending-reboot")
    text = (SOURCE / "modules" / "database" / "parameters.tf").read_text(encoding="utf-8")
    assert [parameter for parameter in parameters if f'"{parameter}"' not in text] == []


# ------------------------------------------------------------------------------------- storage, images, secrets, keys


def test_buckets_are_closed_encrypted_versioned_and_speak_tls_only(outputs: dict[str, Any], account: Account) -> None:
    s3 = account["s3"]
    algorithms = {"artefacts": "aws:kms", "logs": "AES256"}
    for kind, algorithm in algorithms.items():
        bucket = f"{NAME}-{kind}-123456789012"
        assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == algorithm
        statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        [tls] = [statement for statement in statements if statement["Sid"] == "OnlyOverTLS"]
        assert (tls["Effect"], tls["Action"], tls["Condition"]) == ("Deny", "s3:*", {"Bool": {"aws:SecureTransport": "false"}})
        assert all(statement["Condition"] for statement in statements)
        assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert outputs["artefact_bucket"] == f"{NAME}-artefacts-123456789012"


def test_images_are_immutable_scanned_and_expire(outputs: dict[str, Any], account: Account) -> None:
    [repository] = account["ecr"].describe_repositories()["repositories"]
    assert repository["repositoryUri"] == outputs["repository_url"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert repository["encryptionConfiguration"]["encryptionType"] == "KMS"
    policy = json.loads(account["ecr"].get_lifecycle_policy(repositoryName=NAME)["lifecyclePolicyText"])
    assert [rule["selection"]["countNumber"] for rule in policy["rules"]] == [7, 20]


def test_secrets_have_values_that_the_state_does_not_know(outputs: dict[str, Any], account: Account) -> None:
    values = {}
    for short_name, name in outputs["secret_names"].items():
        assert account["secretsmanager"].describe_secret(SecretId=name)["KmsKeyId"] == key_of(account, f"alias/{NAME}-data")
        values[short_name] = account["secretsmanager"].get_secret_value(SecretId=name)["SecretString"]
    login = json.loads(values["database"])
    assert login["url"] == (
        f"postgresql://riskray_app:{login['password']}@{outputs['database_endpoint']}:5432/riskray"
        "?sslmode=verify-full&sslrootcert=/etc/riskray/rds/global-bundle.pem"
    )
    hidden = [values["api-token"], values["ray-auth-token"], login["password"]]
    assert len(set(hidden)) == 3
    assert all(len(value) == 48 and value.isalnum() for value in hidden)
    state = account["s3"].get_object(Bucket=STATE_BUCKET, Key="riskray/dev.tfstate")["Body"].read().decode()
    assert outputs["secret_arns"]["database"] in state
    assert [value for value in hidden if value in state] == []


def test_keys_rotate_and_logs_are_encrypted_and_expire(outputs: dict[str, Any], account: Account) -> None:
    for alias in ("data", "cluster", "logs"):
        assert account["kms"].get_key_rotation_status(KeyId=key_of(account, f"alias/{NAME}-{alias}"))["KeyRotationEnabled"]
    groups = account["logs"].describe_log_groups()["logGroups"]
    assert {group["logGroupName"] for group in groups} == {
        f"/{NAME}/vpc-flow",
        f"/aws/eks/{NAME}/cluster",
        f"/aws/rds/cluster/{NAME}/postgresql",
        f"aws-waf-logs-{NAME}",
    }
    assert {(group["retentionInDays"], group["kmsKeyId"]) for group in groups} == {(14, key_of(account, f"alias/{NAME}-logs"))}


# ---------------------------------------------------------------------------------------------------- edge and alarms


def test_edge_is_internal_and_speaks_modern_tls(outputs: dict[str, Any], account: Account) -> None:
    [balancer] = account["elbv2"].describe_load_balancers()["LoadBalancers"]
    assert balancer["Scheme"] == "internal"
    assert {zone["SubnetId"] for zone in balancer["AvailabilityZones"]} == set(outputs["private_subnet_ids"])
    [listener] = account["elbv2"].describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    assert (listener["Port"], listener["Protocol"], listener["SslPolicy"]) == (443, "HTTPS", "ELBSecurityPolicy-TLS13-1-2-2021-06")
    [group] = account["elbv2"].describe_target_groups()["TargetGroups"]
    assert (group["TargetGroupArn"], group["TargetType"], group["Port"]) == (outputs["target_group_arn"], "ip", 8800)
    settings = account["elbv2"].describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])["Attributes"]
    attributes = {attribute["Key"]: attribute["Value"] for attribute in settings}
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"


def test_firewall_guards_the_edge_and_lets_uploads_through(outputs: dict[str, Any], account: Account) -> None:
    [balancer] = account["elbv2"].describe_load_balancers()["LoadBalancers"]
    firewall = account["wafv2"].get_web_acl_for_resource(ResourceArn=balancer["LoadBalancerArn"])["WebACL"]
    statements = {rule["Name"]: rule["Statement"] for rule in firewall["Rules"]}
    common = statements["AWSManagedRulesCommonRuleSet"]["ManagedRuleGroupStatement"]
    assert common["RuleActionOverrides"] == [{"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}]
    assert statements["requests-by-address"]["RateBasedStatement"]["AggregateKeyType"] == "IP"


def test_every_alarm_and_event_reaches_the_encrypted_topic(outputs: dict[str, Any], account: Account) -> None:
    topic = outputs["alarm_topic_arn"]
    alarms = account.every("cloudwatch", "describe_alarms", "MetricAlarms")
    metrics = {alarm["MetricName"] for alarm in alarms}
    assert metrics >= {
        "CPUUtilization",
        "DatabaseConnections",
        "FreeLocalStorage",
        "AuroraReplicaLagMaximum",
        "ACUUtilization",
        "HTTPCode_Target_5XX_Count",
        "HTTPCode_ELB_5XX_Count",
        "cluster_failed_node_count",
    }
    assert [alarm["AlarmName"] for alarm in alarms if alarm["AlarmActions"] != [topic] or not alarm["AlarmDescription"]] == []
    for rule in account["events"].list_rules()["Rules"]:
        assert [target["Arn"] for target in account["events"].list_targets_by_rule(Rule=rule["Name"])["Targets"]] == [topic]
    [failed] = [rule for rule in account["events"].list_rules()["Rules"] if rule["Name"].endswith("node-launch-failed")]
    assert len(json.loads(failed["EventPattern"])["detail"]["AutoScalingGroupName"]) == 3
    attributes = account["sns"].get_topic_attributes(TopicArn=topic)["Attributes"]
    assert attributes["KmsMasterKeyId"] == key_of(account, f"alias/{NAME}-logs")
    subscriptions = account["sns"].list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [subscription["Endpoint"] for subscription in subscriptions] == OPTIONAL["alarm_emails"]


def test_state_is_locked_while_terraform_works(outputs: dict[str, Any], installation: Installation, account: Account) -> None:
    lock = {"ID": "1", "Operation": "OperationTypeApply", "Who": "another user", "Created": "2026-01-01T00:00:00Z"}
    account["s3"].put_object(Bucket=STATE_BUCKET, Key="riskray/dev.tfstate.tflock", Body=json.dumps(lock).encode())
    said = installation.terraform.run("apply", "-auto-approve", "-no-color", *VARIABLES, ok=False)
    account["s3"].delete_object(Bucket=STATE_BUCKET, Key="riskray/dev.tfstate.tflock")
    assert "Error acquiring the state lock" in said
    assert "another user" in said


# ---------------------------------------------------------------------------------------------------------- all of it


def test_all_kinds_of_resources_were_made(outputs: dict[str, Any], installation: Installation, request: pytest.FixtureRequest) -> None:
    assert len(installation.made()) >= 30
    request.getfixturevalue("destroying")  # two minutes of waiting, in which other tests can run


def test_destroy_leaves_nothing(installation: Installation, destroying: subprocess.Popen[bytes]) -> None:
    """The last test of the session, see conftest.py."""
    installation.terraform.finish(destroying, timeout_s=DEADLINE_S)
    assert installation.made() == {}


def tag(resource: dict[str, Any], key: str) -> str:
    """The value of a tag, empty without it."""
    return next((str(item["Value"]) for item in resource.get("Tags", []) if item["Key"] == key), "")


def key_of(account: Account, alias: str) -> str:
    """The ARN of the key behind an alias."""
    return str(account["kms"].describe_key(KeyId=alias)["KeyMetadata"]["Arn"])


def listed(value: Any) -> list[Any]:
    """A policy's value, which may stand alone, as a list."""
    return value if isinstance(value, list) else [value]


def is_plain_read(action: str) -> bool:
    """Whether an action without wildcard only describes, gets or lists."""
    verb = action.split(":")[1]
    return "*" not in action and verb.startswith(("Describe", "Get", "List"))
