#!/usr/bin/env python3
"""Holds deploy/ against the repository: versions, programs, ports, the files that a build needs, and the libraries that programs need.

    check.py COMPOSE.json    what `docker compose config --format json` makes of deploy/compose.yaml
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICES = ["auth-service", "user-service", "messaging-service"]
PROGRAMS = [*SERVICES, "nova"]
# What distroless' cc image and Debian's slim image have: a program that needs more would not start there.
IN_THE_IMAGES = {"libc6", "libgcc-s1", "libssl3"}
faults = []


def rule(holds, fault):
    if not holds:
        faults.append(fault)


def read(path):
    return (ROOT / path).read_text()


def versions():
    toolchain = tomllib.loads(read("rust-toolchain.toml"))["toolchain"]["channel"]
    found = re.findall(r"(?:rust:|RUSTUP_TOOLCHAIN=)(\d+\.\d+)", read("deploy/Dockerfile"))
    minimum = tomllib.loads(read("Cargo.toml"))["workspace"]["package"]["rust-version"]
    wanted = minimum if toolchain == "stable" else toolchain
    rule(len(found) == 2 and all(wanted.startswith(v) for v in found), f"Dockerfile: Rust {found}, the repository has {wanted}")
    own = tomllib.loads(read("Cargo.toml"))["workspace"]["package"]["version"]
    # pg_dump must not be older than the server that it is to back up.
    servers = {
        re.search(r"image: postgres:(\d+)", read("deploy/compose.yaml"))[1],
        *re.findall(r"postgresql:(\d+)", read("k8s/components/data/postgresql.yaml") + read("k8s/components/data/postgresql-keys.yaml")),
    }
    tools = re.findall(r" postgresql-(\d+)\b", read("deploy/Dockerfile"))
    rule(servers == set(tools), f"the image nova has PostgreSQL {tools}, the servers are {servers}")
    named = []
    for path in [ROOT / "deploy/compose.yaml", ROOT / "deploy/Dockerfile", *sorted((ROOT / "k8s").rglob("*.yaml"))]:
        text = path.read_text()
        named += re.findall(r"nova/(?:[a-z]+-service|nova):([\w.]+)", text) + re.findall(r"newTag: ([\w.]+)", text)
    rule(len(named) >= 10 and set(named) == {own}, f"images are of {set(named)}, Nova is {own}")


def stages():
    text = read("deploy/Dockerfile")
    built = set(re.findall(r"--package ([\w-]+)", text))
    rule(built == set(PROGRAMS), f"Dockerfile builds {built}")
    for program in PROGRAMS:
        # The manifests have Kafka reached over TLS.
        rule(f"{program}/kafka-tls" in text, f"{program} is built without TLS for Kafka")
        stage = re.search(rf"^FROM \S+ AS {program}\n(.*?)(?=^FROM |\Z)", text, re.M | re.S)
        if not stage:
            faults.append(f"Dockerfile has no stage {program}")
            continue
        at = f"/usr/local/bin/{program}"
        rule(f"COPY --from=build /out/{program} {at}\n" in stage[1], f"{program}'s stage has not its program")
        rule(f'ENTRYPOINT ["{at}"]' in stage[1], f"{program}'s stage does not run it")
        rule(f"target/dist/{program}" in text, f"{program} is not taken out of the build")
        ports = set(map(int, re.search(r"^EXPOSE (.*)$", stage[1], re.M)[1].split()))
        if program == "nova":
            rule(ports == {8000, 8100}, f"nova shows {ports}")
            continue
        example = tomllib.loads(read(f"backend/{program}/{program}.example.toml"))[program.removesuffix("-service")]
        manifest = read(f"k8s/microservices/{program}-configmap.yaml")
        ops = int(re.search(r"LISTEN__OPS: 0\.0\.0\.0:(\d+)", manifest)[1])
        rule(ports == {example["listen"]["http_port"], example["listen"]["grpc_port"], ops}, f"{program} shows {ports}")
        user = re.search(r"runAsUser: (\d+)", read(f"k8s/microservices/{program}-deployment.yaml"))[1]
        rule(f"USER {user}:{user}" in text, f"{program}'s pods run as {user}, its image does not")


def context():
    """Whether what .dockerignore lets in is a workspace, with every file that the code includes."""
    lines = [line for line in read(".dockerignore").splitlines() if line and not line.startswith("#")]
    rule(lines[0] == "*", ".dockerignore does not begin by leaving everything out")
    kept = [line[1:] for line in lines if line.startswith("!")]
    files = subprocess.run(["git", "ls-files", *kept], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in filter(None, files):
            to = Path(folder) / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to)
        command = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        rule(ended.returncode == 0, f"the build's context is no workspace: {ended.stderr}")
        seen = 0
        for source in Path(folder).glob("backend/**/*.rs"):
            for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text()):
                seen += 1
                rule((source.parent / name).exists(), f"{source.relative_to(folder)} includes {name}, which is not in the context")
        rule(seen > 5, f"only {seen} included files were found")
        rule((Path(folder) / "proto/services").is_dir(), "the protos are not in the context")


def compose(path):
    services = json.loads(Path(path).read_text())["services"]
    wanted = {*SERVICES, "postgres", "redis", "kafka", "prometheus", "grafana"}
    rule(set(services) == wanted, f"compose has {set(services)}")
    for name, service in services.items():
        for port in service.get("ports", []):
            rule(port.get("host_ip") == "127.0.0.1", f"compose publishes {name}'s {port['target']} to other machines")
    text = read("deploy/Dockerfile")
    for name in SERVICES:
        service = services[name]
        rule(service["build"]["target"] == name and f"AS {name}\n" in text, f"compose builds {name} from another stage")
        rule(service["read_only"] and service["cap_drop"] == ["ALL"], f"compose lets {name} do more than it must")
    for name, service in services.items():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                # Made in the repository beside this: deploy/prometheus, deploy/grafana.
                rule(Path(volume["source"]).name in {"prometheus", "provisioning", "dashboards"}, f"{name} mounts {volume['source']}")


def environments(path):
    """Whether each program that has been built takes the environment that compose gives it."""
    services = json.loads(Path(path).read_text())["services"]
    for name in SERVICES:
        program = ROOT / "target/debug" / name
        if not program.exists():
            print(f"deploy: {name}'s environment was not tried: it is not built")
            continue
        given = {key: str(value) for key, value in services[name]["environment"].items()}
        given["NOVA_DATA_DIR"] = "/var/lib/nova"
        ended = subprocess.run([program, "check-config"], env=given, capture_output=True, text=True)
        rule(ended.returncode == 0, f"{name} does not take what compose gives it: {ended.stderr}")
        print(f"deploy: {name} takes what compose gives it")
        # Without what the secrets are, it must not.
        less = {key: value for key, value in given.items() if not key.endswith(("MASTER_KEY", "CLIENT_SECRET"))}
        ended = subprocess.run([program, "check-config"], env=less, capture_output=True, text=True)
        rule(ended.returncode != 0 and "must be set" in ended.stderr, f"{name} takes an environment without secrets")


def libraries():
    """Of the programs that have been built: every library that they need is in the images."""
    built = [path for path in (ROOT / "target/debug" / program for program in PROGRAMS) if path.exists()]
    if not shutil.which("dpkg") or not built:
        print("deploy: the programs' libraries were not looked at: no program is built, or this is no Debian")
        return
    for program in built:
        needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        paths = re.findall(r"=> (/\S+)", needed) + re.findall(r"^\s+(/\S+) \(", needed, re.M)
        rule(len(paths) >= 2, f"{program.name} needs {paths}")
        for path in paths:
            # dpkg knows libraries by their places of before /usr was merged, too.
            owners = {p: subprocess.run(["dpkg", "-S", p], capture_output=True, text=True) for p in {path, "/usr" + path, str(Path(path).resolve())}}
            packages = {o.stdout.split(":")[0] for o in owners.values() if o.returncode == 0}
            rule(packages and packages <= IN_THE_IMAGES, f"{program.name} needs {path} of {packages or 'nobody'}")
        print(f"deploy: {program.name} needs {len(paths)} libraries, all in the images")


versions()
stages()
context()
compose(sys.argv[1])
environments(sys.argv[1])
libraries()
for fault in faults:
    print(f"deploy: {fault}", file=sys.stderr)
sys.exit(1 if faults else 0)
