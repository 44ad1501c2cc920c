"""`mmbench history`: what became of every kernel over the stored runs of one machine, and at which commit a time changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..configs.codec import encode
from ..configs.errors import Exit, MmbenchError, NotPossibleError, StoreError, UsageError
from ..configs.gateplan import GATE
from ..configs.kernel_names import without_origin
from ..configs.runlog import list_runs, read_head
from ..configs.sweeplog import SWEEP
from . import console
from .state import State, json_option, pass_state, results_option
from .sweep_request import listed, refuse_empty

if TYPE_CHECKING:
    from ..reports.history import Answer, Past

_DAYS = re.compile(r"([0-9]{1,5})d")


@click.command()
@click.argument("results_words", nargs=-1, metavar="[RESULTS]...")
@click.option("--machine", metavar="ID", help="The machine whose runs are read (this one).")
@click.option("--reference", metavar="KERNEL", help="Divide by the times of this kernel (naive, where its code never changed).")
@click.option("--since", metavar="DATE", help="Only runs since then: 2026-11-01, or 30d for the last thirty days.")
@click.option("--kernels", multiple=True, metavar="KERNELS", help="Only these kernels or libraries.")
@click.option("-k", "expression", metavar="EXPR", help="Only cells and kernels that match, such as 'bert and not cold'.")
@click.option("--across-versions", is_flag=True, help="Take in runs that another mmbench measured.")
@click.option("--full", is_flag=True, help="Every series and every change.")
@json_option
@results_option
@pass_state
def history(
    state: State,
    results_words: tuple[str, ...],
    machine: str | None,
    reference: str | None,
    since: str | None,
    kernels: tuple[str, ...],
    expression: str | None,
    across_versions: bool,
    full: bool,
    as_json: bool,
) -> int:
    """Show kernels over all stored runs of a machine, and where times changed.

    RESULTS are run files, folders and globs; without any, everything in the results folder. Times are divided by those of a reference
    kernel in the same cell and run, so that drift of the machine cancels. Changes come with the date, the commits, and what else was
    altered there. Advisory: the exit code is 0 whatever is found. See mmbench explain history.
    """
    refuse_empty([("--machine", machine), ("--reference", reference), ("--since", since), ("-k", expression)])
    keeps = _chooser(listed("--kernels", kernels), expression or "")
    earliest = _since(since) if since is not None else ""
    from ..reports.history import history_document

    paths = _paths(results_words, state.settings.results, machine)
    pasts = _pasts(paths, earliest)
    if not pasts:
        raise NotPossibleError(f"no sweep or gate that can be read was started since {since}" if since else "no run can be read")
    document = history_document(pasts, keeps=keeps, reference=reference or "", across=across_versions)
    if not document.series and (kernels or expression):
        raise UsageError("nothing that was asked for has a time in these runs", "see mmbench list runs, and mmbench show RUN")
    if as_json:
        console.answer_json(encode(document))
        return Exit.OK
    from ..reports.history_screen import history_screen

    color, plain = console.wants_color(state.settings), console.wants_ascii(state.settings)
    console.answer(history_screen(document, width=console.width(), color=color, ascii_only=plain, full=full))
    return Exit.OK


def _chooser(kernels: tuple[str, ...], expression: str) -> Callable[[Answer], bool]:
    """Whether an answer was asked for: words of --kernels as `mmbench sweep` takes them, and -k."""
    from fnmatch import fnmatchcase

    from ..kernels.expressions import parse_expression

    fits = parse_expression(expression) if expression else None

    def keeps(answer: Answer) -> bool:
        names = (answer.kernel, without_origin(answer.kernel))
        if kernels and not any(fnmatchcase(name, word) for name in names for word in kernels):
            return False
        return fits is None or fits("\n".join((answer.case.name, answer.origin, answer.case.dtype, answer.kernel)))

    return keeps


def _since(text: str) -> str:
    """The earliest moment, as runs write it; UsageError for what is no date."""
    days = _DAYS.fullmatch(text.strip())
    try:
        moment = datetime.now(UTC) - timedelta(days=int(days[1])) if days else datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise UsageError(f"--since: '{text[:40]}' is no date", "write 2026-11-01, or 30d for the last thirty days") from None
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def _paths(words: tuple[str, ...], results: Path, machine: str | None) -> list[Path]:
    """The run files of one machine. UsageError where files are of several and none was named, NotPossibleError for no run of it."""
    found: dict[str, list[Path]] = {}
    for path, machine_id in _stored(words, results):
        found.setdefault(machine_id, []).append(path)
    if machine is not None:
        chosen = [machine] if machine in found else [name for name in found if name.startswith(machine)]
        if len(chosen) > 1:
            raise UsageError(f"'{machine}' could mean {len(chosen)} machines", ", ".join(sorted(chosen)))
    elif words:
        chosen = list(found)
        if len(chosen) > 1:
            raise UsageError(f"these runs are of {len(chosen)} machines, which have no history in common", f"--machine {chosen[0]}, say")
    else:
        from .machine_file import identified

        machine = identified().id
        chosen = [machine] if machine in found else []
    if not chosen:
        who = f"machine {machine}" if machine else "any machine"
        known = ", ".join(sorted(found)[:8])
        hint = f"stored are runs of {known}: choose one with --machine" if known else "run mmbench sweep now and then, and keep its results"
        raise NotPossibleError(f"no sweep or gate of {who} is stored in {' '.join(words) or results}", hint)
    return found[chosen[0]]


def _stored(words: tuple[str, ...], results: Path) -> list[tuple[Path, str]]:
    """(file, machine id) of the sweeps and gates that the words name; those that cannot be read are told."""
    if not words:
        return [(run.path, run.machine_id) for run in list_runs(results) if not run.problem and run.kind in (SWEEP, GATE)]
    from ..reports.page.evidence import files_of

    found = []
    for path in files_of(list(words), results):
        if path.suffix == ".json":  # a machine file beside its runs
            continue
        try:
            head = read_head(path)
        except MmbenchError as error:
            console.say(f"note: {error.message}")
            continue
        if head.kind in (SWEEP, GATE):
            found.append((path, head.machine_id))
    return found


def _pasts(paths: list[Path], earliest: str) -> list[Past]:
    """What each file holds, from `earliest` on. Damaged lines and files are skipped and told."""
    from ..configs.gatelog import read_gate
    from ..configs.sweeplog import stream_sweep
    from ..kernels.roofline import Roofs
    from ..reports.history import past_of_gate, past_of_sweep
    from ..reports.page.evidence import MOST_ROWS
    from ..reports.sweep_rows import RowMaker

    found = []
    for path in paths:
        try:
            head = read_head(path)
            if head.started_at < earliest:
                continue
            if head.kind == GATE:
                gate = read_gate(path, tolerant=True)
                found.append(past_of_gate(gate))
                torn = gate.torn
            else:
                maker = RowMaker(Roofs.of(None))
                sweep = stream_sweep(path, maker.take, MOST_ROWS)
                found.append(past_of_sweep(sweep, maker.rows()))
                torn = sweep.torn
        except StoreError as error:
            console.say(f"note: {error.message}")
            continue
        for note in torn:
            console.say(f"note: {note}")
    return found
