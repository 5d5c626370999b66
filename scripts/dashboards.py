#!/usr/bin/env python3
"""Writes deploy/grafana/dashboards/*.json. What a dashboard shows is said here, once; what is written is what Grafana reads.

    dashboards.py           writes them
    dashboards.py --check   exit code 1 if they are not what this file says
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "deploy/grafana/dashboards"
SOURCE = {"type": "prometheus", "uid": "${source}"}
# Of a series: on which instance, of which gRPC service.
ON, OF = 'instance=~"$instance"', 'instance=~"$instance",service=~"$service"'
RATE = "[$__rate_interval]"
COLUMNS, HEIGHT = 24, 8


def rate(metric, by, labels=ON):
    return f"sum by ({by}) (rate({metric}{{{labels}}}{RATE}))"


def quantile(q, metric, by, labels=ON):
    keys = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, sum by ({keys}) (rate({metric}_bucket{{{labels}}}{RATE})))"


def panel(title, description, unit, *queries, kind="timeseries", width=8, limit=None, most=None):
    """A panel; `limit` draws a line, above which it is red."""
    steps = [{"color": "green", "value": None}] + ([{"color": "red", "value": limit}] if limit is not None else [])
    defaults = {"unit": unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if most is not None:
        defaults["max"] = most
    if kind == "timeseries":
        style = "line" if limit is not None else "off"
        defaults["custom"] = {"fillOpacity": 8, "lineWidth": 1, "showPoints": "never", "thresholdsStyle": {"mode": style}}
        options = {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]}, "tooltip": {"mode": "multi", "sort": "desc"}}
    else:
        options = {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
    targets = [
        {"datasource": SOURCE, "editorMode": "code", "expr": expr, "legendFormat": legend, "range": True, "refId": chr(ord("A") + at)}
        for at, (expr, legend) in enumerate(queries)
    ]
    return {"title": title, "description": description, "type": kind, "datasource": SOURCE, "targets": targets, "options": options,
            "fieldConfig": {"defaults": defaults, "overrides": []}, "width": width}


def stat(*arguments, **more):
    return panel(*arguments, kind="stat", width=4, **more)


def variable(name, label, metric):
    definition = f"label_values({metric}, {name})"
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "definition": definition, "query": {"query": definition, "refId": name},
            "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "refresh": 2, "sort": 1}


def dashboard(name, title, description, rows, by_service=False):
    panels, number, top = [], 0, 0
    for heading, members in rows:
        number += 1
        panels.append({"id": number, "type": "row", "title": heading, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}})
        top, left, deepest = top + 1, 0, 0
        for member in members:
            number += 1
            width, height = member.pop("width"), HEIGHT if member["type"] == "timeseries" else HEIGHT // 2
            if left + width > COLUMNS:
                top, left, deepest = top + deepest, 0, 0
            panels.append({"id": number, **member, "gridPos": {"x": left, "y": top, "w": width, "h": height}})
            left, deepest = left + width, max(deepest, height)
        top += deepest
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}, "refresh": 1}
    variables = [source, variable("instance", "Instance", 'up{job="nova"}')]
    if by_service:
        variables.append(variable("service", "Service", "nova_ready"))
    links = [{"title": "Nova", "type": "dashboards", "tags": ["nova"], "asDropdown": True, "keepTime": True, "includeVars": True}]
    return name, {
        "uid": f"nova-{name}", "title": f"Nova / {title}", "description": description, "tags": ["nova"], "schemaVersion": 39, "version": 1, "editable": True,
        "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser", "links": links,
        "annotations": {"list": []}, "templating": {"list": variables}, "panels": panels,
    }


def share(taken, most, by):
    return f"sum by ({by}) ({taken}{{{ON}}}) / sum by ({by}) ({most}{{{ON}}})"


ERRORS = "Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss"

OVERVIEW = dashboard("overview", "Overview and SLOs", "Whether Nova keeps its promises, and what comes next.", [
    ("Now", [
        stat("Up", "Targets that Prometheus can read", "none", (f'sum(up{{job="nova",{ON}}})', "")),
        stat("Ready", "Services that can answer", "none", (f"sum(nova_ready{{{ON}}})", "")),
        stat("Calls", "Calls a second, REST's among them", "reqps", (f"sum(rate(nova_rpc_calls_total{{{ON}}}{RATE}))", "")),
        stat("Failing", "The part of all calls that failed for a fault of Nova's", "percentunit", ('sum(service:nova_rpc_errors:ratio_rate5m * service:nova_rpc_calls:rate5m) / sum(service:nova_rpc_calls:rate5m)', ""), limit=0.001),
        stat("Streams", "Streams of events that are open", "none", (f"sum(nova_streams_open{{{ON}}})", "")),
        stat("Version", "What runs, by version", "none", (f"count by (version) (nova_build_info{{{ON}}})", "{{version}}")),
    ]),
    ("Availability: 99.9 % of calls over 30 days", [
        panel("Failing calls", "The part of calls that failed, over an hour; the line is what may fail", "percentunit", ("service:nova_rpc_errors:ratio_rate1h", "{{service}}"), limit=0.001),
        panel("Burn rate", "How many times as fast as it may the error budget is used up; an alert comes at 14.4 over an hour and at 6 over six", "none",
              ("service:nova_rpc_errors:ratio_rate1h / 0.001", "{{service}} 1 h"), ("service:nova_rpc_errors:ratio_rate6h / 0.001", "{{service}} 6 h"), limit=14.4),
        panel("Budget used in 3 days", "The part of a month's error budget that the last three days took", "percentunit", ("service:nova_rpc_errors:ratio_rate3d / 0.001 * 3 / 30", "{{service}}"), limit=1),
    ]),
    ("Latency: 99 % of calls within their bound", [
        panel("Slow calls", "The part of calls that took longer than promised, over an hour; the line is what may", "percentunit", ("method:nova_rpc_slow:ratio_rate1h", "{{method}}"), limit=0.01),
        panel("Burn rate", "How many times as fast as it may the latency budget is used up", "none", ("method:nova_rpc_slow:ratio_rate1h / 0.01", "{{method}} 1 h"), ("method:nova_rpc_slow:ratio_rate6h / 0.01", "{{method}} 6 h"), limit=14.4),
        panel("p99", "99 of 100 calls took less, over five minutes", "s", ('method:nova_rpc_duration_seconds:p99_rate5m{method=~"GetUserProfile|GetMessages|ListConversations|SendMessage|RefreshToken"}', "{{method}}")),
    ]),
    ("Machine", [
        panel("Processor", "Processors that are kept busy", "none", (f'sum by (instance) (rate(process_cpu_seconds_total{{job="nova",{ON}}}{RATE}))', "{{instance}}")),
        panel("Memory", "The part of the memory that a process may use", "percentunit", (f'process_resident_memory_bytes{{job="nova",{ON}}} / nova_memory_limit_bytes', "{{instance}}"), limit=0.9, most=1),
        panel("Memory in bytes", "What a process has in RAM", "bytes", (f'process_resident_memory_bytes{{job="nova",{ON}}}', "{{instance}}")),
        panel("File descriptors", "The part of the file descriptors that are open", "percentunit", (f'process_open_fds{{job="nova",{ON}}} / process_max_fds', "{{instance}}"), limit=0.8, most=1),
        panel("Runtime", "The part of the time that the threads that run tasks are busy", "percentunit", (f"sum by (instance) (rate(nova_runtime_busy_seconds_total{{{ON}}}{RATE})) / sum by (instance) (nova_runtime_workers{{{ON}}})", "{{instance}}"), most=1),
        panel("Tasks", "Tasks that are alive, and those that wait for a thread", "none", (f"nova_runtime_tasks{{{ON}}}", "{{instance}} alive"), (f"nova_runtime_queued_tasks{{{ON}}}", "{{instance}} waiting")),
        panel("Age", "How long processes have been running", "s", (f'time() - process_start_time_seconds{{job="nova",{ON}}}', "{{instance}}")),
        panel("Clock", "How far clocks are from Prometheus'", "s", (f"abs(nova_clock_seconds{{{ON}}} - timestamp(nova_clock_seconds))", "{{instance}}"), limit=5),
        panel("Threads", "Threads of a process, those that hash passwords among them", "none", (f'process_threads{{job="nova",{ON}}}', "{{instance}}")),
    ]),
])

SERVICE = dashboard("services", "Services: rate, errors, duration", "Every RPC and every route.", [
    ("RPCs", [
        panel("Calls", "Calls a second by RPC, the busiest", "reqps", (f"topk(15, {rate('nova_rpc_calls_total', 'method', OF)})", "{{method}}")),
        panel("Answers that are not OK", "Calls a second by what they came to", "reqps", (rate("nova_rpc_calls_total", "code", OF + ',code!="Ok"'), "{{code}}")),
        panel("Faults", "Calls a second that failed for a fault of Nova's, by RPC", "reqps", (rate("nova_rpc_calls_total", "method, code", OF + f',code=~"{ERRORS}"'), "{{method}} {{code}}")),
        panel("p50", "Half of the calls took less, the slowest RPCs", "s", (f"topk(15, {quantile(0.5, 'nova_rpc_duration_seconds', 'method', OF)} >= 0)", "{{method}}")),
        panel("p99", "99 of 100 calls took less, the slowest RPCs", "s", (f"topk(15, {quantile(0.99, 'nova_rpc_duration_seconds', 'method', OF)} >= 0)", "{{method}}")),
        panel("Calls of services", "Calls a second of Nova's own services, which are not limited", "reqps", (f"topk(10, {rate('nova_rpc_service_calls_total', 'method', OF)})", "{{method}}")),
    ]),
    ("REST", [
        panel("Requests", "Requests a second by route, the busiest", "reqps", (f"topk(15, {rate('nova_http_requests_total', 'verb, route', OF)})", "{{verb}} {{route}}")),
        panel("Answers", "Requests a second by class of status", "reqps", (rate("nova_http_requests_total", "status", OF), "{{status}}")),
        panel("Server errors", "Requests a second that were answered 5xx, by route", "reqps", (f"topk(15, {rate('nova_http_requests_total', 'verb, route', OF + ',' + 'status=' + chr(34) + '5xx' + chr(34))})", "{{verb}} {{route}}")),
        panel("p99", "99 of 100 requests took less, the slowest routes; without streams", "s", (f"topk(15, {quantile(0.99, 'nova_http_request_duration_seconds', 'verb, route', OF)} >= 0)", "{{verb}} {{route}}")),
        panel("Refused by route", "Requests a second that were answered 4xx, by route", "reqps", (f"topk(15, {rate('nova_http_requests_total', 'verb, route', OF + ',' + 'status=' + chr(34) + '4xx' + chr(34))})", "{{verb}} {{route}}")),
        panel("Nothing there", "Requests a second for a path or verb that there is not", "reqps", (rate("nova_http_unrouted_total", "instance"), "{{instance}}")),
    ]),
    ("Room", [
        panel("Calls under way", "The part of the room for calls that is taken", "percentunit", (f"nova_calls_in_flight{{{OF}}} / on (instance, service) group_left nova_calls_in_flight_max", "{{service}} {{of}}"), limit=0.9, most=1),
        panel("Shed", "Calls a second refused because as many as may be were under way", "reqps", (rate("nova_calls_refused_total", "service, of", OF), "{{service}} {{of}}")),
        panel("Streams", "The part of the room for streams that is taken", "percentunit", (f"sum by (instance, service) (nova_rpc_streams_open{{{OF}}}) / on (instance, service) nova_rpc_streams_max", "{{service}} {{instance}}"), limit=0.8, most=1),
        panel("Connections", "Connections that are open, by port", "none", (f"nova_connections_open{{{ON}}}", "{{port}} {{instance}}")),
        panel("Connections refused and retired", "Connections a second refused for lack of room, and asked to end because of their age", "ops", (rate("nova_connections_refused_total", "port"), "{{port}} refused"), (rate("nova_connections_retired_total", "port"), "{{port}} retired")),
        panel("TLS", "Handshakes a second that came to nothing", "ops", (rate("nova_tls_handshakes_failed_total", "port"), "{{port}}")),
    ]),
    ("Limits", [
        panel("Limited", "Calls a second refused because there were too many, by RPC", "reqps", (f"topk(15, {rate('nova_rate_limited_total', 'method, scope', OF)})", "{{method}} {{scope}}")),
        panel("Counted", "Callers, addresses and accounts that are counted", "none", (f"nova_rate_limiter_keys{{{OF}}}", "{{service}} {{instance}}")),
        panel("Without Redis", "Calls a second decided by a process alone because Redis was away or slow", "reqps", (rate("nova_rate_limiter_redis_fallback_total", "service", OF), "{{service}}")),
    ]),
], by_service=True)

MESSAGING = dashboard("messaging", "Messaging", "Sends, lanes and streams.", [
    ("Sending", [
        panel("Messages", "Messages a second that were stored", "ops", (rate("nova_send_batch_messages_sum", "instance"), "{{instance}}")),
        panel("SendMessage", "How long sends took, over all", "s", (quantile(0.5, "nova_rpc_duration_seconds", "", ON + ',method="SendMessage"'), "p50"), (quantile(0.99, "nova_rpc_duration_seconds", "", ON + ',method="SendMessage"'), "p99"), limit=0.2),
        panel("Outcomes", "Sends a second by what they came to", "ops", (rate("nova_rpc_calls_total", "code", ON + ',method="SendMessage"'), "{{code}}")),
    ]),
    ("Lanes", [
        panel("Waiting", "Messages that wait in the lanes, and how many may", "none", (f"nova_send_waiting_messages{{{ON}}}", "{{instance}}"), (f"nova_send_waiting_messages_max{{{ON}}}", "{{instance}} most")),
        panel("Wait", "How long the first message of a batch waited for its lane", "s", (quantile(0.5, "nova_send_wait_seconds", ""), "p50"), (quantile(0.99, "nova_send_wait_seconds", ""), "p99")),
        panel("Commit", "How long the database took for a batch", "s", (quantile(0.5, "nova_send_commit_seconds", ""), "p50"), (quantile(0.99, "nova_send_commit_seconds", ""), "p99")),
        panel("Batch", "Messages in one statement", "none", (f"sum(rate(nova_send_batch_messages_sum{{{ON}}}{RATE})) / sum(rate(nova_send_batch_messages_count{{{ON}}}{RATE}))", "mean"), (quantile(0.99, "nova_send_batch_messages", ""), "p99")),
        panel("Refused and abandoned", "Messages a second refused because their lane was full, and not sent because nobody waited any more", "ops", (rate("nova_send_refused_total", "instance"), "{{instance}} refused"), (rate("nova_send_abandoned_total", "instance"), "{{instance}} abandoned")),
        panel("Contacts unanswered", "Times a second that the user service did not say who may write to whom", "ops", (rate("nova_contact_questions_unanswered_total", "instance"), "{{instance}}")),
    ]),
    ("Streams", [
        panel("Open", "Streams that are open, and people who have one", "none", (f"nova_streams_open{{{ON}}}", "{{instance}} streams"), (f"nova_stream_users{{{ON}}}", "{{instance}} people")),
        panel("Delivered", "Events a second that were handed to streams", "ops", (rate("nova_stream_events_delivered_total", "instance"), "{{instance}}")),
        panel("Lag", "How long the log has held back what it has", "s", (f"nova_event_log_lag_seconds{{{ON}}}", "{{instance}}"), limit=5),
        panel("Readers that are behind", "Streams a second whose queue was full, and that were cut off", "ops", (rate("nova_stream_lagged_total", "instance"), "{{instance}} behind"), (rate("nova_stream_slow_readers_total", "instance"), "{{instance}} cut off")),
        panel("Ended", "Streams a second that ended, by why", "ops", (rate("nova_rpc_calls_total", "code", ON + ',method="StreamEvents"'), "{{code}}")),
        panel("Reading", "p99 of the calls by which clients read", "s", (quantile(0.99, "nova_rpc_duration_seconds", "method", ON + ',method=~"GetMessages|ListConversations|GetConversation|GetUnreadCount"') + " >= 0", "{{method}}")),
    ]),
])

DATA = dashboard("data", "Data: PostgreSQL, events, caches", "Pools, outboxes, consumers and what is remembered.", [
    ("PostgreSQL", [
        panel("Pools", "The part of the connections that is in use", "percentunit", (f"(nova_pg_connections_open{{{ON}}} - nova_pg_connections_idle) / nova_pg_connections_max", "{{pool}} {{instance}}"), limit=0.9, most=1),
        panel("Waiting", "Callers that wait for a connection", "none", (f"nova_pg_callers_waiting{{{ON}}}", "{{pool}} {{instance}}")),
        panel("Wait", "p99 of the wait for a connection", "s", (quantile(0.99, "nova_pg_wait_seconds", "pool") + " >= 0", "{{pool}}")),
        panel("Open", "Connections that are open", "none", (f"nova_pg_connections_open{{{ON}}}", "{{pool}} {{instance}}")),
        panel("Taken", "Times a second that a connection was taken", "ops", (rate("nova_pg_wait_seconds_count", "pool"), "{{pool}}")),
        panel("None to be had", "Times a second that no connection was to be had, by why", "ops", (rate("nova_pg_failures_total", "pool, why"), "{{pool}} {{why}}")),
    ]),
    ("Outbox and bus", [
        panel("Age", "How long the oldest event that is not published has waited", "s", (f"max by (outbox) (nova_outbox_oldest_age_seconds{{{ON}}})", "{{outbox}}"), limit=60),
        panel("Waiting", "Events that wait to be published", "none", (f"max by (outbox) (nova_outbox_rows{{{ON}}})", "{{outbox}}")),
        panel("Published", "Events a second that were published, and failed tries", "ops", (rate("nova_outbox_published_total", "outbox"), "{{outbox}}"), (rate("nova_outbox_failures_total", "outbox"), "{{outbox}} failed")),
        panel("Bus", "1 where there is an event bus", "none", (f"nova_event_bus_configured{{{ON}}}", "{{client}} {{instance}}"), most=1),
    ]),
    ("Consumers", [
        panel("Lag", "How old the oldest event is that is not done", "s", (f"max by (consumer, topic) (nova_consumer_lag_seconds{{{ON}}})", "{{consumer}} {{topic}}"), limit=60),
        panel("Events", "Events a second by what became of them", "ops", (rate("nova_consumer_events_total", "consumer, outcome"), "{{consumer}} {{outcome}}")),
        panel("Failures", "Failed tries a second", "ops", (rate("nova_consumer_failures_total", "consumer"), "{{consumer}}")),
        panel("Dead letters", "Events that could not be acted on, and those behind them", "none", (f"max by (consumer) (nova_dead_letters{{{ON}}})", "{{consumer}}"), limit=1),
        panel("Away", "Times a second that a consumer could not follow the bus", "ops", (rate("nova_consumer_away_total", "consumer"), "{{consumer}}")),
        panel("Missed", "Times in the last hour that a consumer was away for longer than the bus keeps events", "none", (f"sum by (consumer) (increase(nova_consumer_missed_total{{{ON}}}[1h]))", "{{consumer}}"), limit=1),
    ]),
    ("Caches", [
        panel("Hit ratio", "The part of the questions that were answered from memory", "percentunit", ("cache:nova_cache_hits:ratio_rate5m >= 0", "{{cache}}"), most=1),
        panel("Questions", "Questions a second by how they were answered", "ops", (rate("nova_cache_hits_total", "cache"), "{{cache}} hit"), (rate("nova_cache_misses_total", "cache"), "{{cache}} miss"), (rate("nova_cache_joined_total", "cache"), "{{cache}} joined")),
        panel("Entries", "What is in memory", "none", (f"nova_cache_entries{{{ON}}}", "{{cache}} {{instance}}")),
        panel("Age", "p99 of how old what was served was", "s", (quantile(0.99, "nova_cache_served_age_seconds", "cache") + " >= 0", "{{cache}}")),
        panel("Not kept", "Answers a second that were not remembered because something changed meanwhile", "ops", (rate("nova_cache_fills_refused_total", "cache"), "{{cache}}")),
    ]),
])

PEERS = dashboard("peers", "Calls between services", "Who calls whom, and what comes of it.", [
    ("Calls", [
        panel("Calls", "Calls a second to a peer", "reqps", (rate("nova_peer_calls_total", "peer"), "{{peer}}")),
        panel("Failures", "Calls a second that did not come to OK, after retries", "reqps", (rate("nova_peer_calls_total", "peer, code", ON + ',code!="Ok"'), "{{peer}} {{code}}")),
        panel("Duration", "How long calls took, waits and retries included", "s", (quantile(0.5, "nova_peer_duration_seconds", "peer") + " >= 0", "{{peer}} p50"), (quantile(0.99, "nova_peer_duration_seconds", "peer") + " >= 0", "{{peer}} p99")),
        panel("Under way", "Calls to a peer that are under way", "none", (f"nova_peer_in_flight{{{ON}}}", "{{instance}} to {{peer}}")),
        panel("Retries", "Calls a second that were tried again, and retries that the budget refused", "ops", (rate("nova_peer_retries_total", "peer"), "{{peer}}"), (rate("nova_peer_retries_refused_total", "peer"), "{{peer}} refused")),
        panel("Not made", "Calls a second that were not made, by why", "ops", (rate("nova_peer_refused_total", "peer, why"), "{{peer}} {{why}}")),
    ]),
    ("Addresses", [
        panel("Circuits", "Addresses that are left alone because calls to them fail", "none", (f"nova_peer_circuits_open{{{ON}}}", "{{instance}} to {{peer}}"), limit=1),
        panel("Circuits opened", "How often that began in the last hour", "none", (f"sum by (peer) (increase(nova_peer_circuits_opened_total{{{ON}}}[1h]))", "{{peer}}")),
        panel("Addresses and connections", "Addresses that are called, and connections that are open", "none", (f"nova_peer_addresses{{{ON}}}", "{{instance}} to {{peer}} addresses"), (f"nova_peer_connections{{{ON}}}", "{{instance}} to {{peer}} connections")),
    ]),
    ("Certificates", [
        panel("Time left", "Until a certificate in use expires", "s", (f"min by (file) (nova_tls_certificate_expires_seconds{{{ON}}})", "{{file}}"), width=24),
    ]),
])

ACCOUNTS = dashboard("accounts", "Accounts, webhooks and mails", "Log-ins, tokens, and what leaves for the world.", [
    ("Accounts", [
        panel("Log-ins", "Log-ins a second by outcome", "ops", (rate("nova_auth_logins_total", "outcome"), "{{outcome}}")),
        panel("Refreshes", "Refresh tokens a second by outcome; reused: it came a second time, and its session was ended", "ops", (rate("nova_auth_refreshes_total", "outcome"), "{{outcome}}")),
        panel("Accounts", "Accounts an hour that were made and deleted", "none", (f"sum(increase(nova_auth_registrations_total{{{ON}}}[1h]))", "made"), (f"sum(increase(nova_auth_deletions_total{{{ON}}}[1h]))", "deleted")),
        panel("Signing key", "How long the key that tokens are signed with has been in force", "s", (f"max(nova_auth_signing_key_age_seconds{{{ON}}})", "age")),
        panel("Profiles", "Profiles a second: made, made on demand, deleted; and times that the user service could not be told", "ops", (rate("nova_user_profiles_made_total", "instance"), "made"), (rate("nova_user_profiles_adopted_total", "instance"), "on demand"), (rate("nova_user_profiles_deleted_total", "instance"), "deleted"), (rate("nova_auth_profile_sync_failures_total", "instance"), "not told")),
        panel("Unanswered", "Questions a second that services did not answer one another", "ops", (rate("nova_user_accounts_unreachable_total", "instance"), "accounts"), (rate("nova_user_contact_announcements_failed_total", "instance"), "contacts not told")),
    ]),
    ("Passwords", [
        panel("Hashing", "Passwords that are being hashed, of so many at once", "none", (f"nova_password_hashing_busy{{{ON}}}", "{{instance}}"), (f"nova_password_hashing_busy_max{{{ON}}}", "{{instance}} most")),
        panel("Waiting", "Calls that wait to hash, of so many that may", "none", (f"nova_password_hashing_waiting{{{ON}}}", "{{instance}}"), (f"nova_password_hashing_waiting_max{{{ON}}}", "{{instance}} most")),
        panel("Wait", "How long calls waited to hash; and calls a second that were refused", "s", (quantile(0.99, "nova_password_hashing_wait_seconds", ""), "p99"), (rate("nova_password_hashing_refused_total", "instance"), "{{instance}} refused a second")),
    ]),
    ("Webhooks", [
        panel("Attempts", "Deliveries tried a second, by outcome", "ops", (rate("nova_webhook_attempts_total", "outcome"), "{{outcome}}")),
        panel("Duration", "How long trying took", "s", (quantile(0.5, "nova_webhook_attempt_seconds", ""), "p50"), (quantile(0.99, "nova_webhook_attempt_seconds", ""), "p99")),
        panel("Oldest", "How long the oldest delivery to an enabled webhook has waited", "s", (f"max(nova_webhook_oldest_pending_seconds{{{ON}}})", "age"), limit=3600),
        panel("Under way", "Deliveries that are being sent", "none", (f"nova_webhook_deliveries_in_flight{{{ON}}}", "{{instance}}")),
        panel("Disabled", "Webhooks that are disabled", "none", (f"max(nova_webhooks_disabled{{{ON}}})", "disabled"), limit=1),
        panel("Mails", "Mails a second: sent, tried again, given up", "ops", (rate("nova_mails_total", "outcome"), "{{outcome}}")),
    ]),
])


def main():
    stale = []
    for name, board in [OVERVIEW, SERVICE, MESSAGING, DATA, PEERS, ACCOUNTS]:
        path, text = FOLDER / f"{name}.json", json.dumps(board, indent=1) + "\n"
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != text:
                stale.append(str(path))
        else:
            path.write_text(text)
    if stale:
        sys.exit(f"not what scripts/dashboards.py says, run it: {', '.join(stale)}")


main()
