"""Derive what a gate found from its run file: verdicts, estimates with intervals, controls, noise over time."""

from __future__ import annotations

import math
import shlex
import statistics
from collections import Counter
from dataclasses import asdict, fields, replace
from functools import partial

from ..configs.errors import SchemaError
from ..configs.gatedoc import (
    BROKEN,
    GATE_DOCUMENT_SCHEMA,
    Difference,
    GateControls,
    GateDocument,
    GateFamily,
    GateRow,
    Moment,
    Verdict,
)
from ..configs.gatelog import Gate, promised_of
from ..configs.gateplan import Control, GateBlock, GatePlan, Stage, Tuned
from ..configs.kernel_names import origin_of
from ..kernels.gate.blocks import Block, Cell, State
from ..kernels.gate.controls import Controls, judge_controls
from ..kernels.gate.decide import Finding, decide
from ..kernels.gate.evidence import block_of_visit, cells_of, rules_of, sides_of, times_of
from ..kernels.gate.planning import Noise, noises_of
from ..kernels.gate.pooled import decide_families

ADVISORY = "its threads share CPUs with those of the other side: advisory, it fails nothing"
UNTRUSTED, UNFINISHED, PASSED = "untrusted", "unfinished", "passed"


def gate_document(gate: Gate) -> GateDocument:
    """Everything that is to be said of a gate. SchemaError where its events contradict each other, as those of no gate do."""
    try:
        return _document(gate)
    except (ValueError, OverflowError) as error:
        raise SchemaError(f"{gate.path}: {error}", "the file was damaged or edited: restore it") from None


def _document(gate: Gate) -> GateDocument:
    plan, rules = gate.plan, rules_of(gate.plan)
    every = cells_of(gate)
    own, same, planted = ([every[i] for i in _places(plan, control)] for control in (Control.NONE, Control.SAME, Control.PLANTED))
    noises = _noises([*own, *same, *planted])
    binding = [cell for cell, place in zip(own, _places(plan, Control.NONE), strict=True) if plan.cells[place].case.threads == 1]
    advisory = [cell for cell in own if cell not in binding]
    findings = {f.cell: f for cells in (binding, advisory) for f in (decide(cells, rules, noises) if cells else ())}
    for cells in (same, planted):
        findings.update((f.cell, f) for f in decide(cells, rules, noises))
    row = partial(_row, gate, findings, noises)
    rows = tuple(row(place, cell) for place, cell in zip(_places(plan, Control.NONE), own, strict=True))
    control_rows = [row(place, cell) for place, cell in zip(_places(plan, Control.SAME), same, strict=True)]
    control_rows += [row(place, cell) for place, cell in zip(_places(plan, Control.PLANTED), planted, strict=True)]
    judged = judge_controls(same, planted, binding or own, rules)
    controls = _controls(gate, judged)
    families = tuple(GateFamily(**asdict(f)) for f in decide_families(binding, rules))
    return replace(
        _asked(gate),
        outcome=outcome_of(rows, families, controls, gate.finished),
        discarded=judged.discarded,
        rows=rows,
        control_rows=tuple(control_rows),
        families=families,
        controls=controls,
    )


def _asked(gate: Gate) -> GateDocument:
    """What a gate was asked for and how it went, without what it found."""
    plan = gate.plan
    end = gate.ends[-1] if gate.ends else None
    parts_s: Counter[str] = Counter()
    for each in gate.ends:
        parts_s.update(each.parts_s)
    return GateDocument(
        GATE_DOCUMENT_SCHEMA,
        gate.run.id,
        gate.run.machine_id,
        gate.run.started_at,
        plan.old,
        plan.new,
        file=str(gate.path),
        finished=gate.finished,
        end_reason=end.reason if end else "it was cut off: the process ended without a word",
        wall_s=sum(e.wall_s for e in gate.ends) if gate.ends else math.nan,
        parts_s=dict(parts_s),
        preset=plan.preset,
        seed=plan.seed,
        margin=plan.margin,
        detect=plan.detect,
        alpha=plan.alpha,
        power=plan.power,
        time_budget_s=plan.time_budget_s,
        promise=gate.promises[-1].sentence if gate.promises else "",
        moments=_moments(gate),
        differences=differences_of(gate),
        command=command_of(gate),
        notes=tuple(dict.fromkeys((*plan.notes, *gate.notes, *gate.torn))),
        settings=gate.run.settings,
        versions=gate.run.versions,
    )


