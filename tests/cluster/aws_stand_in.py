"""AWS on this machine: moto's server, and the part of EKS that moto lacks. Run as a module, it prints its port and serves until ended.

moto 5.2 has EKS clusters and node groups, but no add-ons, access entries, access policies or Pod Identity associations. `EksAdditions`
stores these and returns them, which is enough to check that Terraform creates the right resources and removes all of them. It also gives a
cluster the security group that EKS creates for it, and stores its access and upgrade settings, which moto drops.
"""

import io
import json
import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.ec2.models import ec2_backends
from moto.eks.models import eks_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ACCOUNT = "123456789012"
REGION = "eu-central-1"

Body = dict[str, Any]
Answer = tuple[int, Body]


class OneAtATime:
    """A WSGI application that admits one request at a time, because moto's stores are not thread-safe.

    Of two concurrent requests, one can fail with 500 after storing its resource; Terraform's retry then finds that the resource exists.
    """

    def __init__(self, other: Any) -> None:
        self._other = other
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Handle a WSGI request; the response is complete before the next request begins."""
        with self._lock:
            return list(self._other(environ, start_response))


class EksAdditions:
    """EKS's missing routes in front of a WSGI application. State: kind → (cluster, identifier) → response of describe."""

    def __init__(self, other: Any) -> None:
        """`other` handles all requests that are not for these routes."""
        self._other = other
        self._kept: dict[str, dict[tuple[str, str], Body]] = {"addons": {}, "access-entries": {}, "access-policies": {}, "associations": {}}
        self._routes: list[tuple[re.Pattern[str], Callable[[str, str, str, Body], Answer]]] = [
            (re.compile(r"^/clusters/([^/]+)/addons(?:/(.+))?$"), self._addons),
            (re.compile(r"^/clusters/([^/]+)/access-entries/(.+/access-policies.*)$"), self._access_policies),
            (re.compile(r"^/clusters/([^/]+)/access-entries(?:/(.+))?$"), self._access_entries),
            (re.compile(r"^/clusters/([^/]+)/pod-identity-associations(?:/(.+))?$"), self._associations),
        ]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        for pattern, route in self._routes:
            if found := pattern.match(path):
                query = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
                status, answer = route(method, found[1], found[2] or "", {**query, **_read_json(environ)})
                headers = [("Content-Type", "application/json")]
                if status == 404:
                    headers.append(("x-amzn-ErrorType", "ResourceNotFoundException"))
                start_response(f"{status} {'OK' if status == 200 else 'Not Found'}", headers)
                return [json.dumps(answer).encode()]
        if path == "/clusters" and method == "POST":
            return self._create_cluster(environ, start_response)
        if (found := re.fullmatch(r"/clusters/([^/]+)", path)) and method == "DELETE":
            network = eks_backends[ACCOUNT][REGION].clusters[found[1]].resources_vpc_config
            ec2_backends[ACCOUNT][REGION].delete_security_group(group_id=network["clusterSecurityGroupId"])
        return self._forward(environ, start_response)

    def _forward(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._other(environ, start_response)
        return answer

    def _create_cluster(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = _read_json(environ)
        ec2 = ec2_backends[ACCOUNT][REGION]
        network = body["resourcesVpcConfig"]
        network["vpcId"] = ec2.get_subnet(network["subnetIds"][0]).vpc_id
        group = ec2.create_security_group(name=f"eks-cluster-sg-{body['name']}", description="made by EKS", vpc_id=network["vpcId"])
        network["clusterSecurityGroupId"] = group.id
        text = json.dumps(body).encode()
        answer = self._forward({**environ, "CONTENT_LENGTH": str(len(text)), "wsgi.input": io.BytesIO(text)}, start_response)
        cluster: Any = eks_backends[ACCOUNT][REGION].clusters[body["name"]]
        cluster.access_config = body.get("accessConfig")
        cluster.upgrade_policy = body.get("upgradePolicy")
        return answer

    def _addons(self, method: str, cluster: str, name: str, body: Body) -> Answer:
        if method == "POST":
            name = body["addonName"]
            associations = [
                self._associate(cluster, "add-on", wanted["serviceAccount"], wanted["roleArn"])["associationArn"]
                for wanted in body.get("podIdentityAssociations", [])
            ]
            addon = {
                **{
                    key: value
                    for key, value in body.items()
                    if key not in ("podIdentityAssociations", "resolveConflicts", "clientRequestToken")
                },
                "clusterName": cluster,
                "addonArn": _arn("addon", cluster, name),
                "status": "ACTIVE",
                "health": {"issues": []},
                "podIdentityAssociations": associations,
            }
            self._kept["addons"][cluster, name] = addon
            return 200, {"addon": addon}
        return self._get_list_or_delete("addons", method, cluster, name, one="addon")

    def _access_entries(self, method: str, cluster: str, principal: str, body: Body) -> Answer:
        if method == "POST":
            principal = body["principalArn"]
            entry = {
                **body,
                "clusterName": cluster,
                "accessEntryArn": _arn("access-entry", cluster, principal.rsplit("/", 1)[-1]),
                "kubernetesGroups": body.get("kubernetesGroups", []),
                "type": body.get("type", "STANDARD"),
                "username": body.get("username", principal),
                "createdAt": 0,
                "modifiedAt": 0,
            }
            self._kept["access-entries"][cluster, principal] = entry
            return 200, {"accessEntry": entry}
        return self._get_list_or_delete("access-entries", method, cluster, principal, one="accessEntry", many="accessEntries")

    def _access_policies(self, method: str, cluster: str, rest: str, body: Body) -> Answer:
        principal, policy = re.fullmatch(r"(.+)/access-policies(?:/(.+))?", rest).groups()  # type: ignore[union-attr]
        kept = self._kept["access-policies"]
        if method == "POST":
            associated = {"policyArn": body["policyArn"], "accessScope": body["accessScope"], "associatedAt": 0, "modifiedAt": 0}
            kept[cluster, f"{principal} {body['policyArn']}"] = associated
            return 200, {"clusterName": cluster, "principalArn": principal, "associatedAccessPolicy": associated}
        if method == "DELETE":
            kept.pop((cluster, f"{principal} {policy}"), None)
            return 200, {}
        of_principal = [value for (where, key), value in kept.items() if where == cluster and key.startswith(f"{principal} ")]
        return 200, {"clusterName": cluster, "principalArn": principal, "associatedAccessPolicies": of_principal}

    def _associations(self, method: str, cluster: str, identifier: str, body: Body) -> Answer:
        if method == "POST":
            association = self._associate(cluster, body["namespace"], body["serviceAccount"], body["roleArn"], tags=body.get("tags", {}))
            return 200, {"association": association}
        return self._get_list_or_delete("associations", method, cluster, identifier, one="association")

    def _associate(self, cluster: str, namespace: str, service_account: str, role: str, *, tags: Body | None = None) -> Body:
        identifier = f"a-{uuid.uuid4().hex[:17]}"
        association = {
            "clusterName": cluster,
            "namespace": namespace,
            "serviceAccount": service_account,
            "roleArn": role,
            "associationId": identifier,
            "associationArn": _arn("podidentityassociation", cluster, identifier),
            "tags": tags or {},
        }
        self._kept["associations"][cluster, identifier] = association
        return association

    def _get_list_or_delete(self, kind: str, method: str, cluster: str, identifier: str, *, one: str, many: str | None = None) -> Answer:
        kept = self._kept[kind]
        if method == "GET" and not identifier:
            values = [value if kind == "associations" else key for (where, key), value in kept.items() if where == cluster]
            return 200, {many or f"{one}s": values}
        if (cluster, identifier) not in kept:
            return 404, {"message": f"no {one} {identifier} in cluster {cluster}"}
        found = kept[cluster, identifier]
        if method == "DELETE":
            del kept[cluster, identifier]
            gone = set(found.get("podIdentityAssociations", []))
            for key in [key for key, value in self._kept["associations"].items() if value["associationArn"] in gone]:
                del self._kept["associations"][key]
        return 200, {one: found}


def _read_json(environ: dict[str, Any]) -> Body:
    body: Body = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
    return body


def _arn(kind: str, cluster: str, identifier: str) -> str:
    return f"arn:aws:eks:{REGION}:{ACCOUNT}:{kind}/{cluster}/{identifier}"


def main() -> None:
    """Serve on a free port of the loopback interface; the port is the first line of standard output."""
    account = OneAtATime(EksAdditions(DomainDispatcherApplication(create_backend_app)))
    server = make_server("127.0.0.1", 0, account, threaded=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
