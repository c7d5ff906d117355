"""`asyncmta route`: what would happen to an address, rule by rule, with exchangers and TLS; sends nothing.

The running MTA is asked, as it would decide; with `--offline` the settings are, and the files that they name (P-73).
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

from asyncmta.admin.client import NotRunning, Refused
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.where import config_option, control_client, load_settings
from asyncmta.cli.words import printable
from asyncmta.mail.address import InvalidAddress, parse_address

if TYPE_CHECKING:
    from asyncmta.config import Settings


@click.command(name="route")
@click.argument("address")
@click.option("--from", "sender", metavar="SENDER", help="The reverse-path; <> for the null one.")
@click.option("--client", metavar="IP", help="Who would send it: what [[rule]] and the like would say.")
@click.option("--login", metavar="NAME", help="As whom the client would have logged in.")
@click.option("--offline", is_flag=True, help="Ask the settings and not the running MTA; nor DNS.")
@click.option("--json", "as_json", is_flag=True, help="As the HTTP interface has it.")
@config_option
def command(
    address: str, sender: str | None, client: str | None, login: str | None, *, offline: bool, as_json: bool
) -> None:
    """Say what would happen to ADDRESS. The running MTA answers, as it would decide."""
    if login is not None and client is None:
        raise click.UsageError("--login goes only with --client")
    if offline and client is not None:
        raise click.UsageError("--client does not go with --offline")
    origin = None if sender in (None, "", "<>") else sender
    if offline:
        report = asyncio.run(_offline(load_settings(), address, origin))
    else:
        query = [("recipient", address)] + ([("sender", origin)] if origin is not None else [])
        query += [(name, value) for name, value in (("client", client), ("login", login)) if value is not None]
        report = _asked(query)
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    lines = [f"{report['recipient']} from {report['sender']}", *(f"  {rule}" for rule in report["rules"])]
    lines += [f"exchanger: {exchanger}" for exchanger in report["exchangers"]]
    lines += [f"TLS: {report['tls']}", *(f"policy: {line}" for line in report["policy"])]
    lines += [f"address: {line}" for line in report.get("address", ())]
    for line in lines:
        click.echo(printable(line))


def _asked(query: list[tuple[str, str]]) -> Any:
    try:
        return control_client().get("/v1/route", query)
    except NotRunning as error:
        raise Stop(Exit.UNAVAILABLE, f"not running: {error}") from None
    except Refused as error:
        raise Stop(Exit.DATA if error.status == 400 else Exit.UNAVAILABLE, str(error)) from None


async def _offline(settings: Settings, recipient: str, sender: str | None) -> Any:
    from asyncmta.maillog import MailLog  # noqa: PLC0415 - for a quick start
    from asyncmta.mta_local import offline_directory  # noqa: PLC0415
    from asyncmta.mta_policy import Asked  # noqa: PLC0415
    from asyncmta.route_report import Offline, report  # noqa: PLC0415
    from asyncmta.system.clock import SystemClock  # noqa: PLC0415

    try:
        address = parse_address(recipient, smtputf8=True)
        origin = parse_address(sender, smtputf8=True) if sender is not None else None
    except InvalidAddress as error:
        raise Stop(Exit.DATA, str(error)) from None
    maillog = MailLog(clock=SystemClock(), stream=sys.stderr.buffer, format="console", level="warning")
    directory = offline_directory(settings, maillog=maillog)
    asked = Asked(None, None, (), origin, address)
    found = await report(Offline(settings.routing(), directory), settings, asked)
    maillog.close()
    return msgspec.to_builtins(found)
