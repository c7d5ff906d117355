"""What the benchmarks make of numbers: percentiles, ratios, stages, tables between marks; and their name server."""

from __future__ import annotations

import struct

import pytest

from benchmarks import budget, report, scrape, source, table, wild_names

PAGE = "asyncmta_lag_seconds_bucket"


def histogram(*counts: int) -> scrape.Page:
    bounds = ("0.001", "0.01", "+Inf")
    return {PAGE: [(f'le="{bound}"', float(count)) for bound, count in zip(bounds, counts, strict=True)]}


def test_the_percentile_of_what_came_between_two_pages():
    before, after = histogram(100, 100, 100), histogram(109, 110, 110)
    assert scrape.percentile(before, after, "lag_seconds", 0.9) == 0.001
    assert scrape.percentile(before, after, "lag_seconds", 0.99) == 0.01
    assert scrape.percentile(before, before, "lag_seconds", 0.99) == 0
    assert scrape.percentile(before, histogram(100, 100, 101), "lag_seconds", 0.5) == float("inf")


def test_sums_over_labels():
    page = {"asyncmta_queue": [('state="ready"', 2.0), ('state="held"', 3.0)]}
    assert scrape.total(page, "queue") == 5
    assert scrape.total(page, "queue", "held") == 3
    assert scrape.grown({}, page, "queue") == 5


def test_percentiles_are_of_those_that_were():
    assert source.percentiles([]) == {}
    assert source.percentiles([0.001 * n for n in range(1, 101)]) == {
        "p50": 51.0,
        "p99": 100.0,
        "p999": 100.0,
        "max": 100.0,
    }


def run(mta: str, repetition: int, rate: float) -> report.Run:
    return {"mta": mta, "repetition": repetition, "rate": rate, "syncs": True}


def test_ratios_are_of_one_repetition():
    runs = [run("asyncmta", 0, 100.0), run("Postfix", 0, 50.0), run("asyncmta", 1, 90.0), run("Postfix", 2, 1.0)]
    assert report.ratios(runs, "rate", "asyncmta", "Postfix") == [2.0]
    assert report.ratio([]) == ""


def test_a_table_has_the_ratios_first_and_says_what_failed():
    runs = [run("asyncmta", 0, 100.0), run("Postfix", 0, 50.0) | {"syncs": False}, run("Exim", 0, 0.0) | {"note": "no"}]
    lines = table.rows(runs, [table.Column("rate", "messages/s", ratio="share")])
    assert lines[2] == "| asyncmta |  | 100 |"
    assert lines[3] == "| Postfix ¹ | 0.5 x (0.5 to 0.5) | 50 |"
    assert lines[4] == "| Exim | no | |"


@pytest.mark.parametrize(
    ("place", "stage"),
    [
        ("loop", budget.LOOP),
        ("inbound/conversation.py:feed < inbound/connection.py:data_received", "session: commands and replies"),
        ("inbound/entrance.py:_write < inbound/connection.py:_answer", "send: replies to clients"),
        ("inbound/content.py:_add < inbound/data.py:feed", "content: reading, checks, our header fields"),
        ("spool/codec.py:encode < spool/journal.py:submit", "journal: encoding"),
        ("spool/store.py:submit < inbound/intake.py:accept", "journal: batches, ledger, answers"),
        ("delivery/transfer.py:_send_content < delivery/transfer.py:data_received", "send: to next hops"),
        ("delivery/maildir_files.py:write", "local: Maildir"),
        ("mail/address.py:parse_address < inbound/commands.py:parse_mail", "session: commands and replies"),
        ("system/meter.py:add < tally.py:note", "metrics"),
        ("mail/address.py:parse_address", budget.OTHER),
        ("why.py:explain", budget.OTHER),
    ],
)
def test_the_stage_of_a_function(place, stage):
    assert budget.stage(place) == stage


def test_a_budget_is_shares_of_the_cpu_time():
    threads = {"MainThread": [0.6, 0.4, 0.5], "journal": [0.1, 0.0, 0.0]}
    counts = {"loop": 1, "spool/codec.py:encode": 3}
    found = {"counts": counts, "threads": threads, "messages": 1000, "wall": 2.0, "sync_seconds": 0.2}
    assert budget.per_message(found) == {budget.LOOP: 250.0, "journal: encoding": 750.0}
    rest = budget.rest(found)
    assert rest["wall time of a message (1 / rate)"] == 2000
    assert rest["the loop's thread asleep: clients, syncs, next hops, the lock"] == pytest.approx(500)


def asked(name: bytes, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label for label in name.split(b"."))
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def test_the_name_server_knows_all_domains():
    found = wild_names.answer(asked(b"D12.test", wild_names.MX))
    assert found[:2] == b"\0\7"
    assert int.from_bytes(found[6:8]) == 1
    assert found.endswith(b"\0\x0a\x04mx12\x04test\0")
    found = wild_names.answer(asked(b"mx260.test", wild_names.A))
    assert found.endswith(bytes([127, 1, 1, 11]))
    assert len({wild_names.address(number) for number in range(100_000)}) == 100_000


def test_the_name_server_says_no_data_and_no_such_name():
    for name, kind, code in ((b"d1.test", 28, 0), (b"mx1.test", wild_names.MX, 0), (b"a.org", wild_names.A, 3)):
        found = wild_names.answer(asked(name, kind))
        assert int.from_bytes(found[6:8]) == 0
        assert found[3] & 15 == code


def test_text_goes_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n<!-- y:begin -->\n<!-- y:end -->\n")
    report.between(page, "x", "new\n")
    assert page.read_text().startswith("a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n")
    with pytest.raises(AssertionError, match="no place for z"):
        report.between(page, "z", "new")


def test_every_place_of_the_pages_is_there():
    names = ["accept", "relay", "mx", "late", "late-mx", "local", "list", "latency", "queued", "held-relay", "held-mx"]
    names += ["hostile", "hostile-peers", "dead", "idle", "sessions", "scale-queue", "scale-destinations", "backlog"]
    text = table.PAGE.read_text()
    assert [
        name for name in names if f"<!-- {name}:begin -->\n" not in text or f"<!-- {name}:end -->" not in text
    ] == []
    assert "<!-- profile:begin -->" in budget.PAGE.read_text()
