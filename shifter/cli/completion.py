"""``shifter completion``: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class

_HELP = """\
bash: shifter completion bash > ~/.local/share/bash-completion/completions/shifter
zsh:  shifter completion zsh > "${fpath[1]}/_shifter"
fish: shifter completion fish > ~/.config/fish/completions/shifter.fish
"""


@click.command("completion", epilog=f"\b\n{_HELP}")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what SHELL needs to complete commands and options; put it where the shell looks for such files."""
    from shifter.cli import main

    made = get_completion_class(shell)
    assert made is not None
    source = made(main, {}, "shifter", "_SHIFTER_COMPLETE")
    click.echo(source.source_template % source.source_vars())
