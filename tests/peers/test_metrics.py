"""The metrics as Prometheus sees them: promtool reads page and rules, and a real one scrapes an MTA at work."""

from __future__ import annotations

import json
import re
import urllib.request

import pytest
from peerkit.programs import TOP, smtp_source
from peerkit.prometheus import Prometheus, promtool
from peerkit.receiver import wait
from peerkit.serving import free_port

pytestmark = pytest.mark.peers

MESSAGES = 200
HEARING = """
[[webhook]]
url = "http://127.0.0.1:1/"
secret = "whispered by nobody"
[telemetry]
endpoint = "http://127.0.0.1:1"
sample = 1.0
"""
WITHOUT_CAUSE = ("_refused_total", "_inbound_logins_total", "_dns_")  # nothing of it happens here


@pytest.fixture
def measured(serving, smarthost, receiver):
    """A running MTA that sends all to `receiver`, and the port of its HTTP. Nobody takes its events and spans."""
    port = free_port()
    more = f'[admin]\nlisten = "127.0.0.1:{port}"\n' + HEARING
    return serving(smarthost.format(port=receiver.port) + more).start(), port


def expressions():
    """Of the dashboard, as Grafana would send them."""
    dashboard = json.loads((TOP / "docs" / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")


def test_promtool_finds_nothing_wrong_with_the_page(measured):
    mta, port = measured
    smtp_source(mta.port, 20)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        page = response.read()
    assert b'asyncmta_accepted_messages_total{tls="none"} 20.0' in page
    checked = promtool("check", "metrics", stdin=page)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_promtool_takes_the_alert_rules():
    checked = promtool("check", "rules", "docs/alerts.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    rules = re.findall(r"- alert: (\w+)", (TOP / "docs" / "alerts.yml").read_text())
    assert f"SUCCESS: {len(rules)} rules found".encode() in checked.stdout


def test_the_alert_rules_fire_when_they_should():
    tested = promtool("test", "rules", "tests/peers/alerts_test.yml")
    assert tested.returncode == 0, (tested.stdout + tested.stderr).decode()
    assert b"SUCCESS" in tested.stdout


def test_prometheus_sees_what_happened(measured, receiver, tmp_path):
    mta, port = measured
    with Prometheus(tmp_path / "prometheus", port) as prometheus:
        prometheus.await_value('up{job="mail"}', 1)
        prometheus.await_value("sum(asyncmta_accepted_messages_total)", 0)
        smtp_source(mta.port, MESSAGES)
        assert wait(lambda: len(receiver.taken) == MESSAGES, 60)
        prometheus.await_value("sum(asyncmta_accepted_messages_total)", MESSAGES)
        prometheus.await_value('asyncmta_outcomes_total{outcome="delivered"}', MESSAGES)
        prometheus.await_value('asyncmta_delay_seconds_count{stage="total"}', MESSAGES)
        prometheus.await_value("asyncmta_retired_messages_total", MESSAGES)
        prometheus.await_value("sum(asyncmta_queue_messages)", 0)
        assert (prometheus.value("asyncmta_sync_seconds_count") or 0) > 0
        assert prometheus.value("asyncmta_site_suspended") == 0
        empty = [each for each in expressions() if not prometheus.ask("query", query=each)["result"]]
        assert [each for each in empty if not any(name in each for name in WITHOUT_CAUSE)] == []
        groups = prometheus.ask("rules")["groups"]
        states = {rule["name"]: (rule["health"], rule["state"]) for group in groups for rule in group["rules"]}
        assert {health for health, _ in states.values()} == {"ok"}
        quiet = states.keys() - {"AsyncmtaSpoolDoubtful", "AsyncmtaDiskLow"}  # it depends on where the tests run
        quiet -= {"AsyncmtaWebhookFails", "AsyncmtaTelemetryDropped"}  # and here on how long they take
        assert {states[name][1] for name in quiet} == {"inactive"}
        mta.kill()
        prometheus.await_value('up{job="mail"}', 0)