def _controls(gate: Gate, judged: Controls) -> GateControls:
    """What they said; nothing of a power that no planted cell can tell, and no distrust before there is a block."""
    return GateControls(
        judged.same,
        judged.same_hits,
        judged.planted,
        gate.plan.planted if judged.planted else math.nan,
        judged.planted_found,
        *(judged.power if judged.planted else (math.nan, math.nan)),
        judged.discarded,
        judged.untrusted if gate.blocks else (),
        judged.notes,
    )


def outcome_of(rows: tuple[GateRow, ...], families: tuple[GateFamily, ...], controls: GateControls, finished: bool) -> str:
    """One word for all: the gravest thing that is to be said. A run that cannot be trusted is that before anything else."""
    if controls.untrusted:
        return UNTRUSTED
    found = {row.verdict for row in rows if not row.advisory} | {f.verdict for f in families if f.verdict is Verdict.REGRESSION}
    for verdict in (Verdict.REGRESSION, Verdict.WRONG, Verdict.CRASHED, Verdict.TIMEOUT, Verdict.DELETED, Verdict.MISSING):
        if verdict in found:
            return verdict.value
    if not finished:
        return UNFINISHED
    return Verdict.INCONCLUSIVE.value if Verdict.INCONCLUSIVE in found else PASSED


def _places(plan: GatePlan, control: Control) -> list[int]:
    return [i for i, cell in enumerate(plan.cells) if cell.control is control]


def _noises(cells: list[Cell]) -> dict[str, Noise]:
    """The noise of each timed cell by its screening blocks; empty where there are too few to tell."""
    timed = [cell for cell in cells if cell.state is State.TIMED]
    counted = [[b.difference for b in cell.screen if not b.dropped] for cell in timed]
    try:
        return dict(zip((cell.name for cell in timed), noises_of(counted, [0.0] * len(timed)), strict=True))
    except ValueError:
        return {}


def _row(gate: Gate, findings: dict[str, Finding], noises: dict[str, Noise], place: int, cell: Cell) -> GateRow:
    plan = gate.plan
    planned = plan.cells[place]
    finding = findings[cell.name]
    visits = [v for v in gate.blocks if v.cell == place and v.stage is not Stage.PILOT]
    judged_on = cell.confirm if finding.confirmed_on else cell.screen
    counted: list[Block] = [block for block in judged_on if not block.dropped]
    old_s, new_s = times_of(visits)
    tuned = {t.cell: t for t in gate.tuned}.get(place, Tuned(place, 0, 0, 0, math.nan))
    noise = noises.get(cell.name)
    broken = finding.verdict in BROKEN
    return GateRow(
        cell.name,
        planned.case.id,
        planned.case,
        planned.contest,
        finding.verdict,
        planned.origin,
        planned.family,
        planned.control,
        *((math.nan,) * 5 if broken else (finding.change, finding.low, finding.high, finding.p, finding.needed)),
        blocks=finding.blocks,
        confirmed_on=finding.confirmed_on,
        dropped=finding.dropped,
        promised=promised_of(gate, place),
        smallest=finding.smallest or math.nan,
        could_hide=finding.could_hide,
        why=finding.why,
        old_s=old_s,
        new_s=new_s,
        noise=noise.sigma if noise else math.nan,
        calls=tuned.calls,
        units=tuned.units,
        spoiled=tuned.spoiled,
        handoff=tuned.handoff,
        advisory=planned.case.threads > 1,
        differences=tuple(block.difference for block in counted),
        launches=tuple(block.launch for block in counted),
        orders=tuple(block.order.value for block in counted),
        command=command_of(gate, place),
    )


def _moments(gate: Gate) -> tuple[Moment, ...]:
    """The noise of every launch that counted."""
    visits: dict[int, list[GateBlock]] = {}
    for visit in gate.blocks:
        visits.setdefault(visit.launch, []).append(visit)
    found = []
    for launch in gate.launches:
        mine = visits.get(launch.launch, [])
        marks = Counter(word for v in mine for mark in (*v.marks, v.dropped) for word in mark.split("+") if word)
        spreads = [spread for v in mine if (spread := _spread(v)) > 0]
        dropped = sum(bool(block_of_visit(v).dropped) for v in mine)
        at_s = min((v.at_s for v in mine), default=math.nan)
        spread = statistics.median(spreads) if spreads else math.nan
        found.append(Moment(launch.launch, launch.stage.value, at_s, spread, len(mine), dropped, dict(marks)))
    return tuple(found)


