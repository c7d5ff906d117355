"""config_posting: the few keys that `sendmail` needs, of a configuration that it may not be able to read as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncmta.config import InvalidConfig, own_hostname
from asyncmta.config_posting import read_posting


def test_what_is_said_of_them(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        'hostname = "mta.example"\nspool = "queue"\n[limits]\nmessage_size = "1MiB"\n[tls]\ncertificate = "gone.pem"\n'
    )
    posting = read_posting(str(file), environ={"ASYNCMTA_LIMITS__RECIPIENTS": "200", "ASYNCMTA_NONSENSE": "x"})
    spool = str(tmp_path / "queue")
    assert (posting.hostname, posting.spool, posting.socket) == ("mta.example", spool, f"{spool}/control.sock")
    assert (posting.drop, posting.message_size, posting.recipients) == (f"{spool}/drop", 1 << 20, 200)
    assert posting.alias_files == {}


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    posting = read_posting(None, environ={"ASYNCMTA_ADMIN__SOCKET": "run/sock"})
    assert (posting.hostname, posting.socket) == (own_hostname(), str(tmp_path / "run" / "sock"))
    assert posting.drop == str(tmp_path / "var" / "spool" / "drop")


@pytest.mark.parametrize("text", ["[drop]\nenabled = false\n", 'mode = "null-client"\n'])
def test_no_drop_directory(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    assert read_posting(str(tmp_path / "config.toml"), environ={}).drop == ""


@pytest.mark.parametrize(
    ("text", "environ", "faults"),
    [
        ("spool = 3\n[drop]\nenabled = 1\n", {}, ["spool: expected text", "drop.enabled: expected true or false"]),
        ("spool", {}, ["not TOML"]),
        ("", {"ASYNCMTA_LIMITS__RECIPIENTS": "3"}, ["ASYNCMTA_LIMITS__RECIPIENTS: expected a whole number"]),
    ],
)
def test_what_is_wrong_with_them(tmp_path: Path, text: str, environ: dict[str, str], faults: list[str]) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(InvalidConfig) as found:
        read_posting(str(tmp_path / "config.toml"), environ=environ)
    assert len(found.value.faults) == len(faults)
    assert all(wanted in fault for wanted, fault in zip(faults, found.value.faults, strict=True))


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InvalidConfig, match="cannot be read"):
        read_posting("nowhere.toml", environ={})
