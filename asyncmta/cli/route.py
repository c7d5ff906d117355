"""`asyncmta route`: what would happen to an address, rule by rule, with exchangers and TLS; sends nothing."""

from __future__ import annotations

import click
import msgspec

from asyncmta.admin.client import NotRunning, Refused
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.where import config_option, control_client
from asyncmta.cli.words import printable


@click.command(name="route")
@click.argument("address")
@click.option("--from", "sender", metavar="SENDER", help="The reverse-path; <> for the null one.")
@click.option("--client", metavar="IP", help="Who would send it: what [[rule]] and the like would say.")
@click.option("--login", metavar="NAME", help="As whom the client would have logged in.")
@click.option("--json", "as_json", is_flag=True, help="As the HTTP interface has it.")
@config_option
def command(address: str, sender: str | None, client: str | None, login: str | None, as_json: bool) -> None:
    """Say what would happen to ADDRESS. The running MTA answers, as it would decide."""
    query = [("recipient", address)] + ([("sender", sender)] if sender not in (None, "", "<>") else [])
    if login is not None and client is None:
        raise click.UsageError("--login goes only with --client")
    query += [(name, value) for name, value in (("client", client), ("login", login)) if value is not None]
    try:
        report = control_client().get("/v1/route", query)
    except NotRunning as error:
        raise Stop(Exit.UNAVAILABLE, f"not running: {error}") from None
    except Refused as error:
        raise Stop(Exit.DATA if error.status == 400 else Exit.UNAVAILABLE, str(error)) from None
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    lines = [f"{report['recipient']} from {report['sender']}", *(f"  {rule}" for rule in report["rules"])]
    lines += [f"exchanger: {exchanger}" for exchanger in report["exchangers"]]
    lines += [f"TLS: {report['tls']}", *(f"policy: {line}" for line in report["policy"])]
    for line in lines:
        click.echo(printable(line))
