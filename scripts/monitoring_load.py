"""Three services under load that a Prometheus scrapes, for monitoring.py."""

import http.client
import http.server
import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

RULES = pathlib.Path("deploy/prometheus/rules/nova.yml")
CONFIG = pathlib.Path("deploy/prometheus/prometheus.yml")
SERVICES = {"auth": "auth-service:8080", "user": "user-service:8081", "messaging": "messaging-service:8085"}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(condition, seconds, what):
    """Asks again until there is an answer."""
    end = time.monotonic() + seconds
    while True:
        last = None
        try:
            if answer := condition():
                return answer
        except (OSError, http.client.HTTPException, ValueError) as fault:
            last = fault
        if time.monotonic() > end:
            raise SystemExit(f"monitoring: {what} within {seconds} s: {last or 'no'}")
        time.sleep(0.2)


class Nova:
    """Three services with TLS, one managed PostgreSQL, a Redis and a Prometheus that scrapes every second."""

    def __init__(self, programs):
        self.programs = pathlib.Path(programs).resolve()
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="nova-monitoring-"))
        self.home.chmod(0o755)  # run as root, the managed PostgreSQL is another user
        self.running = []
        self.redis, self.prometheus, *rest = free_ports(8)
        self.http, self.grpc = dict(zip(SERVICES, rest[:3])), dict(zip(SERVICES, rest[3:]))
        self.certs = self.home / "certs"
        self.env = os.environ | {
            "NOVA_DATA_DIR": str(self.home / "data"),
            "NOVA_AUTH__AUDIT__VERIFY_EVERY": "2s",
            "NOVA_AUTH__RATE_LIMITS__LOGIN_PER_ADDRESS": "1000/min",
            "REDIS_URL": f"redis://127.0.0.1:{self.redis}",
            "NOVA_AUTH__WEBHOOKS__ALLOW_NETWORKS": '["127.0.0.0/8"]',
        }
        for name in SERVICES:
            self.env[f"NOVA_{name.upper()}__LISTEN__HTTP_PORT"] = str(self.http[name])
            self.env[f"NOVA_{name.upper()}__LISTEN__GRPC_PORT"] = str(self.grpc[name])
            for peer in SERVICES:
                if peer != name:
                    self.env[f"NOVA_{name.upper()}__PEERS__{peer.upper()}_URL"] = f"https://127.0.0.1:{self.grpc[peer]}"

    def spawn(self, name, *command):
        with open(self.home / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home)
        self.running.append(process)
        return process

    def nova(self, *arguments):
        done = subprocess.run([self.programs / "nova", *arguments], env=self.env, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"monitoring: nova {' '.join(arguments)}: {done.stderr}")

    def start(self):
        self.nova("dev-certs", "--out", str(self.certs))
        self.tls = ssl.create_default_context(cafile=self.certs / "ca.pem")
        self.spawn("redis", "redis-server", "--port", str(self.redis), "--bind", "127.0.0.1", "--save", "")
        for name in SERVICES:
            service = self.spawn(name, self.programs / f"{name}-service", "--config", self.certs / "nova.toml")
            if name == "auth":  # the first brings PostgreSQL up, the others use it
                until(lambda: self.answers(service, "auth", "/livez"), 60, "the auth service must listen")
        for name, process in zip(SERVICES, self.running[1:]):
            until(lambda: self.answers(process, name, "/readyz"), 60, f"the {name} service must be ready")
        config = CONFIG.read_text()
        for name, target in SERVICES.items():
            config = config.replace(f'"{target}"', f'"localhost:{self.http[name]}"')
        config = re.sub(r"(scrape|evaluation)_interval: \w+", r"\1_interval: 1s", config)
        config = config.replace("rules/*.yml", str(RULES.resolve()))
        config = config.replace("    honor_labels: true", f"    honor_labels: true\n    scheme: https\n    tls_config:\n      ca_file: {self.certs / 'ca.pem'}")
        (self.home / "prometheus.yml").write_text(config)
        self.spawn("prometheus", "prometheus", f"--config.file={self.home / 'prometheus.yml'}", f"--storage.tsdb.path={self.home / 'tsdb'}", f"--web.listen-address=127.0.0.1:{self.prometheus}")
        until(lambda: self.ask("/-/ready", {}, raw=True), 30, "Prometheus must be ready")

    def answers(self, process, name, path):
        if process.poll() is not None:
            raise SystemExit(f"monitoring: the {name} service ended:\n{(self.home / f'{name}.log').read_text()}")
        try:
            return self.get(name, path)
        except urllib.error.HTTPError:
            return None

    def get(self, name, path):
        with urllib.request.urlopen(f"https://localhost:{self.http[name]}{path}", timeout=5, context=self.tls) as answer:
            return answer.read().decode()

    def ask(self, path, parameters, raw=False):
        url = f"http://127.0.0.1:{self.prometheus}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return answer.read() if raw else json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from None

    def query(self, expr):
        """The values of what an expression comes to, without those that are no number."""
        data = self.ask("/api/v1/query", {"query": expr})
        if data["resultType"] == "scalar":
            return [float(data["result"][1])]
        values = [float(series["value"][1]) for series in data["result"]]
        return [value for value in values if not math.isnan(value)]

    def stop(self):
        # The auth service last: its PostgreSQL is everybody's.
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.home, ignore_errors=True)


