"""What a shell offers: commands, options, and names out of the running MTA, all through the protocol of the scripts."""

from __future__ import annotations

import pytest

ONE, TWO, THREE = (f"{number:016d}" for number in (1, 2, 3))


@pytest.fixture
def offered(run, monkeypatch):
    """The words for a line, as bash is told them."""

    def offered(line):
        monkeypatch.setenv("_ASYNCMTA_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        ended = run()
        assert (ended.code, ended.err) == (0, "")
        return [found.partition(",")[2] for found in ended.out.split()]

    return offered


def test_commands_without_loading_them(offered):
    assert offered("asyncmta jou") == ["journal"]
    assert {"serve", "queue", "completion"} <= set(offered("asyncmta "))
    assert offered("asyncmta queue re") == ["release", "retry"]
    assert offered("asyncmta queue list --mi") == ["--min-age"]
    assert offered("asyncmta queue list --state de") == ["deferred"]
    assert offered("asyncmta completion ") == ["bash", "zsh", "fish"]
    assert offered("asyncmta nonsense x") == []


def test_ids_the_newest_first_and_none_twice(offered, mta):
    assert offered("asyncmta queue show ") == [THREE, TWO, ONE]
    assert offered("asyncmta queue show 000000000000000") == [THREE, TWO, ONE]
    assert offered(f"asyncmta queue show {TWO}") == [TWO]
    assert offered("asyncmta queue show 1") == []
    assert offered(f"asyncmta queue hold {TWO} ") == [THREE, ONE]
    assert offered("asyncmta queue release ") == []
    mta.rows[0].state = "held"
    assert offered("asyncmta queue release ") == [THREE]


def test_an_id_far_behind_the_newest_is_found_by_its_beginning(offered, mta):
    row = type(mta.rows[0])
    mta.rows = [row(f"2{number:015d}") for number in range(1000)] + [row(ONE)]
    assert offered("asyncmta queue cat 0") == [ONE]


def test_domains_addresses_and_next_hops(offered, mta):
    assert offered("asyncmta queue list --domain ") == ["example.net"]
    assert offered("asyncmta queue list --sender me@") == ["me@example.org"]
    assert offered("asyncmta queue hold --recipient=y") == ["you@example.net"]
    assert offered("asyncmta why y") == ["you@example.net"]
    assert offered("asyncmta pause site ") == ["mx:example.net"]
    assert offered("asyncmta pause domain ") == ["example.net"]
    assert offered("asyncmta pause input ") == []


def test_what_is_paused_is_offered_for_resume(offered, mta):
    mta.paused = mta.paused.with_("domain", "example.com", True)
    assert offered("asyncmta resume domain ") == ["example.com"]
    assert offered("asyncmta resume site ") == []
    assert offered("asyncmta resume ") == ["input", "output", "site", "domain"]


@pytest.mark.parametrize("evil", ['"$(reboot)"@x', "`id`@x", "a;id@x", "a'@x", "a&b@x", "a\x1b[2J@x", "a,b@x", "$x@x"])
def test_nothing_is_offered_that_a_shell_would_take_apart(offered, mta, evil):
    row, person = type(mta.rows[0]), type(mta.rows[0].recipients[0])
    mta.rows = [row(ONE, sender=evil, recipients=(person(evil, "deferred", "mx:a b", None),))]
    assert offered("asyncmta queue list --sender ") == []
    assert offered("asyncmta queue list --recipient ") == []
    assert offered("asyncmta pause site ") == []
    assert offered("asyncmta queue show ") == [ONE]


def test_the_about_of_a_message_is_one_line(run, mta, monkeypatch):
    row, person = type(mta.rows[0]), type(mta.rows[0].recipients[0])
    mta.rows = [row(ONE, sender=None, recipients=(person("a\n\x1b@x"), person("b@x")))]
    monkeypatch.setenv("_ASYNCMTA_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "asyncmta queue show ")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert run().out.splitlines() == ["plain", ONE, "deferred: <> to a??@x +1"]


def test_nobody_there_and_a_configuration_with_faults_are_quiet(offered, config):
    assert offered("asyncmta queue show ") == []
    assert offered("asyncmta resume site ") == []
    config.write_text('spool = "unfinished')
    assert offered("asyncmta queue show ") == []
    assert offered("asyncmta -c /no/such/file queue show ") == []


def test_the_configuration_on_the_line_counts(offered, mta, config, monkeypatch):
    monkeypatch.delenv("ASYNCMTA_CONFIG")
    monkeypatch.chdir("/")
    assert offered("asyncmta queue show ") == []
    assert offered(f"asyncmta -c {config} queue show ") == [THREE, TWO, ONE]
    assert offered(f"asyncmta queue show --config {config} ") == [THREE, TWO, ONE]


def test_files_are_the_shells_to_find(run, config, monkeypatch):
    monkeypatch.setenv("_ASYNCMTA_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "asyncmta check-config -c /et")
    assert run().out == "file,/et\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_asks_us(run, shell):
    ended = run("completion", shell)
    assert ended.code == 0
    assert f"_ASYNCMTA_COMPLETE={shell}_complete" in ended.out
    assert "asyncmta" in ended.out.splitlines()[-1] or "compdef" in ended.out


def test_other_shells_are_a_usage_error(run):
    assert run("completion", "csh").code == 64
