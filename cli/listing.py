"""List what there is: probes, kernels, libraries, data types, presets, targets, instruction sets, chips, stored machines and runs."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..configs.codec import encode
from ..configs.gateplan import GATE
from ..configs.kernel_names import origin_of, without_origin
from ..configs.store import list_machines, list_runs
from ..configs.sweeplog import SWEEP, Outline, outline
from ..configs.units import size_words
from . import console
from .state import State, json_option, pass_state, results_option
from .words import not_known

if TYPE_CHECKING:
    from ..configs.plan import Entrant

LIST_SCHEMA = 1
MOST_JUDGED = 8  # gates of a list, the newest: working out what came of one takes a second
Rows = list[dict[str, Any]]


def _probes(_results: Path) -> Rows:
    from ..probes.context import Effort
    from ..probes.registry import all_probes

    return [
        {
            "name": p.name,
            "version": p.version,
            "needs": list(p.needs),
            **{f"{effort.value}_s": p.estimate_s(effort) for effort in Effort},
            "seconds": "/".join(f"{p.estimate_s(effort):g}" for effort in Effort),
            "summary": p.summary,
        }
        for p in all_probes()
    ]


def _targets(_results: Path) -> Rows:
    from ..kernels.emit.target import Target, known_targets

    host = Target.host()
    rows: Rows = [{"name": "host", "arch": host.arch, "cpu": host.cpu, "triple": host.triple}]
    for name in known_targets():
        target = Target.named(name)
        rows.append({"name": name, "arch": target.arch, "cpu": target.cpu, "triple": target.triple})
    return rows


def _isas(_results: Path) -> Rows:
    from ..kernels.emit.isa.registry import all_units

    return [
        {
            "name": row.name,
            "arch": row.arch,
            "bits": "any" if row.scalable else row.width_bits,
            "operations": list(dict.fromkeys(i.op for i in row.instructions)),
            "dtypes": list(dict.fromkeys(i.dtype for i in row.instructions)),
            "instructions": list(dict.fromkeys(i.name for i in row.instructions)),
            "source": row.source,
        }
        for row in all_units()
    ]


def _chips(_results: Path) -> Rows:
    from ..configs.chips import load_chips

    return [
        {"name": chip.key, "title": chip.title, "vendor": chip.vendor, "arch": chip.arch, "core": chip.core, "known as": list(chip.names)}
        for chip in load_chips()
    ]


def _machines(results: Path) -> Rows:
    return [{**encode(m), "path": str(m.path)} for m in list_machines(results)]


def _runs(results: Path) -> Rows:
    rows = []
    judged = 0
    for run in list_runs(results):
        row: dict[str, Any] = {**encode(run), "path": str(run.path), "about": ""}
        if run.kind == SWEEP and not run.problem:
            found = outline(run.path)
            row |= {**encode(found), "about": _outline_words(found)}
        if run.kind == GATE and not run.problem:
            row |= _gate_row(run.path, judge=judged < MOST_JUDGED)
            judged += 1
        rows.append({**row, "about": run.problem or row["about"]})
    return rows


def _gate_row(path: Path, *, judge: bool) -> dict[str, Any]:
    """What a list says of a gate: its outline, and its outcome ("" where it was not judged, or cannot be read)."""
    from ..configs.errors import MmbenchError
    from ..configs.gatelog import gate_outline, read_gate

    found = gate_outline(path)
    if not found.cells:
        return {**encode(found), "outcome": "", "about": "unfinished: it ended before its plan was written"}
    outcome = problem = ""
    if judge:
        from ..reports.gate_rows import gate_document

        try:
            outcome = gate_document(read_gate(path)).outcome
        except MmbenchError as error:
            problem = error.message
    counted = f"{found.cells} cell{'s' if found.cells != 1 else ''}"
    end = [] if found.finished or outcome == "unfinished" else ["unfinished"]
    parts = [f"preset {found.preset}" if found.preset else "", counted, outcome, *end]
    return {**encode(found), "outcome": outcome, "about": problem or ", ".join(filter(None, parts))}


def _outline_words(found: Outline) -> str:
    """`preset quick, 14 cells, 92 rows`, and whether it was cut off."""
    if not found.cells:
        return "unfinished: it ended before its plan was written"
    counts = [f"{count} {what}{'s' if count != 1 else ''}" for count, what in ((found.cells, "cell"), (found.rows, "row"))]
    return ", ".join([*([f"preset {found.preset}"] if found.preset else []), *counts, *([] if found.finished else ["unfinished"])])


def _kernels(_results: Path) -> Rows:
    from ..kernels.entrants import find_entrants
    from ..kernels.registry import own_kernels
    from ..kernels.vendor.library import libraries

    sources = {**{name: k.source for name, k in own_kernels().items()}, **{name: lib.source for name, lib in libraries().items()}}
    entrants, _ = find_entrants(frameworks=True, every_copy=True)
    return [
        {
            "name": e.kernel,
            "kind": e.kind,
            "version": e.version,
            "title": e.title,
            "source": sources[e.library],
            "path": e.path,
            "library_version": (stated := _stated(e)),
            "package_version": e.package_version,
            "title and version": _with_versions(e, stated),
        }
        for e in entrants
    ]


def _stated(entrant: Entrant) -> str:
    """The library's own version, where its file says it; "" for kernels of our own, whose `version` counts changes of the kernel."""
    from ..kernels.vendor.library import Found, libraries

    found = Found(entrant.library, "", entrant.path, entrant.package_version)
    return libraries()[entrant.library].stated(found) if entrant.path else ""


