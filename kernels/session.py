"""Answer for one kernel in a process of its own: open it, prove it, make a case ready, and take samples of it, a turn at a time.

The parent (`sweep`) calls these functions through `measure.worker`; whatever happens here costs this kernel's rows only. Order, for every
case: the kernel is asked for it and called once (timed as the first call, compilation included); its class of cases passes the correctness
gate on small shapes, once a process (`battery`); this very case passes it on its own operands (`verify`); only then may samples be taken.
At the end the result and everything around it are looked at again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..configs.cases import Case, Check, Status, Variant
from ..configs.codec import decode, encode
from ..configs.errors import MmbenchError, NotPossibleError
from ..configs.kernel_names import is_unfused, origin_of
from ..configs.plan import Entrant, Opened
from . import abi
from .battery import has_long_sums, prove
from .fills import untouched
from .guards import ProcessWatch
from .host import Host
from .measure.affinity import pin
from .measure.conditions import memory_budget_bytes
from .measure.worker import Progress
from .operands import Operands
from .registry import GemmKernel, Prepared, own_kernel
from .turns import MachineTurns, PythonTurns
from .vendor.library import Found, Library, library
from .verify import bind, call, verify, verify_again

_COLD_CACHES = 3.0  # operand sets together are this many times the last cache
MOST_SETS = 512
_MEMORY_SHARE = 0.6  # of what may be used at all


@dataclass(slots=True)
class _Ready:
    """A case that passed the gate, with all that its samples need."""

    case: Case
    prepared: Prepared
    sets: list[Operands]
    turns: MachineTurns | PythonTurns
    watch: ProcessWatch
    calls: int = 0


@dataclass(slots=True)
class Session:
    """One kernel, opened."""

    entrant: Entrant
    host: Host
    asked: GemmKernel | Library
    cpus: tuple[int, ...]
    proven: dict[str, Check] = field(default_factory=dict)
    ready: _Ready | None = None

    def prepare(self, case: Case) -> Prepared:
        """The kernel's code for the case, under the entrant's own name; NotPossibleError where it does not serve it."""
        refused = self.asked.serves(case)
        if refused:
            raise NotPossibleError(refused)
        if isinstance(self.asked, Library):
            prepared = self.asked.prepare(case, self.host, fused=not is_unfused(self.entrant.kernel))
        else:
            prepared = self.asked.prepare(case, self.host)
        if prepared.variant.kernel != self.entrant.kernel:
            prepared.variant = replace(prepared.variant, kernel=self.entrant.kernel)
        return prepared


_SESSION: list[Session] = []  # the one session of this process


def opened_session() -> Session:
    """The kernel that `open_kernel` opened in this process."""
    return _SESSION[0]


def open_kernel(arguments: Mapping[str, Any], _progress: Progress) -> Any:
    """Load the kernel: {entrant, host} to an Opened; NotPossibleError where its library cannot be used."""
    entrant = decode(Entrant, arguments["entrant"])
    host = decode(Host, arguments["host"])
    _limit_memory()
    opened = Opened(entrant.kernel, entrant.version)
    asked: GemmKernel | Library
    if entrant.kind == "own":
        asked = own_kernel(entrant.kernel)
    else:
        asked = library(entrant.library)
        found = asked.load(Found(entrant.library, origin_of(entrant.kernel), entrant.path, entrant.package_version))
        opened = Opened(
            entrant.kernel, found.version, found.core, found.threading, found.files, found.size_bytes, found.overrides, found.warnings
        )
    _SESSION[:] = [Session(entrant, host, asked, host.cpus)]
    return encode(opened)


def ask_cases(arguments: Mapping[str, Any], _progress: Progress) -> Any:
    """{cases} to a list: for each case empty, or why the opened kernel does not answer it. Its call is made ready, and never made."""
    reasons = []
    for each in arguments["cases"]:
        try:
            _SESSION[0].prepare(decode(Case, each))
        except NotPossibleError as error:
            reasons.append(error.message)
        else:
            reasons.append("")
    return reasons


def prepare_case(arguments: Mapping[str, Any], progress: Progress) -> Any:
    """{case, thorough, seed, place} to {status, reason, check, first_call_s, variant, sha, warnings, call_s, timed_by}.

    A status other than `ok` ends the case for this kernel; `call_s` is a first estimate of one call. `place` counts CPUs from the last one:
    kernels that are proven at the same time have one each, and are timed on the last. `progress` hears what is computed next.
    """
    session = _SESSION[0]
    session.ready = None
    case = decode(Case, arguments["case"])
    use_cpus(session, case, int(arguments.get("place", 0)))
    progress(0.0, "its first call")
    operands = Operands(case, "integers", seed=int(arguments["seed"]), timing=True)
    began = time.perf_counter()
    try:
        prepared = session.prepare(case)
        call(prepared, operands)
    except NotPossibleError as error:
        return _ended(session, Status.SKIPPED, error.message)
    first_call_s = time.perf_counter() - began
    answer = {"first_call_s": first_call_s, "variant": encode(prepared.variant), "sha": prepared.sha, "warnings": list(prepared.warnings)}
    check = proof_of(session, case, int(arguments.get("place", 0)), lambda step: progress(0.0, step), thorough=bool(arguments["thorough"]))
    if check.passed:
        progress(0.5, "a product of its own size")
        own = verify(prepared, operands)
        steps = (*check.steps, *own.steps)
        check = replace(own, steps=steps, bitwise=check.bitwise, threads_bitwise=check.threads_bitwise)
    if not check.passed:
        return {**answer, "status": Status.WRONG.value, "reason": _why(check), "check": encode(check)}
    progress(0.9, "tuning")
    sets = [operands, *colder(session, case, prepared)]
    turns = _turns(prepared, sets)
    watch = ProcessWatch()
    session.ready = _Ready(case, prepared, sets, turns, watch)
    return {
        **answer,
        "status": Status.OK.value,
        "reason": "",
        "check": encode(check),
        "call_s": turns.call_s,
        "timed_by": turns.timed_by,
    }


def take_turn(arguments: Mapping[str, Any], _progress: Progress) -> Any:
    """{turn_s} to the samples of a turn (`turns.Turn`) as lists."""
    ready = _SESSION[0].ready
    assert ready is not None
    use_cpus(_SESSION[0], ready.case, 0)
    turn = ready.turns.take(float(arguments["turn_s"]))
    ready.calls += turn.executed
    return {name: getattr(turn, name) for name in ("calls", "time_s", "clock_hz", "at_s", "dirty", "wall_s")}


def finish_case(_arguments: Mapping[str, Any], _progress: Progress) -> Any:
    """What was seen after the last sample: {problem, warnings}; a problem makes the row WRONG. The operands' memory is given back."""
    session = _SESSION[0]
    ready, session.ready = session.ready, None
    if ready is None:
        return {"problem": "", "warnings": []}
    warnings = ready.watch.findings(ready.case.threads, ready.calls)
    problem = next(filter(None, (operands.damage() for operands in ready.sets)), "")
    reached = [s for s in ready.sets[1:] if not untouched(s.c[..., : ready.case.n], ready.case.mix.c).all()]
    for operands in (ready.sets[0], *reached[-1:]):  # of cold sets the first, and the last that the samples came to
        if not problem:
            check = verify_again(ready.prepared, operands)
            problem = "" if check.passed else _why(check)
    return {"problem": problem, "warnings": warnings}


