"""`asyncmta completion bash|zsh|fish`: the script that makes a shell complete our commands, options and queue ids.

The scripts ask `asyncmta` itself (the variable _ASYNCMTA_COMPLETE), so that they need not change with it. Those of zsh
and fish are click's. Bash's is ours: bash breaks words at `@`, `:` and `=`, which are in the middle of addresses and
next hops; so it hands over the line, and takes back what follows the last break (an `@` is in what follows).
"""

from __future__ import annotations

import os
from typing import ClassVar

import click
from click.shell_completion import BashComplete, add_completion_class, get_completion_class, split_arg_string

from asyncmta.cli.where import config_option

VARIABLE = "_ASYNCMTA_COMPLETE"
PROGRAM = "asyncmta"

_BASH = r"""# bash completion for asyncmta: eval "$(asyncmta completion bash)", or a file in bash-completion's folder
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} type value word rest kept
    word=${line##*[[:space:]]}
    [[ $word == -*=* ]] && word=${word#*=}
    rest=$word
    for value in : =; do [[ $COMP_WORDBREAKS == *"$value"* ]] && rest=${rest##*"$value"}; done
    [[ $COMP_WORDBREAKS == *@* && $rest == *@* ]] && rest=@${rest##*@}
    kept=${word%%"$rest"}
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$kept"}") ;;
        esac
    done < <(COMP_WORDS=$line %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Is handed the line up to the cursor in COMP_WORDS."""

    source_template: ClassVar[str] = _BASH

    @staticmethod
    def _check_version() -> None:
        """A script may be made where there is no bash."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_WORDS", "")
        words = split_arg_string(line)
        unfinished = words.pop() if line[-1:].strip() and words else ""
        return words[1:], unfinished


def register() -> None:
    """Before click looks at the variable."""
    add_completion_class(Bash, "bash")


@click.command(name="completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@config_option
def command(shell: str) -> None:
    """Print the script that completes commands, options, queue ids and addresses.

    \b
    bash: eval "$(asyncmta completion bash)" in ~/.bashrc
    zsh:  asyncmta completion zsh > "${fpath[1]}/_asyncmta"
    fish: asyncmta completion fish > ~/.config/fish/completions/asyncmta.fish
    """
    register()
    found = get_completion_class(shell)
    assert found is not None
    context = click.get_current_context().find_root()
    click.echo(found(context.command, {}, PROGRAM, VARIABLE).source(), nl=False)
