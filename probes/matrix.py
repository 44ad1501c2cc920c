"""Find out which vector, dot and matrix units can really be used: claimed, allowed, executed, right; then time those that are.

Claims are doubted in both directions. A flag may be set for a unit that traps (no permission, palette 0 only), and a hypervisor
may hide a flag of a unit that works. So every unit of the architecture is tried, claimed or not, in a child process that may trap,
and its results are held against their meaning in NumPy, on values where rounding cannot hide an error and on random ones.

A unit that works without a claim is usable on this machine today, with that caveat: programs that trust flags will not use it, and
a move to another host may end it. Rates follow `simd`. Source: reference 2.7.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from ..configs.curve import Curve
from ..configs.facts import Fact, measured, reported, unknown
from ..configs.machine import Machine, Unit
from ..kernels.emit.instruction import UnitRow
from ..kernels.emit.isa.permission import allowed
from ..kernels.emit.isa.registry import units_of
from ..kernels.emit.isa.trial import Trial
from ..kernels.emit.target import host_arch
from ..kernels.measure.trap import Trapped
from .context import Context
from .registry import probe
from .simd import Proven, claimed, close_sampler, merged, prove_in_child, time_units, unit_rates


@probe("matrix", version=1, needs=("identity", "clock"), seconds=(0.6, 1.5, 8), per_kind=True)
def measure(context: Context) -> Curve:
    """Try every unit of this architecture; time the dot and matrix units that work, and any unit that works without a claim."""
    arch = host_arch()
    rows = units_of(arch)
    missing: list[str] = [] if rows else [f"matrix units: no instructions are known here for {arch}"]
    readings: dict[str, Any] = {}
    ready: list[Proven] = []
    sampler = close_sampler()
    for done, row in enumerate(rows):
        if context.expired():
            missing.append(f"{row.name}: out of time")
            continue
        context.progress(0.4 * done / len(rows), row.name)
        found = examine(row, context.machine, context.seed)
        readings[row.name] = found
        right = [name for name, wrong in found["results"].items() if not wrong]
        if right and (row.matrix or not found["claimed"]):
            ready.append((Trial.of(row), right))
    points = time_units(ready, sampler, context)
    return Curve("matrix", 1, "instruction", points, {"units": readings}, tuple(missing), context.core_kind)


def examine(row: UnitRow, machine: Machine, seed: int = 0) -> dict[str, Any]:
    """What the chip says, what the system says, and what happened: plain words and numbers, in the order that `_unit` reads them."""
    is_claimed, source = claimed(row, machine)
    leave = allowed(row)
    ended = prove_in_child(row, seed)
    results = {name: "" if proof.right else proof.detail or "wrong" for name, proof in ended.value.items()} if ended.ok else {}
    return {
        "claimed": is_claimed,
        "claimed_by": source,
        "allowed": leave.value,
        "allowed_note": leave.note,
        "executed": _executed(ended),
        "reason": ended.reason,
        "results": results,
    }


def _executed(ended: Trapped) -> bool | None:
    """None where nothing could be tried, or where the child ended for another reason than the instruction."""
    if ended.ok:
        return True
    return False if ended.signal_name in ("SIGILL", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGTRAP", "SIGSYS") else None


def infer(curve: Curve, machine: Machine) -> Machine:
    """A verdict for each unit, and the rates of those that were timed."""
    units = tuple(_unit(name, found, curve) for name, found in curve.readings.get("units", {}).items())
    names = {unit.name for unit in units}
    others = tuple(u for u in machine.matrix_units if u.name not in names or u.core_kind != curve.core_kind)
    rates = unit_rates(curve, machine)
    return dataclasses.replace(machine, matrix_units=others + units, simd=merged(machine.simd, rates))


def _unit(name: str, found: dict[str, Any], curve: Curve) -> Unit:
    by, reason = curve.by, str(found["reason"])
    results: dict[str, str] = found["results"]
    executed = found["executed"]
    wrong = {key: why for key, why in results.items() if why}
    usable = bool(results) and not wrong
    leave: Fact[bool] = (
        unknown("", by, str(found["allowed_note"]))
        if found["allowed"] is None
        else reported(bool(found["allowed"]), "", "operating system", str(found["allowed_note"]))
    )
    right: Fact[bool] = (
        measured(not wrong, "", by, note="; ".join(f"{key}: {why}" for key, why in wrong.items()))
        if results
        else unknown("", by, "nothing was executed")
    )
    return Unit(
        name=name,
        claimed=reported(bool(found["claimed"]), "", str(found["claimed_by"]).split(":")[0], str(found["claimed_by"])),
        allowed=leave,
        executed=measured(bool(executed), "", by, note=reason) if executed is not None else unknown("", by, reason or "not tried"),
        right=right,
        usable=usable,
        reason=_reason(found, wrong, usable),
        core_kind=curve.core_kind,
    )


def _reason(found: dict[str, Any], wrong: dict[str, str], usable: bool) -> str:
    """Why a unit cannot be used, or what to know of one that can; empty where all is as claimed."""
    is_claimed, leave, reason = bool(found["claimed"]), found["allowed"], str(found["reason"])
    if wrong:
        return f"wrong results: {', '.join(sorted(wrong))}"
    if usable:
        if is_claimed:
            return "" if leave is not False else "works although the system does not say that it saves its registers: do not rely on it"
        return "works although not claimed: the flag is masked by the hypervisor or unknown to the system"
    if found["executed"] is None:
        return reason or "could not be tried here"
    if not is_claimed:
        return f"not claimed by the chip or masked by the hypervisor; executing it raised {reason}"
    if leave is False:
        return f"claimed, but the system does not allow it ({found['allowed_note']}); executing it raised {reason}"
    return f"claimed, but executing it raised {reason}"
