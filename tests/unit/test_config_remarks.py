"""What check-config says beside faults, and that it keeps nobody from starting."""

from __future__ import annotations

from pathlib import Path

from asyncmta.config import Settings
from asyncmta.config_remarks import remarks

WAITS = "until that is mended, mail that would have to look there waits"


def said(folder: Path, **tables: object) -> list[str]:
    found = remarks(Settings.from_dict({"hostname": "mx.example", **tables}, folder=folder))
    return [line.replace(f"{folder}/", "") for line in found]


def test_nothing_to_remark(tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text('root: alice\n"a@b": alice\npostmaster@mx.example: alice\n@here.example: alice\n')
    assert said(tmp_path, local={"domains": ["here.example"], "aliases": "aliases"}) == []


def test_lines_that_cannot_be_taken_and_names_that_nobody_asks_for(tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text("root: |x\ninfo@far.example: alice\n")
    (tmp_path / "relocated").write_text("eve\n")
    (tmp_path / "virtual").write_text("a b\n")
    (tmp_path / "virtual").chmod(0o666)
    (tmp_path / "own").write_text("a: /x\n")
    local = {"domains": ["here.example"], "aliases": "aliases", "virtual": "virtual", "relocated": "relocated"}
    domain = [{"name": "too.example", "aliases": "own"}]
    assert said(tmp_path, local=local, domain=domain) == [
        'local.aliases: aliases, line 1: |x: programs are not started by an alias (a route with via = "pipe" can)',
        "local.aliases: aliases: info@far.example is in no local domain, and never asked for",
        f"local.virtual: virtual: everybody may write it; {WAITS}",
        "local.relocated: relocated, line 1: not NAME TARGET, TARGET",
        "domain.0.aliases: own, line 1: /x: files are not written by an alias",
    ]


def test_users_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")
    domains = [
        {"name": "a.example", "mailboxes": "sqlite:gone.db", "query": "SELECT :address"},
        {"name": "b.example", "mailboxes": "file:users"},
        {"name": "c.example", "mailboxes": ["alice"]},
    ]
    wait = "No such file or directory; until that is mended, mail is told to come later"
    assert said(tmp_path, local={"mailboxes": "file:gone"}, domain=domains) == [
        f"local.mailboxes: gone: {wait}",
        f"domain.0.mailboxes: gone.db: {wait}",
    ]


def test_mail_that_everybody_can_list(tmp_path: Path) -> None:
    for name, mode in (("mail", 0o751), ("mail/here.example", 0o755), ("mail/too.example", 0o711)):
        (tmp_path / name).mkdir(mode=mode)
        (tmp_path / name).chmod(mode)
    domains = ["here.example", "too.example", "none.example"]
    local = {"domains": domains, "maildir": "mail/{domain}/{local_part}"}
    listed = "everybody on this machine can list it; chmod o-r is enough"
    assert said(tmp_path, local=local) == [f"local.maildir: mail/here.example: {listed}"]
    (tmp_path / "mail").chmod(0o755)
    assert said(tmp_path, local={**local, "maildir": f"mail/{{domain}}{'x' * 245}/{{local_part}}"}) == []
    assert len(said(tmp_path, local={**local, "maildir": "mail/{local_part}"})) == 1


def test_variables_of_another_image_that_mean_less_here() -> None:
    environ = {"ASYNCMTA_COMPAT": "boky", "ALLOWED_SENDER_DOMAINS": "example.org", "DKIM_SELECTOR": "mail"}
    (remark,) = remarks(Settings.load(environ=environ))
    assert remark.startswith("environment: DKIM_SELECTOR: nothing is signed with DKIM here")
