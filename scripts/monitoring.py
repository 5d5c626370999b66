#!/usr/bin/env python3
"""Holds what deploy/ and docs/ say of metrics against the files and against a running Nova; scripts/monitoring.sh calls it.

    monitoring.py files             alerts, their unit tests and runbooks belong together; dashboards are whole
    monitoring.py live PROGRAMS     every query is asked of a Prometheus that scrapes three services under load
"""

import glob
import json
import pathlib
import re
import signal
import subprocess
import sys

from monitoring_load import RULES, SERVICES, Load, Nova, until

TESTS = pathlib.Path("deploy/prometheus/tests/nova.yml")
TABLE = pathlib.Path("docs/MONITORING.md")
DASHBOARDS = sorted(glob.glob("deploy/grafana/dashboards/*.json"))
RUNBOOKS = sorted(glob.glob("docs/runbooks/*.md"))
SECTIONS = ["## What it means", "## What people feel", "## How to look", "## What to do", "## How to know that it is over"]
# What Grafana puts in the place of its variables, for a Prometheus that scrapes every second.
VARIABLES = {"$__rate_interval": "20s", "$__interval": "5s", "$__range": "1m", "$instance": ".*", "$service": ".*"}
METRIC = re.compile(r"(?<![\w:\"])((?:nova_|process_|[a-z]+:nova_)[\w:]+|up)(?![\w:\"(=])")


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queries_of(dashboard):
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def check_files():
    """Returns what is wrong."""
    faults = []
    rules = RULES.read_text()
    alerts = re.findall(r"^ +- alert: (\w+)$", rules, re.M)
    fired = set(re.findall(r"ALERTS\{alertname=\"(\w+)\",alertstate=\"firing\"[^\n]*\n +eval_time: \w+\n +exp_samples:\n +- labels", TESTS.read_text()))
    runbooks = {pathlib.Path(path).stem for path in RUNBOOKS} - {"README"}
    faults += [f"alert {name} is there twice" for name in set(alerts) if alerts.count(name) > 1]
    faults += [f"alert {name} has no unit test in which it fires" for name in alerts if name not in fired]
    faults += [f"alert {name} has no runbook docs/runbooks/{name}.md" for name in alerts if name not in runbooks]
    faults += [f"runbook {name} is of no alert" for name in runbooks if name not in alerts]
    for name, body in zip(alerts, re.split(r"^ +- alert: ", rules, flags=re.M)[1:]):
        for part in ["summary:", "description:", f"runbook_url: docs/runbooks/{name}.md"]:
            if part not in body:
                faults.append(f"alert {name} has no {part}")
        if not re.search(r"severity: (page|ticket)\n", body):
            faults.append(f"alert {name} must have the severity page or ticket")
    table = TABLE.read_text()
    for path in RUNBOOKS:
        text, name = pathlib.Path(path).read_text(), pathlib.Path(path).stem
        faults += [f"{path} has no section {section!r}" for section in SECTIONS if name != "README" and section not in text]
        if name != "README" and f"runbooks/{name}.md" not in table:
            faults.append(f"{TABLE} does not link {path}")
    uids = []
    for path in DASHBOARDS:
        dashboard = json.loads(pathlib.Path(path).read_text())
        uids.append(dashboard["uid"])
        ids = [panel["id"] for panel in panels(dashboard)]
        if len(set(ids)) != len(ids):
            faults.append(f"{path}: two panels have one id")
        variables = {f"${variable['name']}" for variable in dashboard["templating"]["list"]} | set(VARIABLES)
        for panel in panels(dashboard):
            if panel["type"] == "row":
                continue
            if not panel.get("targets") or not panel.get("description"):
                faults.append(f"{path}: panel {panel['title']!r} needs a query and a description")
            place = panel["gridPos"]
            if place["x"] + place["w"] > 24:
                faults.append(f"{path}: panel {panel['title']!r} is wider than the page")
        for title, expr in queries_of(dashboard):
            unknown = set(re.findall(r"\$\w+", expr)) - variables
            if unknown:
                faults.append(f"{path}: panel {title!r} uses {', '.join(unknown)}, which there is not")
    faults += [f"dashboard uid {uid} is there twice" for uid in set(uids) if uids.count(uid) > 1]
    print(f"{len(alerts)} alerts, each with a unit test that fires it and a runbook; {len(DASHBOARDS)} dashboards")
    return faults


def substituted(expr):
    for name, value in VARIABLES.items():
        expr = expr.replace(f"${{{name[1:]}}}", value).replace(name, value)
    return expr


