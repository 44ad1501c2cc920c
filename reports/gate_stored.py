"""Hold a new sweep against a stored one of the same machine: a gate's document, which says by how much weaker its verdicts are.

Both runs have to be of one fingerprint and one mmbench; anything else is no baseline at all. How cells are judged: `kernels.gate.stored`.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from ..configs.cases import Case, Status
from ..configs.errors import NotPossibleError
from ..configs.gatedoc import BROKEN, GATE_DOCUMENT_SCHEMA, Difference, GateControls, GateDocument, GateRow
from ..configs.gateplan import Side
from ..configs.machine import Machine
from ..configs.runs import Run
from ..configs.sweepdoc import SweepRow
from ..configs.sweeplog import Sweep
from ..kernels.gate.blocks import State
from ..kernels.gate.decide import Finding
from ..kernels.gate.stored import Drift, StoredCell, StoredRules, decide_stored
from ..kernels.roofline import Roofs
from .cells import plural
from .gate_rows import outcome_of
from .sweep_rows import RowMaker, document_of

_FAILED = {Status.WRONG: State.WRONG, Status.CRASHED: State.CRASHED, Status.TIMEOUT: State.TIMEOUT}
_ENDS_TO_SD = 2 * 1.959964  # the width of a 95 % interval over its standard deviation
_USUAL_RULES = StoredRules()
# What the machine id is a hash of (`probes.topology.fingerprint`), in words.
_IDENTITY = {
    "arch": "architecture",
    "vendor": "vendor",
    "family": "family",
    "model": "model",
    "stepping": "stepping",
    "hypervisor": "hypervisor",
    "threads_per_core": "threads a core",
    "isa_words": "instruction sets",
}

BASELINE = "baseline "  # how the word of a run that was kept under a name begins


def stored_gate_document(
    old: Sweep,
    new: Sweep,
    *,
    word: str = "",
    rules: StoredRules = _USUAL_RULES,
    machines: tuple[Machine | None, Machine | None] = (None, None),
) -> GateDocument:
    """The verdicts on a new sweep against a stored one. `word` is what was asked for (`run:FILE`), `machines` those of both sides where
    they are known. NotPossibleError where the two cannot be compared."""
    check_comparable(old.run, new.run.machine_id, new.run.versions.get("mmbench", ""), machines)
    pairs = _pairs(old, new)
    held = [pair for pair in pairs if pair.held]
    drift, findings = decide_stored([pair.cell for pair in held], rules)
    word = word or f"run:{old.path}"
    rows = tuple(_row(pair, finding, drift, word, new) for pair, finding in zip(held, findings, strict=True))
    end = new.ends[-1] if new.ends else None
    return GateDocument(
        GATE_DOCUMENT_SCHEMA,
        new.run.id,
        new.run.machine_id,
        new.run.started_at,
        Side(word, "run", place=str(old.path), packages=_packages(old)),
        Side("here", packages=_packages(new)),
        file=str(new.path),
        outcome=outcome_of(rows, (), GateControls(), new.finished),
        weak=weakness(old.run, new.run, drift),
        finished=new.finished,
        end_reason=end.reason if end else "it was cut off: the process ended without a word",
        wall_s=sum(e.wall_s for e in new.ends) if new.ends else math.nan,
        preset=new.plan.preset,
        seed=new.plan.seed,
        margin=rules.margin,
        detect=rules.detect,
        alpha=rules.alpha,
        power=rules.power,
        time_budget_s=new.plan.time_budget_s,
        rows=rows,
        differences=_differences(old, new),
        command=_command(word, new),
        notes=_notes(old, new, pairs, drift),
        settings=new.run.settings,
        versions=new.run.versions,
    )


def check_comparable(old: Run, machine_id: str, version: str, machines: tuple[Machine | None, Machine | None] = (None, None)) -> None:
    """NotPossibleError, which names what differs, where a stored run is no baseline for a sweep of this machine by this mmbench."""
    if old.machine_id != machine_id:
        apart = "; ".join(_apart(*machines)) or "no machine file of both says in what they differ"
        message = f"run {old.id} is of {old.machine_id}, and this is {machine_id}: {apart}"
        raise NotPossibleError(message, "a stored run is a baseline for its own machine only: measure one here with --save-baseline")
    measured = old.versions.get("mmbench", "")
    if measured != version:
        message = f"run {old.id} was measured by mmbench {measured or 'of unknown version'}, and this is {version or 'of unknown version'}"
        raise NotPossibleError(message, "times of different versions never mix: measure the baseline anew")


def _apart(old: Machine | None, new: Machine | None) -> list[str]:
    """In what two fingerprints differ: `stepping 4 there, 7 here`."""
    if old is None or new is None:
        return []
    found = []
    for name, words in _IDENTITY.items():
        then, now = (str(m.identity[name].value) if name in m.identity else "unknown" for m in (old, new))
        if then != now:
            found.append(f"{words} differ" if name == "isa_words" else f"{words} {then} there, {now} here")
    then_cpus, now_cpus = (m.topology.threads.value if m.topology else None for m in (old, new))
    if then_cpus != now_cpus:
        found.append(f"{then_cpus} CPUs there, {now_cpus} here")
    if {(c.level, c.kind, c.size_bytes) for c in old.cache_claims} != {(c.level, c.kind, c.size_bytes) for c in new.cache_claims}:
        found.append("caches differ")
    return found


@dataclass(frozen=True, slots=True)
class _Pair:
    """One cell of either run. `held`: the old side has something to hold it against, or it has no result."""

    case: Case
    kernel: str
    origin: str
    old: SweepRow | None
    new: SweepRow | None
    cell: StoredCell
    held: bool


def _pairs(old: Sweep, new: Sweep) -> list[_Pair]:
    """Every cell in which either run has a row or the new one was to have one."""
    before, after = _rows(old), _rows(new)
    skipped = {(new.plan.cells[i].case.id, skip.kernel) for skip in new.plan.skips for i in skip.cells}
    planned = {(c.case.id, e.kernel): c for c in new.plan.cells for e in new.plan.entrants}
    planned = {key: cell for key, cell in planned.items() if key not in skipped}
    origins = {cell.case.id: cell.origin for cell in new.plan.cells}
    pairs = []
    for key in dict.fromkeys((*before, *planned, *after)):
        old_row, new_row = before.get(key), after.get(key)
        row = new_row or old_row
        case = row.case if row is not None else planned[key].case
        cell = _cell(f"{key[1]} {case.name}", case, old_row, new_row, key in planned)
        held = cell.state is not State.TIMED or (old_row is not None and old_row.timed)
        if cell.state is State.DELETED and not (old_row is not None and old_row.timed):
            continue  # neither run has anything to say of it
        pairs.append(_Pair(case, key[1], (row.origin if row is not None else "") or origins.get(key[0], ""), old_row, new_row, cell, held))
    return pairs


def _rows(sweep: Sweep) -> dict[tuple[str, str], SweepRow]:
    maker = RowMaker(Roofs.of(None))
    for row in sweep.rows:
        maker.take(row)
    return {(row.case_id, row.kernel): row for row in document_of(sweep, maker).rows}


def _cell(name: str, case: Case, old: SweepRow | None, new: SweepRow | None, planned: bool) -> StoredCell:
    """What the decision sees of a cell."""
    if new is None:
        state, note = (State.MISSING, "planned, and never timed") if planned else (State.DELETED, "the new run did not ask for it")
        return StoredCell(name, case.dtype, state, note=note)
    if new.status in _FAILED:
        return StoredCell(name, case.dtype, _FAILED[new.status], note=new.reason)
    if new.status is Status.SKIPPED:
        return StoredCell(name, case.dtype, State.DELETED, note=f"the new side declines it: {new.reason}")
    if not new.timed:
        return StoredCell(name, case.dtype, State.MISSING, note="the new run has no usable time of it")
    if old is None or not old.timed:
        return StoredCell(name, case.dtype, note="the old run has no time of it")
    if old.timed_by != new.timed_by:
        return StoredCell(name, case.dtype, note=f"timed by {old.timed_by} then and by {new.timed_by} now")
    same = bool(new.code_sha) and (old.code_sha, old.version) == (new.code_sha, new.version)
    return StoredCell(name, case.dtype, State.TIMED, math.log(new.time_s / old.time_s), math.hypot(_sd(old), _sd(new)), same)


def _sd(row: SweepRow) -> float:
    """Standard deviation of the log of a time by the interval of its run; NaN without one."""
    if not (0 < row.low_s <= row.high_s < math.inf):
        return math.nan
    return math.log(row.high_s / row.low_s) / _ENDS_TO_SD


def _row(pair: _Pair, finding: Finding, drift: Drift | None, word: str, new: Sweep) -> GateRow:
    judged = finding.verdict not in BROKEN and drift is not None and pair.cell.usable
    return GateRow(
        pair.cell.name,
        pair.case.id,
        pair.case,
        pair.kernel,
        finding.verdict,
        pair.origin,
        pair.case.dtype,
        change=finding.change if judged else math.nan,
        low=finding.low if judged else math.nan,
        high=finding.high if judged else math.nan,
        p=finding.p if judged else math.nan,
        needed=finding.needed if judged else math.nan,
        smallest=finding.smallest if judged and finding.smallest else math.nan,
        could_hide=finding.could_hide,
        why=finding.why,
        old_s=pair.old.time_s if pair.old is not None else math.nan,
        new_s=pair.new.time_s if pair.new is not None else math.nan,
        noise=math.expm1(math.hypot(pair.cell.sd, drift.slower)) if judged and drift is not None else math.nan,
        differences=(pair.cell.difference - drift.shift,) if judged and drift is not None else (),
        command=_command(word, new, pair),
    )


def weakness(old: Run, new: Run, drift: Drift | None) -> str:
    """Why such verdicts are worth less, in a sentence or two."""
    start = f"The old side is a stored run of {old.started_at[:16]}, not run again beside the new one of {new.started_at[:16]}."
    if drift is None:
        return f"{start} Too few cells are in both to tell the machine's drift from a change."
    whose = (
        f"the {drift.cells} cells whose machine code is the same in both"
        if drift.by_code
        else f"all {drift.cells} cells, most of which must not have changed: what all of them share cannot be told from the machine"
    )
    return f"{start} The machine's drift is taken from {whose}."


def _notes(old: Sweep, new: Sweep, pairs: Iterable[_Pair], drift: Drift | None) -> tuple[str, ...]:
    notes = []
    if drift is not None:
        shift, error = (100 * math.expm1(x) for x in (drift.shift, 2 * drift.error))
        notes.append(f"taken for the machine, and divided out of every cell: {shift:+.1f} % of time (±{error:.1f} %)")
    fresh = sum(not pair.held for pair in pairs)
    if fresh:
        notes.append(f"{plural(fresh, 'cell')} of the new run {'has' if fresh == 1 else 'have'} nothing to be held against in the old one")
    if not old.finished:
        notes.append("the old run was not finished")
    return tuple(dict.fromkeys((*notes, *new.plan.notes, *new.notes, *old.torn, *new.torn)))


def _packages(sweep: Sweep) -> dict[str, str]:
    return {e.kernel: e.package_version for e in sweep.plan.entrants if e.package_version}


def _differences(old: Sweep, new: Sweep) -> tuple[Difference, ...]:
    """In what the runs differ besides their times: packages, versions, code, the commit."""
    facts: tuple[tuple[str, dict[str, str], dict[str, str]], ...] = (
        ("package", _packages(old), _packages(new)),
        ("library", _libraries(old), _libraries(new)),
        ("kernel", _kernels(old), _kernels(new)),
        ("run's", old.run.versions, new.run.versions),
    )
    return tuple(
        Difference(f"{what} {name}", then.get(name, "absent"), now.get(name, "absent"))
        for what, then, now in facts
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    )


def _libraries(sweep: Sweep) -> dict[str, str]:
    return {info.kernel: info.version for info in sweep.opened if info.version}


def _kernels(sweep: Sweep) -> dict[str, str]:
    return {e.kernel: e.version for e in sweep.plan.entrants}


def _command(word: str, new: Sweep, pair: _Pair | None = None) -> str:
    """The command that measures this again, or one cell of it."""
    old = ["--baseline", word.removeprefix(BASELINE)] if word.startswith(BASELINE) else ["--against", word]
    words = ["mmbench", "sweep", *old, "--seed", str(new.plan.seed)]
    if pair is None:
        return shlex.join([*words, *(["--preset", new.plan.preset] if new.plan.preset else [])])
    case = pair.case
    words += ["--kernels", pair.kernel, "--shapes", case.shape, "--dtypes", case.dtype, "--threads", str(case.threads)]
    words += ["--epilogues", case.epilogue] if case.epilogue else []
    return shlex.join([*words, "--temperature", case.temperature])
