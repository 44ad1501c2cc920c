"""List what there is: probes, targets, instruction sets, chips with published figures, stored machines and runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..configs.codec import encode
from ..configs.store import list_machines, list_runs
from . import console
from .state import State, json_option, pass_state, results_option
from .words import not_known

LIST_SCHEMA = 1
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
    return [{**encode(r), "path": str(r.path)} for r in list_runs(results)]


# kind -> (what it lists, the columns of its table, how the rows are found)
KINDS: dict[str, tuple[str, Sequence[str], Callable[[Path], Rows]]] = {
    "probes": ("what `mmbench probe` measures, in order (seconds: quick/default/deep)", ("name", "seconds", "summary"), _probes),
    "targets": ("chips that code can be emitted for", ("name", "arch", "cpu"), _targets),
    "isas": ("vector and matrix units that are tried, of every architecture", ("name", "arch", "bits", "operations", "dtypes"), _isas),
    "chips": ("core designs with published figures, each with its source", ("name", "vendor", "title"), _chips),
    "machines": ("machines stored here", ("id", "probed_at", "brand", "problem"), _machines),
    "runs": ("runs stored here", ("id", "machine_id", "kind", "started_at", "problem"), _runs),
}


@click.command(name="list")
@click.argument("kind", default="", metavar="[KIND]", shell_complete=lambda _ctx, _par, word: [k for k in KINDS if k.startswith(word)])
@json_option
@results_option
@pass_state
def list_(state: State, kind: str, as_json: bool) -> None:
    """List probes, targets, ISAs, chips, stored machines or runs.

    Without a KIND: the kinds there are.
    """
    if not kind:
        rows: Rows = [{"kind": name, "lists": what} for name, (what, _, _) in KINDS.items()]
        columns: Sequence[str] = ("kind", "lists")
    elif kind in KINDS:
        rows, columns = KINDS[kind][2](state.settings.results), KINDS[kind][1]
    else:
        raise not_known("list of", kind, KINDS)
    if as_json:
        console.answer_json({"schema": LIST_SCHEMA, "kind": f"list {kind}".rstrip(), "items": rows})
    elif rows:
        console.answer(_table(rows, columns))
    else:
        console.say(f"no {kind} in {state.settings.results}; run `mmbench probe` first, or name another folder with --results")


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
