#!/usr/bin/env python3
"""Applies manifests with the real kubectl to a cluster that has nothing: is everything taken, in one go?

    empty_cluster.py KUBECTL apply -f k8s/microservices      what is applied, in its order
    empty_cluster.py KUBECTL apply -k k8s/overlays/dev

The other end is a stand-in for the API server. It knows Kubernetes' resources and those of the operators, keeps what it is given, and
refuses what a real one refuses on such a cluster: an object whose namespace is not there yet, and a kind that nobody has brought. It runs on
this machine, for as long as kubectl does.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Group and version: kind, plural, whether it lies in a namespace.
RESOURCES = {
    "v1": [
        ("Namespace", "namespaces", False),
        ("ServiceAccount", "serviceaccounts", True),
        ("ConfigMap", "configmaps", True),
        ("Secret", "secrets", True),
        ("Service", "services", True),
        ("PersistentVolumeClaim", "persistentvolumeclaims", True),
    ],
    "batch/v1": [("CronJob", "cronjobs", True)],
    "apps/v1": [("Deployment", "deployments", True), ("StatefulSet", "statefulsets", True)],
    "policy/v1": [("PodDisruptionBudget", "poddisruptionbudgets", True)],
    "autoscaling/v2": [("HorizontalPodAutoscaler", "horizontalpodautoscalers", True)],
    "networking.k8s.io/v1": [("NetworkPolicy", "networkpolicies", True), ("Ingress", "ingresses", True)],
}
# What the operators bring that docs/KUBERNETES.md says to install first.
OPERATORS = {
    "cert-manager.io/v1": [("ClusterIssuer", "clusterissuers", False), ("Certificate", "certificates", True)],
    "external-secrets.io/v1": [
        ("ClusterSecretStore", "clustersecretstores", False),
        ("ExternalSecret", "externalsecrets", True),
    ],
    "gateway.networking.k8s.io/v1": [
        ("Gateway", "gateways", True),
        ("HTTPRoute", "httproutes", True),
        ("GRPCRoute", "grpcroutes", True),
        ("BackendTLSPolicy", "backendtlspolicies", True),
    ],
    "traefik.io/v1alpha1": [("ServersTransport", "serverstransports", True)],
    "monitoring.coreos.com/v1": [("PodMonitor", "podmonitors", True)],
    "postgresql.cnpg.io/v1": [("Cluster", "clusters", True), ("Database", "databases", True)],
    "kafka.strimzi.io/v1": [
        ("Kafka", "kafkas", True),
        ("KafkaNodePool", "kafkanodepools", True),
        ("KafkaTopic", "kafkatopics", True),
        ("KafkaUser", "kafkausers", True),
    ],
}
NAMESPACES = {"default", "kube-system"}
OPERATORS_NAMESPACES = {"cert-manager"}


class Cluster(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, operators):
        super().__init__(("127.0.0.1", 0), Handler)
        self.groups = RESOURCES | (OPERATORS if operators else {})
        self.objects = {}
        self.namespaces = NAMESPACES | (OPERATORS_NAMESPACES if operators else set())
        self.applied = []
        self.refused = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def not_found(self, message):
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        self.answer(404, status | {"message": message})

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")

    def do_GET(self):
        path = self.path.split("?")[0].rstrip("/")
        groups = self.server.groups
        if path == "/version":
            return self.answer(200, {"major": "1", "minor": "37", "gitVersion": "v1.37.0"})
        if path == "/api":
            return self.answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        if path == "/apis":
            def entry(group):
                version = {"groupVersion": group, "version": group.split("/")[1]}
                return {"name": group.split("/")[0], "versions": [version], "preferredVersion": version}

            listed = [entry(group) for group in groups if "/" in group]
            return self.answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})
        group = path.removeprefix("/apis/") if path.startswith("/apis/") else path.removeprefix("/api/")
        if group in groups:
            verbs = ["create", "get", "list", "patch"]
            resources = [
                {"name": plural, "singularName": kind.lower(), "namespaced": inside, "kind": kind, "verbs": verbs}
                for kind, plural, inside in groups[group]
            ]
            listing = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources}
            return self.answer(200, listing)
        if path in self.server.objects:
            return self.answer(200, self.server.objects[path])
        self.not_found(f"{path} not found")

    def do_POST(self):
        path, given = self.path.split("?")[0], self.body()
        name, namespace = given["metadata"]["name"], given["metadata"].get("namespace")
        what = f"{given['kind']} {namespace + '/' if namespace else ''}{name}"
        if namespace and namespace not in self.server.namespaces:
            self.server.refused.append(what)
            return self.not_found(f'namespaces "{namespace}" not found')
        if given["kind"] == "Namespace":
            self.server.namespaces.add(name)
        self.server.objects[f"{path}/{name}"] = given
        self.server.applied.append(what)
        self.answer(201, given)

    def do_PATCH(self):
        path, given = self.path.split("?")[0], self.body()
        # Applied twice and not the same twice: two files speak of one object.
        self.server.refused.append(f"a second, other {path}")
        self.answer(200, self.server.objects.get(path, given))


def main():
    arguments = sys.argv[1:]
    operators = "-k" in arguments
    cluster = Cluster(operators)
    threading.Thread(target=cluster.serve_forever, daemon=True).start()
    server = f"--server=http://127.0.0.1:{cluster.server_address[1]}"
    # Schemas are somebody else's check.
    command = [*arguments, server, "--validate=false", "--cache-dir=/dev/null"]
    ended = subprocess.run(command, env=os.environ | {"KUBECONFIG": "/dev/null"}, capture_output=True, text=True, timeout=60)
    cluster.shutdown()
    for number, what in enumerate(cluster.applied, 1):
        print(f"{number:4} {what}")
    for what in cluster.refused:
        print(f"     refused: {what}", file=sys.stderr)
    if ended.returncode != 0 or cluster.refused or not cluster.applied:
        print(ended.stderr, file=sys.stderr)
        sys.exit(1)


main()
