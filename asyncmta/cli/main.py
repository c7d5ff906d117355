"""The entry point `asyncmta`: finds the command, loads its file only then, and turns every end into an exit code.

A usage error is 64 and a reader that went away (`| head`) is quiet. A bug shows its traceback and ends with 70.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import click

from asyncmta.cli.exits import INTERRUPTED, Exit, Stop, unplanned
from asyncmta.cli.where import config_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "serve": ("serve", "Run the MTA in the foreground."),
    "check-config": ("check", "Say what is wrong with the configuration."),
    "queue": ("queue", "See and change what is queued."),
    "journal": ("journal", "Look into the journal: verify, stat, dump."),
    "send": ("send", "Hand a message from standard input to the running MTA."),
    "route": ("route", "Say what would happen to an address."),
    "why": ("why", "Say why a message is not gone, and what decides."),
    "list": ("lists", "See mailing lists, and whose mail bounces."),
    "suppress": ("suppress", "See and change who is to get no more mail."),
    "user": ("user", "See and change who may log in."),
    "dsn": ("dsn", "See the words of reports to senders."),
    "top": ("top", "Watch the running MTA: rates, queue, sites, failures."),
    "stats": ("stats", "Say what the log adds up to."),
    "reload": ("reload", "Have the running MTA read its settings again."),
    "trace": ("trace", "Look on at live SMTP sessions, secrets masked."),
    "pause": ("pause", "Take no more mail, or begin no more attempts."),
    "resume": ("resume", "End a pause."),
    "drain": ("drain", "Hand the whole queue to another relay."),
    "completion": ("completion", "Print the completion script of a shell."),
    "health": ("health", "Say whether the running MTA is well."),
    "version": ("version", "Say which versions run here."),
}


class LazyGroup(click.Group):
    """Knows the names of the commands without loading them. Each file has its command as `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"asyncmta.cli.{COMMANDS[cmd_name][0]}").command
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """As click's, without loading every command."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - for a quick start

        own = click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)
        ] + own

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@config_option
def cli() -> None:
    """asyncmta, a mail transfer agent.

    The configuration is that of -c/--config, else $ASYNCMTA_CONFIG, else ./config.toml, else
    /etc/asyncmta/config.toml, else built-in defaults; environment variables win over the file.

    \b
    Exit codes: 0 done; 64 wrong use; 65 no such message, address or name, or
    data with faults; 66 no such file; 69 not running; 73 cannot be written;
    74 the disk failed; 75 later, perhaps; 77 not yours to ask; 78 faults in
    the configuration.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    if os.environ.get("_ASYNCMTA_COMPLETE"):
        import_module("asyncmta.cli.completion").register()
    try:
        code = cli.main(args=arguments, prog_name="asyncmta", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        error.show()
        code = Exit.USAGE
    except Stop as error:
        error.show()
        code = error.code
    except click.Abort:
        code = INTERRUPTED
    except (KeyboardInterrupt, Exception) as error:
        code = unplanned(error)
    raise SystemExit(code if isinstance(code, int) else Exit.OK)
