"""Answer for one side of a gate in a process of its own: make a cell ready, proven, and take this side's turns of a visit.

The driver (`gate.launch`) calls these functions through `measure.worker`, after `kernels.session:open_kernel`. A gate starts many
processes, and nothing may be timed that was not proven right in its own process. The whole proof takes longer than a visit, so it is made
once for each cell and side; the digest of that proven result is handed to later processes, which compute the same product once and hold its
bits against it. Other bits are no fault (sums may be ordered by the place of operands): then the proof is made anew.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...configs.cases import Case
from ...configs.codec import decode
from ...configs.errors import NotPossibleError
from .. import abi
from ..measure.contamination import Contamination
from ..measure.stopwatch import Kernel
from ..measure.timer import timer
from ..measure.worker import Progress
from ..operands import Operands
from ..registry import Prepared, PythonCall
from ..session import Session, colder, opened_session, proof_of, use_cpus
from ..verify import call, verify, verify_again
from .relay import Baton, Relay, can_relay, planted_chain

_SEED = 1  # of the normal numbers: what `verify` leaves in the operands, so that both ways compute the same product
_LEAST_UNIT_S = 20e-6
_LEAST_STEPS = 1000  # of the timer, in one unit
_TRACE_LEAST = 64


@dataclass(slots=True)
class _Cell:
    """A cell that may be timed."""

    case: Case
    prepared: Prepared
    operands: Operands
    digest: str
    kernel: Kernel | None
    python: PythonCall | None


_CELL: list[_Cell] = []  # the one cell of this process that is ready
_BATON: dict[str, Baton] = {}
_RELAY: list[Relay] = []


def prepare_cell(arguments: Mapping[str, Any], progress: Progress) -> Any:
    """{case, digest, shift, place, thorough} to {status, reason, digest, call_s, proof, timed_by, relays}.

    `digest` is that of a result of this side which was proven ("" for none yet). `call_s` is one warm call; `relays`: whether this cell can
    hand over by itself. `proof` names the steps of a proof that was made here; it is empty where the bits are those of a proven result. A
    status other than `ok` ends the cell for this process.
    """
    _CELL.clear()
    session = opened_session()
    case = decode(Case, arguments["case"])
    place = int(arguments.get("place", 0))
    use_cpus(session, case, place)
    fill = "full-range" if case.mix.integer else "normal"
    progress(0.0, "its first call")
    operands = Operands(case, fill, seed=_SEED, timing=True, shift=int(arguments.get("shift", 0)))
    try:
        prepared = session.prepare(case)
        call(prepared, operands)
    except NotPossibleError as error:
        return {"status": "skipped", "reason": error.message}
    digest, proof = _digest(operands), ""
    if digest != arguments.get("digest"):
        found, proof = _proven(session, case, prepared, operands, arguments, progress)
        if found:
            return {"status": "wrong", "reason": found}
        digest = _digest(operands)
    elif damage := operands.damage():
        return {"status": "wrong", "reason": damage}
    python = prepared.python(operands) if prepared.python is not None else None
    sets = [operands, *colder(session, case, prepared)]
    kernel = None if python is not None else abi.timed(prepared.address, [each.block for each in sets], (prepared, sets))
    began = time.perf_counter()
    call(prepared, operands)
    call_s = time.perf_counter() - began
    _CELL[:] = [_Cell(case, prepared, operands, digest, kernel, python)]
    use_cpus(session, case, 0)
    return {
        "status": "ok",
        "reason": "",
        "digest": digest,
        "call_s": call_s,
        "proof": proof,
        "timed_by": "python" if python is not None else "machine",
        "relays": kernel is not None and case.threads == 1 and not can_relay(),
    }


def _proven(
    session: Session, case: Case, prepared: Prepared, operands: Operands, arguments: Mapping[str, Any], progress: Progress
) -> tuple[str, str]:
    """(what is wrong, by which steps it was proven): the class of cases on small shapes, then this very product."""
    place = int(arguments.get("place", 0))
    check = proof_of(session, case, place, lambda step: progress(0.0, step), thorough=bool(arguments.get("thorough")))
    if check.passed:
        progress(0.5, "a product of its own size")
        own = verify(prepared, operands)
        steps = (*check.steps, *own.steps)
        check = own
    else:
        steps = check.steps
    return "" if check.passed else ": ".join(filter(None, (check.failed, check.where, check.cause))), ", ".join(steps)


def _digest(operands: Operands) -> str:
    return hashlib.blake2b(np.ascontiguousarray(operands.c).tobytes(), digest_size=16).hexdigest()


def _unit(cell: _Cell, calls: int) -> float:
    """Seconds of one unit, by the clock that Python has: for tuning, and for what only Python can call."""
    if cell.python is not None:
        began = time.perf_counter()
        cell.python(calls)
        return time.perf_counter() - began
    assert cell.kernel is not None
    return _stamped(cell.kernel, calls)


def _stamped(kernel: Kernel, calls: int) -> float:
    import ctypes

    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(kernel.address)
    began = time.perf_counter()
    function(kernel.context, calls)
    return time.perf_counter() - began


def tune_cell(arguments: Mapping[str, Any], _progress: Progress) -> Any:
    """{trace_s, visit_s, most_units} to {calls, call_s, trace_s}: calls of a unit, and a trace of units back to back for choosing turns.

    A unit lasts 20 microseconds and 1000 steps of the timer at least, and so long that a visit holds at most `most_units` of them.
    """
    cell = _CELL[0]
    calls = 1
    least_s = max(_LEAST_UNIT_S, _LEAST_STEPS * timer().step_s, float(arguments["visit_s"]) / float(arguments["most_units"]))
    best_s = min(_unit(cell, calls) for _ in range(3))
    while best_s < least_s and calls < 1 << 24:
        calls = max(calls + 1, min(calls * 8, round(calls * least_s / max(best_s, 1e-9))))
        best_s = min(_unit(cell, calls) for _ in range(3))
    trace: list[float] = []
    deadline = time.monotonic() + float(arguments["trace_s"])
    while len(trace) < _TRACE_LEAST or time.monotonic() < deadline:
        trace.append(_unit(cell, calls))
        if len(trace) >= 12 and sum(trace) > 4 * float(arguments["trace_s"]):
            break  # calls of so long that no trace can be had in time
    return {"calls": calls, "call_s": sorted(trace)[len(trace) // 2] / calls, "trace_s": trace}


def relay_cell(arguments: Mapping[str, Any], _progress: Progress) -> Any:
    """{baton, schedule, calls, units, spoiled, planted, unit_s} to {time_s, marks, clock_hz, wall_s}: this side's turns of a visit.

    `planted` is the share of a unit's time by which it is made longer (0: not at all).
    """
    cell = _CELL[0]
    assert cell.kernel is not None
    if not _RELAY:
        _RELAY.append(Relay())
    path = str(arguments["baton"])
    if path not in _BATON:
        _BATON[path] = Baton(Path(path))
    share = float(arguments.get("planted", 0.0))
    chain = planted_chain(share, float(arguments["unit_s"]), float(arguments["clock_hz"])) if share else 0
    calls = int(arguments["calls"])
    turns = _RELAY[0].run(
        *(cell.kernel, arguments["schedule"], _BATON[path]),
        calls=calls,
        units=int(arguments["units"]),
        spoiled=int(arguments["spoiled"]),
        planted=chain,
    )
    return {
        "time_s": [round(t / calls, 13) for t in turns.time_s.ravel().tolist()],
        "marks": turns.marks,
        "clock_hz": [round(hz) for hz in turns.clock_hz.tolist()],
        "wall_s": turns.wall_s,
    }


def turn_cell(arguments: Mapping[str, Any], _progress: Progress) -> Any:
    """{calls, units, spoiled, planted} to {time_s, marks}: one turn, where the driver hands over (several threads, Python's own calls)."""
    cell = _CELL[0]
    calls, share = int(arguments["calls"]), float(arguments.get("planted", 0.0))
    for _ in range(int(arguments["spoiled"])):
        _unit(cell, calls)
    watch = Contamination()
    watch.begin()
    times = []
    for _ in range(int(arguments["units"])):
        time_s = _unit(cell, calls)
        if share:  # as a chain would, behind the unit and within what is timed
            began = time.perf_counter()
            while time.perf_counter() - began < share * float(arguments["unit_s"]):
                pass
            time_s += time.perf_counter() - began
        times.append(time_s / calls)
    mark = watch.end(sum(times) * calls)
    watch.close()
    return {"time_s": times, "marks": [mark]}


def finish_cell(_arguments: Mapping[str, Any], _progress: Progress) -> Any:
    """After the last turn: what was written that must not be, or a result that is wrong now ("" where all is well)."""
    cell = _CELL[0]
    _CELL.clear()
    problem = cell.operands.damage()
    if not problem and not cell.case.beta and cell.kernel is not None and _digest(cell.operands) != cell.digest:
        check = verify_again(cell.prepared, cell.operands)
        problem = "" if check.passed else ": ".join(filter(None, (check.failed, check.where, check.cause)))
    return problem