def _with_versions(entrant: Entrant, stated: str) -> str:
    """`OpenBLAS (0.3.31, of numpy 2.4.6)`: the version of a package is not that of the library in it."""
    parts = [stated, f"of {origin_of(entrant.kernel)} {entrant.package_version}" if entrant.package_version else ""]
    versions = ", ".join(part for part in parts if part)
    return entrant.title + (f" ({versions})" if versions else "")


def _vendors(_results: Path) -> Rows:
    from ..kernels.entrants import copies_of
    from ..kernels.vendor.environment import overrides
    from ..kernels.vendor.library import libraries

    rows: Rows = []
    for library in libraries().values():
        copies, why = copies_of(library)
        about: dict[str, Any] = {"title": library.title, "kind": library.kind, "licence": library.licence, "bring": library.bring}
        about["platforms"] = list(library.platforms)
        for found in copies:
            files, size = library.on_disk(found)
            row = {"name": found.spec, "state": "found", "version": found.package_version, "path": found.path, **about}
            row |= {"where": found.path or "imported from Python", "size_bytes": size, "files": list(files)}
            rows.append({**row, "overrides": overrides(library.prefixes)})
        if not copies:
            bring = f"to bring it: {library.bring}" if why == "not installed" else f"there: {library.bring}"
            row = {"name": library.name, "state": "absent", "reason": why, **about}
            rows.append({**row, "where": f"{why}; {bring}" if library.bring else why})
    return rows


def _shapes(_results: Path) -> Rows:
    from ..configs.shape_sets import shape_sets

    return [
        {
            "name": s.name,
            "shapes": len({n.shape for n in s.shapes}),
            "tags": list(s.tags),
            "title": s.title,
            "source": s.source,
            "title and tags": f"{s.title}: {', '.join(s.tags)}" if s.tags else s.title,
        }
        for s in shape_sets().values()
    ]


def _presets(_results: Path) -> Rows:
    from ..configs.profiles import load_profile, profile_names
    from ..configs.units import duration_words
    from ..kernels.host import Host
    from ..kernels.measure.affinity import allowed_cpus
    from ..kernels.plan import possible_cells

    cpus = allowed_cpus()
    host = Host.of(None, cpus)
    return [
        {
            "name": name,
            "cells": len(possible_cells(profile.cells(len(cpus)), host)),
            "budget": duration_words(profile.time_budget_s) if profile.time_budget_s else "none",
            "summary": profile.summary,
            "path": profile.path,
        }
        for name, profile in ((name, load_profile(name)) for name in profile_names())
    ]


def _dtypes(_results: Path) -> Rows:
    from ..configs.dtypes import MIXES

    def scaled(element: str, group: int, scale: str) -> str:
        return element + (f" ({scale}/row)" if group < 0 else f" ({scale}/{group})" if scale else "")

    return [
        {
            "name": m.name,
            "A": scaled(m.a, m.group_a, m.scale_a),
            "B": scaled(m.b, m.group_b, m.scale_b),
            "sum": m.acc,
            "C": m.c,
            "summary": m.summary,
        }
        for m in MIXES.values()
    ]


