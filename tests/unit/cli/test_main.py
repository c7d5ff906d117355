"""How the command line ends, which configuration counts, and that it starts quickly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asyncmta.cli import version as version_command
from asyncmta.cli.main import COMMANDS


def test_each_command_has_help_and_takes_the_configuration(run):
    for name in COMMANDS:
        ended = run(name, "--help")
        assert ended.code == 0
        assert "--config" in ended.out
    assert run("--help").code == 0


@pytest.mark.parametrize("arguments", [["nonsense"], ["queue", "nonsense"], ["health", "--no-such"], ["route"]])
def test_a_usage_error_is_64(run, arguments):
    assert run(*arguments).code == 64


def test_check_config_says_which_file_is_good(run, config):
    ended = run("check-config")
    assert (ended.code, ended.out) == (0, f"{config}: ok\n")


def test_check_config_names_every_fault(run, config):
    config.write_text('spool = "x"\nhostnam = "y"\n[queue]\nlifetime = "5 parsecs"\n')
    ended = run("check-config")
    assert ended.code == 78
    lines = ended.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{config}: ") for line in lines)
    assert any("hostnam" in line for line in lines)
    assert any("queue.lifetime" in line for line in lines)


def test_the_option_wins_over_the_environment_before_and_after_the_command(run, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text("")
    assert run("-c", str(other), "check-config").out == f"{other}: ok\n"
    assert run("check-config", "-c", str(other)).out == f"{other}: ok\n"
    assert run("queue", "-c", str(tmp_path / "none.toml"), "list").code == 78


def test_without_the_variable_it_is_config_toml_here_then_defaults(run, config, monkeypatch):
    monkeypatch.delenv("ASYNCMTA_CONFIG")
    assert run("check-config").out == "config.toml: ok\n"
    config.rename(config.with_name("elsewhere.toml"))
    assert run("check-config").out in ("built-in defaults: ok\n", "/etc/asyncmta/config.toml: ok\n")


def test_a_file_that_is_named_must_be_there(run, monkeypatch):
    monkeypatch.setenv("ASYNCMTA_CONFIG", "/no/such/file.toml")
    ended = run("check-config")
    assert ended.code == 78
    assert "/no/such/file.toml" in ended.err


def test_version_names_what_it_runs_on(run):
    ended = run("version")
    assert ended.out.startswith("asyncmta ")
    assert "Python 3." in ended.out
    assert all(name in ended.out for name in ("aiosmtpd", "aiosmtplib", "aiodns", "event loop"))
    assert version_command.installed("no-such-distribution") == "not installed"


def test_a_bug_shows_its_traceback_and_ends_with_70(run, monkeypatch):
    monkeypatch.setattr("asyncmta.cli.check.load_settings_to_serve", lambda: 1 // 0)
    ended = run("check-config")
    assert ended.code == 70
    assert "ZeroDivisionError" in ended.err


def test_health_and_send_load_nothing_that_they_do_not_need():
    """The slow libraries stay outside; a HEALTHCHECK runs this every few seconds."""
    code = (
        "import sys, asyncmta.cli.main, asyncmta.cli.health, asyncmta.cli.send, asyncmta.config\n"
        "print([name for name in ('aiohttp', 'aiosmtpd', 'aiosmtplib', 'aiodns', 'structlog', 'uvloop', 'asyncio',"
        " 'rich') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