def check_live(nova):
    faults = []
    scrapes = {name: nova.get(name, "/metrics") for name in SERVICES}
    for name, text in scrapes.items():
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        if lint.returncode != 0:
            faults.append(f"promtool check metrics, {name}: {(lint.stdout + lint.stderr).strip()}")
    scraped = "\n".join(scrapes.values())
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scraped, re.M))
    told = set(re.findall(r"^# HELP (\S+) \S", scraped, re.M))
    for name, kind in sorted(types.items()):
        if name not in told:
            faults.append(f"{name} has no HELP")
        if not name.startswith(("nova_", "process_")):
            faults.append(f"{name} must begin with nova_")
        if (kind == "counter") != name.endswith("_total"):
            faults.append(f"{name} is a {kind}: counters end with _total, and nothing else does")
        if kind == "summary":
            faults.append(f"{name} needs buckets: summaries can't be added up")
    listed = set(re.findall(r"`((?:nova|process)_\w+)`", "\n".join(re.findall(r"^\| `.*?\|", TABLE.read_text(), re.M))))
    faults += [f"{TABLE} does not list {name}" for name in sorted(set(types) - listed)]
    faults += [f"{TABLE} lists {name}, which nothing exports" for name in sorted(listed - set(types))]

    for name, text in scrapes.items():
        paths = json.loads(nova.get(name, "/openapi.json"))["paths"]
        routes = set(re.findall(r'^nova_http_\w+\{.*route="([^"]*)"', text, re.M))
        faults += [f"the route {route} of {name} is no path of its OpenAPI document" for route in sorted(routes - set(paths))]

    names = set(nova.ask("/api/v1/label/__name__/values", {}))
    asked = [0, 0, 0]

    def ask(where, expr, kind, wants_data):
        asked[kind] += 1
        faults.extend(f"{where}: there is no metric {name}" for name in set(METRIC.findall(re.sub(r"\{[^}]*\}|\"[^\"]*\"|(by|on|without|ignoring) ?\([^)]*\)", "", expr))) - names)
        try:
            if not nova.query(expr) and wants_data:
                faults.append(f"{where}: no data for {expr}")
        except ValueError as fault:
            faults.append(f"{where}: {expr}: {fault}")

    for path in DASHBOARDS:
        dashboard = json.loads(pathlib.Path(path).read_text())
        for title, expr in queries_of(dashboard):
            ask(f"{path}, panel {title!r}", substituted(expr), 0, True)
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
                if not nova.ask(f"/api/v1/label/{label}/values", {"match[]": substituted(metric)}):
                    faults.append(f"{path}: variable {variable['name']} has no values")
    for group in nova.ask("/api/v1/rules", {})["groups"]:
        for rule in group["rules"]:
            if rule.get("lastError") or rule["health"] != "ok":
                faults.append(f"rule {rule['name']} is {rule['health']}: {rule.get('lastError')}")
            ask(f"rule {rule['name']}", rule["query"], 1, rule["type"] == "recording")
            # What is limited, refused and guessed in the load is no reason for one.
            if rule.get("state") == "firing":
                faults.append(f"alert {rule['name']} fires on a healthy Nova: {rule['alerts']}")
    for path in RUNBOOKS:
        text = pathlib.Path(path).read_text()
        for block in blocks(text, "promql"):
            for expr in filter(None, (part.strip() for part in block.split("\n\n"))):
                ask(path, expr, 2, False)
        for line in re.findall(r"^nova [^\n]*", "\n".join(blocks(text, "sh")), re.M):
            words = []
            for word in line.split()[1:]:
                if not re.fullmatch(r"[a-z][a-z-]*", word) or len(words) == 3:
                    break
                words.append(word)
            if subprocess.run([nova.programs / "nova", *words, "--help"], capture_output=True).returncode != 0:
                faults.append(f"{path}: there is no `nova {' '.join(words)}`")
    print(f"{len(types)} metrics; {asked[0]} queries of dashboards, {asked[1]} rules and {asked[2]} queries of runbooks were asked")
    return faults


def live(programs):
    nova = Nova(programs)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("monitoring: too slow, given up"))
    try:
        nova.start()
        load = Load(nova)
        load.begin()
        up = lambda: nova.query('count(up{job="nova"} == 1)') == [3.0]
        until(up, 30, "Prometheus must scrape three targets")
        until(lambda: load.heard >= 3, 30, "the stream must hear of messages")
        until(lambda: nova.query('nova_webhook_attempts_total{outcome="delivered"} > 0'), 60, "the webhook must be called")
        # Rates need a few scrapes after what they are rates of.
        until(lambda: nova.query("count_over_time(up{job='nova'}[1m]) >= 20"), 60, "there must be twenty scrapes")
        return check_live(nova) + load.end()
    finally:
        nova.stop()


def main():
    faults = {"files": lambda: check_files(), "live": lambda: live(sys.argv[2])}[sys.argv[1]]()
    for fault in faults:
        print(f"monitoring: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


main()