# kind -> (what it lists, the columns of its table, how the rows are found)
KINDS: dict[str, tuple[str, Sequence[str], Callable[[Path], Rows]]] = {
    "probes": ("what `mmbench probe` measures, in order (seconds: quick/default/deep)", ("name", "seconds", "summary"), _probes),
    "kernels": (
        "kernels that can take part in a sweep: our own, and libraries found here",
        ("name", "kind", "title and version"),
        _kernels,
    ),
    "vendors": ("libraries: those found here, and how to bring the others", ("name", "version", "licence", "where"), _vendors),
    "presets": ("what a sweep can be asked for by name; cells on this machine", ("name", "cells", "budget", "summary"), _presets),
    "shapes": ("sets of shapes, for --shapes; a tag behind a colon takes a part", ("name", "shapes", "title and tags"), _shapes),
    "dtypes": (
        "data types of a product, scales with their group: what it reads, sums in and gives",
        ("name", "A", "B", "sum", "C", "summary"),
        _dtypes,
    ),
    "targets": ("chips that code can be emitted for", ("name", "arch", "cpu"), _targets),
    "isas": ("vector and matrix units that are tried, of every architecture", ("name", "arch", "bits", "operations", "dtypes"), _isas),
    "chips": ("core designs with published figures, each with its source", ("name", "vendor", "title"), _chips),
    "machines": ("machines stored here", ("id", "probed_at", "brand", "problem"), _machines),
    "runs": ("runs stored here", ("id", "machine_id", "kind", "started_at", "about"), _runs),
}


@click.command(name="list")
@click.argument("kind", required=False, metavar="[KIND]", shell_complete=lambda _ctx, _par, word: [k for k in KINDS if k.startswith(word)])
@json_option
@results_option
@pass_state
def list_(state: State, kind: str | None, as_json: bool) -> None:
    """List kernels, libraries, data types, presets, probes, stored runs…

    Without a KIND: the kinds there are.
    """
    if kind is None:
        rows: Rows = [{"kind": name, "lists": what} for name, (what, _, _) in KINDS.items()]
        columns: Sequence[str] = ("kind", "lists")
    elif kind in KINDS:
        rows, columns = KINDS[kind][2](state.settings.results), KINDS[kind][1]
    else:
        raise not_known("list of", kind, KINDS)
    if as_json:
        console.answer_json({"schema": LIST_SCHEMA, "kind": f"list {kind or ''}".rstrip(), "items": rows})
    elif rows:
        console.answer(_vendor_text(rows) if kind == "vendors" else _table(rows, columns))
    else:
        what = "`mmbench probe` or `mmbench sweep`" if kind == "runs" else "`mmbench probe`"
        console.say(f"no {kind} in {state.settings.results}; run {what} first, or name another folder with --results")


def _vendor_text(rows: Rows) -> str:
    """Each library with its licence, then its copies or how to bring one; a path and a command have lines of their own, to be copied."""
    lines, told = [], ""
    for row in rows:
        library = without_origin(row["name"])
        if library != told:
            lines.append(f"{library}  {row['title']}, {row['licence']}")
            told = library
        if row["state"] == "absent":
            bring = row["bring"] and ("; to bring it:" if row["reason"] == "not installed" else "; there:")
            lines += textwrap.wrap(f"  absent: {row['reason']}{bring}", console.width(), subsequent_indent="  ", break_on_hyphens=False)
            lines += [f"    {row['bring']}"] if bring else []
            continue
        version = f"version {row['version']}" if row["version"] else ""
        lines.append(f"  {', '.join(filter(None, (row['name'], version, _size(row))))}")
        lines.append(f"    {row['where']}")
        if row["overrides"]:
            lines.append(f"    set here: {', '.join(row['overrides'])}")
    return "\n".join(console.clean(line) for line in lines)


def _size(row: dict[str, Any]) -> str:
    more = len(row["files"]) - 1
    if not row["files"]:
        return ""
    return size_words(row["size_bytes"]) + (f" with {more} file{'s' if more > 1 else ''} that it needs" if more else "")


def _table(rows: Rows, columns: Sequence[str]) -> str:
    """The rows as text; a column that is empty throughout is left out."""
    shown = [c for c in columns if any(row.get(c) not in ("", None) for row in rows)]
    cells = [tuple(_cell(row.get(c, "")) for c in shown) for row in rows]
    return console.rows(cells, tuple(c.replace("_", " ") for c in shown))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
