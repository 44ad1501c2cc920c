"""`mmbench plot`: one figure of a report as a file."""

from __future__ import annotations

from pathlib import Path

import click

from ..configs.errors import UsageError
from ..configs.files import write_atomic
from ..configs.tables import near
from . import console
from .figure_files import FIGURE_FORMS
from .outputs import check_output
from .state import State, pass_state, results_option


@click.command()
@click.argument("name", default="", metavar="[NAME]")
@click.argument("results_words", nargs=-1, metavar="[RESULTS]...")
@click.option("-o", "--output", metavar="FILE", help="Write there, in the form that it ends in: .png, .svg or .pdf.")
@results_option
@pass_state
def plot(state: State, name: str, results_words: tuple[str, ...], output: str | None) -> None:
    """Draw one figure of a report, such as roofline, latency or fragments.

    NAME is a figure's name or the beginning of one (then the first that fits). Without a NAME: the figures that these RESULTS have.
    """
    from ..reports.page.evidence import files_of, gather
    from ..reports.page.registry import sections_of

    form = _form(output) if name else ""
    if output:
        check_output(Path(output), "--output", files_of(list(results_words), state.settings.results))
    figures = [f for s in sections_of(gather(results_words, state.settings.results)) for f in s.figures()]
    if not figures:
        raise UsageError("there is nothing to draw", "run `mmbench probe` and `mmbench sweep` first, or name their files")
    if not name:
        console.answer(console.rows([(figure.name, figure.title) for figure in figures], ("name", "figure")))
        return
    fitting = [f for f in figures if f.name == name] or [f for f in figures if f.name.startswith(name)]
    if not fitting:
        known = [f.name for f in figures]
        raise UsageError(f"there is no figure '{name}'", near(name, known, "figures: " + ", ".join(known[:20])))
    from ..reports.figures.svg import file_of
    from ..reports.figures.theme import styled

    assert output is not None
    write_atomic(Path(output), file_of(styled(fitting[0].draw), form, fitting[0].title))
    console.answer(output)
    console.say(f"{fitting[0].name}: {fitting[0].title}")
    if len(fitting) > 1:
        console.say("there are also: " + ", ".join(f.name for f in fitting[1:12]))


def _form(output: str | None) -> str:
    if not output or "\0" in output:
        raise UsageError("a file to write is needed", "such as -o roofline.png")
    form = Path(output).suffix.lower().removeprefix(".")
    if form not in FIGURE_FORMS:
        raise UsageError(f"{output}: a figure cannot be written as '.{form}'", f"forms: {', '.join('.' + f for f in FIGURE_FORMS)}")
    return form