def _spread(visit: GateBlock) -> float:
    """The interquartile range of a visit's times, each over the median of its side: noise within a launch, not the sides' difference."""
    found: list[float] = []
    for times in sides_of(visit):
        usual = [t for t in times if t > 0 and math.isfinite(t)]
        middle = statistics.median(usual) if usual else 1.0
        found += [t / middle for t in usual]
    if len(found) < 4:
        return 0.0
    low, _, high = statistics.quantiles(found, n=4)
    return high - low


def differences_of(gate: Gate) -> tuple[Difference, ...]:
    """In what the sides differ: versions of packages and libraries, cores that were chosen, files, overrides."""
    plan = gate.plan
    found = []
    origins = {origin_of(entrant.kernel) for contest in plan.contests for entrant in (contest.old, contest.new)}
    for name in sorted({*plan.old.packages, *plan.new.packages}):
        old, new = plan.old.packages.get(name, "absent"), plan.new.packages.get(name, "absent")
        if old != new and ("absent" not in (old, new) or name in origins):  # what one side lacks and nothing uses sets nothing apart
            found.append(Difference(f"package {name}", old, new))
    opened = {(o.contest, o.side): o.opened for o in gate.opened}
    for contest in plan.contests:
        old_side, new_side = opened.get((contest.name, "old")), opened.get((contest.name, "new"))
        if contest.old.kernel != contest.new.kernel:
            found.append(Difference(f"{contest.name}: kernel", contest.old.kernel, contest.new.kernel))
        if old_side is None or new_side is None:
            continue
        for what in ("version", "core", "threading", "size_bytes"):
            old, new = str(getattr(old_side, what) or ""), str(getattr(new_side, what) or "")
            if old != new:
                found.append(Difference(f"{contest.name}: {what.replace('_bytes', ' in bytes')}", old or "unknown", new or "unknown"))
        old, new = ", ".join(old_side.overrides) or "none", ", ".join(new_side.overrides) or "none"
        if old != new:
            found.append(Difference(f"{contest.name}: overrides", old, new))
        old, new = (side.files[0] if side.files else "" for side in (old_side, new_side))
        if old != new:
            found.append(Difference(f"{contest.name}: file", old, new))
    return tuple(found)


# What a whole run was asked for, by the names of its settings, and the options that say it.
_ASKED = {
    "preset": "--preset",
    "shapes": "--shapes",
    "dtypes": "--dtypes",
    "threads": "--threads",
    "layouts": "--layouts",
    "epilogues": "--epilogues",
    "temperature": "--temperature",
    "expression": "-k",
}
_USUAL = {field.name: field.default for field in fields(GatePlan) if field.name in ("margin", "detect", "alpha", "power")}


def command_of(gate: Gate, place: int | None = None) -> str:
    """The command that runs this gate again, or one cell of it; its cells are chosen by what was asked for then."""
    plan, settings = gate.plan, gate.run.settings
    words = ["mmbench", "sweep", "--against", plan.old.word, "--seed", str(plan.seed)]
    for each in str(settings.get("library", "")).split(","):
        words += ["--library", each] if each else []
    words += [
        word for name, usual in _USUAL.items() if (share := getattr(plan, name)) != usual for word in (f"--{name}", f"{100 * share:g}%")
    ]
    if place is None:
        words += ["--kernels", str(settings["kernels"])] if settings.get("kernels") else []
        words += [word for name, option in _ASKED.items() if settings.get(name) for word in (option, str(settings[name]))]
        return shlex.join(words)
    cell = plan.cells[place]
    case = cell.case
    words += ["--kernels", cell.contest, "--shapes", case.shape, "--dtypes", case.dtype, "--threads", str(case.threads)]
    words += ["--epilogues", case.epilogue] if case.epilogue else []
    words += ["--temperature", case.temperature]
    return shlex.join(words)