class Load:
    """A little of everything: calls of every service, refusals, limits, a stream, events, a webhook, a mail."""

    def __init__(self, nova):
        self.nova, self.stopped, self.heard, self.failure = nova, threading.Event(), 0, None

    def call(self, service, verb, path, body=None, token=None, expect=(200,)):
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"https://localhost:{self.nova.http[service]}{path}", data, method=verb)
        request.add_header("content-type", "application/json")
        if token:
            request.add_header("authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=20, context=self.nova.tls) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            status, text = refusal.code, refusal.read()
        if status not in expect:
            raise SystemExit(f"monitoring: {verb} {path} was answered {status}: {text.decode()}")
        return json.loads(text) if text.startswith(b"{") else None

    def register(self, name):
        account = {"username": name, "email": f"{name}@example.org", "password": "correct horse"}
        answer = self.call("auth", "POST", "/api/v1/auth/register", account)
        return answer["user"]["id"], answer["tokens"]

    def begin(self):
        call = self.call
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        self.nova.nova("admin", "create-user", "root", "root@example.org", "--password", "correct horse", "--role", "admin", "--config", str(self.nova.certs / "nova.toml"))
        admin = call("auth", "POST", "/api/v1/auth/login", {"identifier": "root", "password": "correct horse"})["tokens"]["accessToken"]
        address = f"http://127.0.0.1:{self.receiver.server_address[1]}/hook"
        call("auth", "POST", "/api/v1/admin/webhooks", {"url": address, "eventTypes": ["*"]}, admin)
        (self.alice, tokens), (self.bob, bobs) = self.register("alice"), self.register("bob")
        self.refresh, self.token, self.bobs = tokens["refreshToken"], tokens["accessToken"], bobs["accessToken"]
        until(lambda: call("user", "GET", f"/api/v1/users/{self.bob}", token=self.token, expect=(200, 404)), 10, "profiles must be made")
        call("user", "PUT", f"/api/v1/users/{self.bob}/follow", token=self.token)
        talk = call("messaging", "POST", "/api/v1/conversations", {"type": "DIRECT", "memberIds": [self.bob]}, self.token)
        self.talk = talk["conversation"]["id"]
        threading.Thread(target=self.listen, daemon=True).start()
        call("auth", "POST", "/api/v1/auth/password-reset", {"email": "alice@example.org"})
        for _ in range(12):  # ten a minute are taken
            call("auth", "POST", "/api/v1/auth/login", {"identifier": "mallory", "password": "wrong"}, expect=(401, 429))
        self.worker = threading.Thread(target=self.go_on, daemon=True)
        self.worker.start()

    def listen(self):
        request = urllib.request.Request(f"https://localhost:{self.nova.http['messaging']}/api/v1/events")
        request.add_header("authorization", f"Bearer {self.bobs}")
        with urllib.request.urlopen(request, timeout=30, context=self.nova.tls) as stream:
            for line in stream:
                self.heard += line.startswith(b"event: messageSent") or line.startswith(b"event: message_sent")
                if self.stopped.is_set():
                    return

    def go_on(self):
        turn = 0
        try:
            while not self.stopped.wait(0.05):
                turn += 1
                self.turn(turn)
        except (SystemExit, OSError, ValueError) as fault:
            self.failure = fault

    def end(self):
        """Returns why it ended before, if it did."""
        self.stopped.set()
        self.worker.join()
        return [f"the load ended: {self.failure}"] if self.failure else []

    def turn(self, turn):
        call, me, messages = self.call, self.token, f"/api/v1/conversations/{self.talk}/messages"
        call("messaging", "POST", messages, {"content": f"number {turn}"}, me)
        call("messaging", "GET", messages, token=self.bobs)
        call("messaging", "GET", "/api/v1/conversations", token=self.bobs)
        call("user", "GET", f"/api/v1/users/{self.bob}", token=me)
        call("user", "GET", f"/api/v1/users/{turn:08x}-0000-7000-8000-000000000000", token=me, expect=(404,))
        if turn % 5 == 0:
            call("user", "GET", "/api/v1/users/nobody", token=me, expect=(400,))
            call("user", "PATCH", "/api/v1/users/me", b"{", me, expect=(400,))
            call("user", "GET", "/nothing/here", expect=(404,))
            call("auth", "GET", "/api/v1/auth/sessions", token="no token", expect=(401,))
            refreshed = call("auth", "POST", "/api/v1/auth/refresh", {"refreshToken": self.refresh}, expect=(200, 429))
            self.refresh = refreshed.get("tokens", {}).get("refreshToken", self.refresh)
            # A password is hashed for a name that nobody has too.
            call("auth", "POST", "/api/v1/auth/login", {"identifier": f"nobody{turn}", "password": "wrong"}, expect=(401,))


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass
