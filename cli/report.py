"""`mmbench report`: turn result files into one page, or into tables and figures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..configs.errors import Exit, UsageError
from ..configs.files import write_atomic
from . import console
from .figure_files import FIGURE_FORMS, write_figures
from .outputs import check_output
from .state import State, pass_state, results_option

if TYPE_CHECKING:
    from ..reports.page.blocks import Section
    from ..reports.page.evidence import Evidence
    from ..reports.page.html import Page

FORMATS = ("html", "md", "csv", "json")
_DEFAULT = "mmbench-report.html"
_SUFFIXES = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".csv": "csv", ".json": "json"}


@click.command()
@click.argument("results_words", nargs=-1, metavar="[RESULTS]...")
@click.option("-o", "--output", metavar="FILE", help=f"Write there ({_DEFAULT} for a page; other formats go to standard output).")
@click.option("--format", "form", type=click.Choice(FORMATS), help="By default what FILE ends in, else html.")
@click.option("--figures", metavar="DIR", help=f"Write every figure there, too, as {', '.join(FIGURE_FORMS)}.")
@click.option("--title", metavar="TEXT", help="The page's title.")
@click.option("--section", "sections", multiple=True, metavar="NAME", help="Only this section, and others named so.")
@click.option(
    "--strict", is_flag=True, help="Exit with 3 where a result is above its roof, a file had to be skipped or a gate is untrusted."
)
@results_option
@pass_state
def report(
    state: State,
    results_words: tuple[str, ...],
    output: str | None,
    form: str | None,
    figures: str | None,
    title: str | None,
    sections: tuple[str, ...],
    strict: bool,
) -> int:
    """Make one offline page of rooflines, chips, kernels and comparisons.

    RESULTS are machine files, run files, folders and globs; without any, everything in the results folder. Damaged files and lines are
    skipped and named on the page.
    """
    form = form or _form_of(output or "")
    target = _target(output, form)
    folder = _folder(figures)
    from ..reports.page.evidence import files_of, gather
    from ..reports.page.registry import sections_of

    if target is not None:
        check_output(target, "--output", files_of(list(results_words), state.settings.results))
    evidence = gather(results_words, state.settings.results)
    made = sections_of(evidence, sections)
    drawn = write_figures(made, folder) if folder is not None else 0
    content = _content(form, evidence, made, _page(evidence, results_words, title), folder, target)
    if target is None:
        console.answer(content.decode("utf-8"))
    else:
        write_atomic(target, content)
        (console.answer if target.is_file() else console.say)(str(target))  # a pipe or /dev/stdout may be read by the same reader
    _tell(evidence, folder, drawn)
    return Exit.INCONCLUSIVE if strict and _doubtful(evidence) else Exit.OK


def _form_of(output: str) -> str:
    """The format that the name ends in; that of a page where it ends in none."""
    suffix = Path(output).suffix.lower()
    if suffix and suffix not in _SUFFIXES:
        known = ", ".join(f".{form}" for form in FORMATS)
        raise UsageError(f"--output: a report cannot be written as '{suffix}'", f"endings: {known}; or choose one with --format")
    return _SUFFIXES.get(suffix, "html")


def _target(output: str | None, form: str) -> Path | None:
    """The file to write; None for standard output."""
    if output == "-" or (output is None and form != "html"):
        return None
    path = Path(output if output is not None else _DEFAULT)
    if output == "" or "\0" in str(path):
        raise UsageError(f"--output: {str(path)!r} is not a file name")
    if os.path.isdir(path):  # noqa: PTH112 - no error for any name
        raise UsageError(f"--output: {path} is a folder", "name a file in it")
    return path


def _folder(figures: str | None) -> Path | None:
    if figures is None:
        return None
    if not figures or "\0" in figures:
        raise UsageError(f"--figures: {figures!r} is not a folder name")
    path = Path(figures)
    if path.exists() and not path.is_dir():
        raise UsageError(f"--figures: {path} is a file", "name a folder")
    return path


def _page(evidence: Evidence, words: tuple[str, ...], title: str | None) -> Page:
    from ..reports.cells import plural
    from ..reports.page.blocks import plain
    from ..reports.page.html import Page

    labels = [subject.label for subject in evidence.subjects]
    labels = labels or list(dict.fromkeys(plain(gate.machine_id, 60) for gate in evidence.gates))
    several = plural(len(labels), "machine") if labels else "Nothing measured yet"
    shown = title or (" and ".join(labels) if 0 < len(labels) <= 2 else several)
    rows = sum(len(subject.rows) for subject in evidence.subjects)
    sweeps = sum(len(subject.sweeps) for subject in evidence.subjects)
    started = [sweep.started_at for subject in evidence.subjects for sweep in subject.sweeps]
    newest = max([*started, *(gate.started_at for gate in evidence.gates)], default="")
    probed = max((s.machine.probed_at for s in evidence.probed if s.machine is not None), default="")
    parts = [f"{plural(rows, 'result')} of {plural(sweeps, 'sweep')}"] if sweeps else []
    parts += [plural(len(evidence.gates), "gate")] if evidence.gates else []
    parts += [f"the newest of {plain(newest, 24)}"] if newest else []
    parts += [f"probed {plain(probed, 24)}"] if probed else []
    return Page(plain(shown, 160), " · ".join(parts), " ".join(["mmbench report", *(plain(word, 120) for word in words)]))


def _content(form: str, evidence: Evidence, made: list[Section], page: Page, folder: Path | None, target: Path | None) -> bytes:
    if form == "html":
        from ..reports.page.html import page_html

        text = page_html(page, made).rstrip("\n") + "\n"
    elif form == "md":
        from ..reports.page.markdown import page_markdown

        text = page_markdown(page, made, _seen_from(folder, target))
    else:
        from ..reports.page.document import report_csv, report_json

        text = report_csv(evidence) if form == "csv" else report_json(evidence, made)
    return text.encode("utf-8", errors="backslashreplace")


def _seen_from(folder: Path | None, target: Path | None) -> str:
    """The folder of the figures as a link in the document, where it lies beside or below it."""
    if folder is None:
        return ""
    try:
        return folder.resolve().relative_to((target or Path("x")).resolve().parent).as_posix()
    except ValueError:
        return folder.resolve().as_posix()


def _tell(evidence: Evidence, folder: Path | None, drawn: int) -> None:
    if folder is not None:
        console.say(f"{drawn} files of figures in {folder}")
    if evidence.skipped:
        first = evidence.skipped[0]
        more = f" (and {len(evidence.skipped) - 1} more)" if len(evidence.skipped) > 1 else ""
        console.say(f"skipped: {first.place}: {first.reason}{more}")
    if not evidence.subjects and not evidence.gates:
        console.say("nothing to report yet: run `mmbench probe` and `mmbench sweep` first, or name other files")


def _doubtful(evidence: Evidence) -> bool:
    """Whether something on the page contradicts itself, is missing or deserves no trust: a rate above its roof is an error."""
    from ..reports.page.rows import is_above

    if evidence.skipped or any(gate.controls.untrusted for gate in evidence.gates):
        return True
    return any(is_above(row) for subject in evidence.subjects for row in subject.rows)
