"""Start mmbench: find the subcommand, hand it its words, and turn whatever goes wrong into a sentence and an exit code.

Subcommands are imported when they are invoked, and not before: `mmbench --help` draws its list from `COMMANDS` alone, so that
it answers at once and loads no numerical library. A test holds every line of the table against the command's own help.
"""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any

import click

from .. import __version__
from ..configs.errors import Exit, MmbenchError
from . import console, crash
from .interrupts import hear_one_interrupt
from .state import State, look_options
from .words import not_known

# name -> (module of this package : attribute, the first line of its help)
COMMANDS: dict[str, tuple[str, str]] = {
    "probe": ("probe:probe", "Measure this machine: caches, bandwidths, SIMD and matrix units."),
    "sweep": ("sweep:sweep", "Run every kernel over shapes and data types, proven right, then timed."),
    "report": ("report:report", "Make one offline page of rooflines, chips, kernels and comparisons."),
    "plot": ("plot:plot", "Draw one figure of a report, such as roofline, latency or fragments."),
    "compare": ("compare:compare", "Compare two runs, machines or kernels, cell by cell."),
    "history": ("history:history", "Show kernels over all stored runs of a machine, and where times changed."),
    "doctor": ("doctor:doctor", "Say whether a measurement here, now, can be trusted, and what to change."),
    "show": ("show:show", "Show a stored machine or run again."),
    "list": ("listing:list_", "List kernels, libraries, data types, presets, probes, stored runs…"),
    "explain": ("explain:explain", "Explain a number, a word or a method in plain words."),
    "emit": ("emit:emit", "Print the code of a kernel for this chip or any other."),
    "export": ("export:export", "Write a stored machine, sweep or gate for other programs."),
    "config": ("config:config", "Show the settings in force, and where each comes from."),
    "completion": ("completion:completion", "Print the completion script for a shell."),
}


def _accept_look(command: click.Command) -> None:
    """Let a command, and those below it, take --color and --ascii too: nobody should have to know where they belong."""
    taken = {name for parameter in command.params for name in parameter.opts}
    command.params += [option for option in look_options() if taken.isdisjoint(option.opts)]
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _accept_look(below)


class LazyGroup(click.Group):
    """The `mmbench` command: knows its subcommands by name, imports only the one that is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(f".{module}", __package__), attribute)
        assert isinstance(command, click.Command)
        _accept_look(command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown name is answered with its neighbours."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise not_known("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands out of the table; nothing is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and end the process with a documented exit code, whatever happens (not so under click's `standalone_mode=False`)."""
        if not standalone_mode:
            return super().main(args, prog_name or "mmbench", complete_var, False, **extra)
        console.open_missing_streams()
        console.tolerate_narrow_encodings()
        code: int = Exit.BUG
        try:
            result = super().main(args, prog_name or "mmbench", complete_var, False, **extra)
            console.flush()
            code = result if isinstance(result, int) else Exit.OK
        except BaseException as error:
            code = _answer_for(error)
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that closed our output early (`| head`) had enough, which is no failure."""
        try:
            result = super().invoke(ctx)
            console.flush()
        except BrokenPipeError as error:
            if not console.reader_is_gone():
                raise _BrokenInside from error
            console.abandon_output()
            return Exit.OK
        return result


class _BrokenInside(Exception):
    """A pipe broke that was not our output; a class of its own, since click takes every broken pipe for the output."""


def _answer_for(error: BaseException) -> int:
    """Say on stderr what happened and give the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else Exit.OK if error.code is None else Exit.USAGE
    if isinstance(error, MmbenchError):
        console.complain(error.message, error.hint)
        return int(error.exit_code)
    if isinstance(error, click.ClickException):
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "mmbench"
        console.complain(" ".join(error.format_message().split()), f"see {where} --help")
        return Exit.USAGE
    if isinstance(error, KeyboardInterrupt) or (isinstance(error, click.Abort) and not isinstance(error.__cause__, EOFError)):
        console.complain("interrupted", "")
        return Exit.INTERRUPTED
    if isinstance(error, BrokenPipeError) or (isinstance(error, OSError) and error.errno == errno.EPIPE):
        console.abandon_output()
        return Exit.OK
    path = crash.save(error)
    where = f"the details are in {path}" if path else "the details could not be saved anywhere"
    console.complain(f"a bug in mmbench: {type(error).__name__}: {error}", f"{where}; please report them")
    return Exit.BUG


def _colour_word(_ctx: click.Context, _parameter: click.Parameter, value: bool | None) -> str | None:
    return None if value is None else "always" if value else "never"


@click.group(
    "mmbench",
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="mmbench", message="%(prog)s %(version)s")
@click.option("--results", metavar="DIR", help="Where results are kept (default: ./mmbench-results, or $MMBENCH_RESULTS).")
@click.option("--color/--no-color", default=None, callback=_colour_word, help="Colour always or never; otherwise on a terminal only.")
@click.option("--ascii", "ascii_", is_flag=True, default=None, help="Draw with plain ASCII characters only.")
@click.pass_context
def cli(ctx: click.Context, results: str | None, color: str | None, ascii_: bool | None) -> None:
    """Tell the truth about a machine and about the kernels that run on it.

    Answers go to standard output, everything else to standard error. Start with `mmbench doctor`, `mmbench probe`, `mmbench sweep`.
    """
    given: MutableMapping[str, str | bool | None] = {"results": results, "color": color, "ascii": ascii_}
    ctx.obj = State({name: value for name, value in given.items() if value is not None})
    if ctx.invoked_subcommand is None:
        from .welcome import next_steps

        console.answer(next_steps(ctx.obj.settings))


def main() -> None:
    """The entry point of the `mmbench` script and of `python -m mmbench`."""
    hear_one_interrupt()
    cli.main()
