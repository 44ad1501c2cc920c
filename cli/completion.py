"""Print the completion script that click makes for a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from . import console


@click.command()
@click.argument("shell", type=click.Choice(["bash", "fish", "zsh"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash: mmbench completion bash > ~/.local/share/bash-completion/completions/mmbench
    zsh:  mmbench completion zsh > a folder of your $fpath, as _mmbench
    fish: mmbench completion fish > ~/.config/fish/completions/mmbench.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    console.answer(kind(ctx.find_root().command, {}, "mmbench", "_MMBENCH_COMPLETE").source())