def _ended(session: Session, status: Status, reason: str) -> dict[str, Any]:
    variant = Variant(session.entrant.kernel, session.entrant.version)
    return {
        "status": status.value,
        "reason": reason,
        "check": None,
        "first_call_s": None,
        "variant": encode(variant),
        "sha": "",
        "warnings": [],
    }


def _why(check: Check) -> str:
    return ": ".join(filter(None, (check.failed, check.where, check.cause)))


def proof_of(session: Session, case: Case, place: int, tell: Callable[[str], None], *, thorough: bool) -> Check:
    """The gate for the class of cases that this one belongs to, passed once in this process."""
    scaled = (case.alpha, case.beta) != (1.0, 0.0)
    key = f"{case.dtype} {case.layout} {case.batch > 1 and case.batch_kind} {case.epilogue} {case.threads} {scaled} {has_long_sums(case)}"
    if key not in session.proven:
        session.proven[key] = prove(session.prepare, case, thorough=thorough, tell=tell)
        use_cpus(session, case, place)
    return session.proven[key]


def colder(session: Session, case: Case, prepared: Prepared) -> list[Operands]:
    """More operand sets for a cold case, so many that each is out of the last cache before it is used again."""
    if case.temperature != "cold":
        return []
    each = max(case.traffic_bytes(), 64)
    count = min(MOST_SETS, int(_COLD_CACHES * session.host.last_cache_bytes / each) + 1)
    room = int(_MEMORY_SHARE * memory_budget_bytes()[0] / each)
    if room < 2 <= count:
        raise NotPossibleError(f"memory for {count} sets of operands cannot be had", "cold caches need operands beyond the last cache")
    more = [Operands(case, "normal", seed=i, timing=True) for i in range(1, min(count, room))]
    for operands in more:
        bind(prepared, operands)
    return more


def _turns(prepared: Prepared, sets: list[Operands]) -> MachineTurns | PythonTurns:
    if prepared.python is not None:
        return PythonTurns([prepared.python(operands) for operands in sets])
    return MachineTurns(abi.timed(prepared.address, [operands.block for operands in sets], (prepared, sets)))


def use_cpus(session: Session, case: Case, place: int) -> None:
    """One thread: pinned to the last CPU, where the parent is not, or `place` before it. More: all CPUs, for the library's threads."""
    if case.threads == 1:
        pin(session.cpus[-1 - place % len(session.cpus)])
    elif hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, session.cpus)


def _limit_memory() -> None:
    """A kernel that leaks shall meet an error of its own, not the end of the machine."""
    try:
        import resource
    except ImportError:  # Windows
        return
    room = memory_budget_bytes()[0]
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = room if hard == resource.RLIM_INFINITY else min(room, hard)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    except (ValueError, OSError) as error:
        raise MmbenchError(f"the worker's memory could not be limited: {error}") from error
