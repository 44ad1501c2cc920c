"""Plan a sweep before anything is timed: which cells make sense and fit into memory, who serves them, in what order, and how long it takes.

Cells that no kernel could answer (a leading dimension shorter than a row, a 4-bit operand that does not lie along k, more threads than
CPUs, more memory than there is) are left out with a note. A kernel that does not serve a cell, or would take too long, is a Skip with its
reason. Order is drawn from the seed, so that drift of the machine does not fall on one group of cells.

Estimates are guesses from rough rates of a server core, made before anything was measured; they say minutes from hours, no more.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ..configs.cases import Case
from ..configs.dtypes import ELEMENTS, group_count, packed_bytes
from ..configs.errors import NotPossibleError, UsageError
from ..configs.kernel_names import fused_of, is_unfused
from ..configs.plan import Cell, Entrant, Skip, SweepPlan
from ..configs.profiles import GIVEN, Profile
from ..configs.shapes import lead_problem
from ..configs.units import size_words
from . import registry
from .entrants import find_entrants
from .expressions import Predicate, parse_expression
from .host import Host
from .measure.conditions import memory_budget_bytes
from .session import MOST_SETS
from .vendor import library as vendor

__all__ = ["call_guess_s", "find_entrants", "make_plan", "memory_bytes", "possible_cells", "problem_of", "sweep_guess_s"]

NAIVE_CALL_S, BLOCKED_CALL_S, LONGEST_CALL_S = 0.05, 0.25, 5.0
_PROOF_BYTES = 24  # an element of A or C as decoded, as 64-bit integer and as picked, while the gate looks at it
_WORKSPACE_BYTES = 64 << 20
_GFLOPS = {"f64": 40.0, "f32": 80.0, "s8": 100.0, "u8s8": 100.0, "int4s8": 40.0, "mxfp4": 30.0, "nvfp4": 30.0}  # one core, AVX2 or more
_OTHER_GFLOPS = 50.0
_NAIVE_GFLOPS, _NAIVE_NARROW_GFLOPS = 3.0, 1.7  # measured on Zen 5 at 160³; narrow: 4-bit integers and 4- and 8-bit floats
_BLOCKED_GFLOPS, _BLOCKED_NARROW_GFLOPS = 12.0, 4.0
_BYTES_PER_S = 8e9
_CALL_S, _PYTHON_CALL_S = 0.5e-6, 30e-6
_OPEN_S, _PROVE_S, _TURN_S, _ROUNDS, _CELL_S = 1.0, 0.08, 0.009, 8, 4.0  # of `sweep`: rounds are what a quiet machine takes to 2 %
_PROOF_CALLS = 6


def problem_of(case: Case, cpus: int = 0) -> str:
    """Empty, or why no kernel can answer the case. `cpus`: how many may be used; 0 leaves that open. Memory is asked separately."""
    mix, steps = case.mix, set(case.steps)
    if min(case.m, case.n, case.k, case.batch) < 1:
        return "a size is 0: there is nothing to time"
    if mix.packed and case.layout != "nt":
        return f"operands of {case.dtype} have 4-bit elements, which lie along k: their layout is nt"
    leads = (("lda", case.lda, mix.a), ("ldb", case.ldb, mix.b))
    for name, lead, element in leads:
        if lead % 2 and ELEMENTS[element].bits < 8:
            return f"{name} of 4-bit elements must be even: rows begin at whole bytes"
    if mix.integer and steps & {"gelu", "silu"}:
        return f"{case.dtype} gives integers: gelu and silu are for floats"
    if mix.integer and not (case.alpha.is_integer() and case.beta.is_integer()):
        return f"{case.dtype} gives integers: alpha and beta must be whole"
    wrong = lead_problem(case)
    if not wrong and cpus and case.threads > cpus:
        return f"more threads than the {_cpus(cpus)} that may be used"
    return wrong


def _cpus(count: int) -> str:
    return "one CPU" if count == 1 else f"{count} CPUs"


def operand_bytes(case: Case) -> int:
    """One set of operands with the gaps between their rows."""
    mix = case.mix
    a = case.rows_a[0] * packed_bytes(case.stride_a, ELEMENTS[mix.a].bits) * (1 if case.batch_kind == "same-a" else case.batch)
    b = case.rows_b[0] * packed_bytes(case.stride_b, ELEMENTS[mix.b].bits) * (1 if case.batch_kind == "same-b" else case.batch)
    width = ELEMENTS[mix.c].bits // 8
    c = case.m * case.stride_c * width * case.batch * (2 if "residual" in case.steps else 1)
    scales = sum(
        rows * group_count(case.k, group) * (ELEMENTS[scale].bits // 8)
        for rows, group, scale in ((case.m, mix.group_a, mix.scale_a), (case.n, mix.group_b, mix.scale_b))
        if scale
    )
    return a + b + c + case.n * width + scales


def memory_bytes(case: Case, host: Host) -> tuple[int, int]:
    """(least bytes that one kernel needs for the case, bytes that each further kernel of the cell adds).

    The first counts what proving needs for a while: A and C of one problem, decoded. A cold case has at least two sets of operands; it
    takes more, as far as there is memory (`session`), which the second counts.
    """
    one = operand_bytes(case)
    sets = least = 1
    if case.temperature == "cold":
        sets = min(MOST_SETS, 3 * host.last_cache_bytes // max(case.traffic_bytes(), 64) + 1)
        least = min(2, sets)
    workspace = min(_WORKSPACE_BYTES, one)
    proof = _PROOF_BYTES * (case.m * case.k + case.m * case.n)
    return least * one + workspace + proof, sets * one + workspace


def call_guess_s(case: Case, entrant: Entrant) -> float:
    """A guess at the time of one call, from rough rates; the larger of computing and moving, and what a call costs."""
    narrow = min(ELEMENTS[case.mix.a].bits, ELEMENTS[case.mix.b].bits) < 8 or case.mix.a in ("e4m3", "e5m2")
    if entrant.kernel == "naive":
        gflops = _NAIVE_NARROW_GFLOPS if narrow else _NAIVE_GFLOPS
    elif entrant.kernel == "blocked":
        gflops = _BLOCKED_NARROW_GFLOPS if narrow else _BLOCKED_GFLOPS
    else:
        gflops = _GFLOPS.get(case.dtype, _OTHER_GFLOPS) * case.threads
    least_s = _PYTHON_CALL_S if entrant.kind == "framework" else _CALL_S
    return max(case.operations / (gflops * 1e9), case.traffic_bytes() / _BYTES_PER_S) + least_s


def make_plan(
    cells: Iterable[Cell],
    entrants: Sequence[Entrant],
    *,
    host: Host,
    seed: int = 0,
    profile: Profile | None = None,
    expression: str = "",
    patient: bool = False,
    budget_bytes: int | None = None,
) -> SweepPlan:
    """The plan: cells in an order drawn from `seed`, each case once; who skips which, and why; a guess at the seconds.

    `profile` gives preset, precision, time budget and thoroughness. `expression` (-k) leaves out what does not fit. `patient` lets slow
    kernels (naive, blocked) answer cells in which one call takes longer than they are allowed else. `budget_bytes`: memory that may be
    used; asked of the system when left out. UsageError where nothing is left to do; NotPossibleError where that is because this machine has
    too few CPUs or too little memory, and for a shape that was typed and does not fit.
    """
    profile = profile or Profile("", "", ())
    if not entrants:
        raise UsageError("no kernel takes part", "see `mmbench list kernels` and `mmbench list vendors`")
    budget, source = (budget_bytes, "the given limit") if budget_bytes is not None else memory_budget_bytes()
    kept, notes = _possible(_once(cells), host, budget, source)
    fits = parse_expression(expression) if expression.strip() else None
    if fits is not None:
        kept, entrants = _selected(kept, entrants, fits, expression)
    random.Random(seed).shuffle(kept)
    skips = _skips(kept, entrants, host, budget, fits, patient=patient)
    plan = SweepPlan(
        tuple(kept),
        tuple(entrants),
        tuple(skips),
        preset=profile.name,
        seed=seed,
        precision=profile.precision,
        time_budget_s=profile.time_budget_s,
        check=profile.check,
        notes=tuple(notes),
    )
    return replace(plan, estimate_s=sweep_guess_s(plan))


def _once(cells: Iterable[Cell]) -> list[Cell]:
    """Each case once, with its first origin."""
    found: dict[Case, Cell] = {}
    for cell in cells:
        found.setdefault(cell.case, cell)
    if not found:
        raise UsageError("the grid has no cells", "name shapes or a preset; see `mmbench list presets`")
    return list(found.values())


def possible_cells(cells: Iterable[Cell], host: Host) -> list[Cell]:
    """Of the cells, those that a plan made here and now would keep: the machine has the CPUs and the memory, and the case makes sense."""
    budget, source = memory_budget_bytes()
    return _sorted_out(_once(cells), host, budget, source)[0]


def _possible(cells: list[Cell], host: Host, budget: int, source: str) -> tuple[list[Cell], list[str]]:
    """The cells that can be answered here, and notes on the others; an error where none can, or where one that was typed does not fit."""
    kept, left_out = _sorted_out(cells, host, budget, source)
    for reason, found in left_out.items():
        typed = next((cell for cell in found if cell.origin == GIVEN and reason.startswith("more memory")), None)
        if typed is not None:
            raise _too_large(typed.case, host, budget, source)
    if not kept:
        reason, first = next(iter(left_out.items()))
        if reason.startswith("more memory"):
            raise _too_large(first[0].case, host, budget, source)
        if not problem_of(first[0].case):  # with more CPUs it could be answered
            most = f"name {len(host.cpus)} at most with --threads, or all" if len(host.cpus) > 1 else "leave --threads out"
            raise NotPossibleError(f"{first[0].case.name}: {reason}", most)
        raise UsageError(f"{first[0].case.name}: {reason}", "nothing else was asked for that could be timed")
    return kept, [f"{_counted(len(found))} left out: {reason} ({_such_as(found)})" for reason, found in left_out.items()]


def _sorted_out(cells: Iterable[Cell], host: Host, budget: int, source: str) -> tuple[list[Cell], dict[str, list[Cell]]]:
    """(cells that can be answered here, the others by the reason why not)."""
    kept: list[Cell] = []
    left_out: dict[str, list[Cell]] = {}
    for cell in cells:
        reason = problem_of(cell.case, len(host.cpus))
        if not reason and memory_bytes(cell.case, host)[0] > budget:
            reason = f"more memory than there is ({size_words(budget)} may be used: {source})"
        if reason:
            left_out.setdefault(reason, []).append(cell)
        else:
            kept.append(cell)
    return kept, left_out


def _too_large(case: Case, host: Host, budget: int, source: str) -> NotPossibleError:
    need = size_words(memory_bytes(case, host)[0])
    return NotPossibleError(
        f"{case.name} needs {need} of memory, more than there is: {size_words(budget)} may be used ({source})", "choose a smaller shape"
    )


def _counted(count: int) -> str:
    return f"{count} cell{'s' if count != 1 else ''}"


def _such_as(cells: list[Cell]) -> str:
    return cells[0].case.name if len(cells) == 1 else f"such as {cells[0].case.name}"


def _selected(cells: list[Cell], entrants: Sequence[Entrant], fits: Predicate, expression: str) -> tuple[list[Cell], list[Entrant]]:
    """The cells and kernels that have part in a pair that -k selects."""
    pairs = [(cell, [e.kernel for e in entrants if fits(_text(cell, e))]) for cell in cells]
    kept = [cell for cell, names in pairs if names]
    if not kept:
        raise UsageError(f"-k {expression!r} selects no cell of the plan", "words are looked for in cells, origins, data types and kernels")
    named = {name for _, names in pairs for name in names}
    return kept, [e for e in entrants if e.kernel in named]


def _text(cell: Cell, entrant: Entrant) -> str:
    """What the words of -k are looked for in; the lines keep a word from fitting across two of them."""
    return "\n".join((cell.case.name, cell.origin, cell.case.dtype, entrant.kernel))


def _skips(cells: list[Cell], entrants: Sequence[Entrant], host: Host, budget: int, fits: Predicate | None, *, patient: bool) -> list[Skip]:
    """Who does not take part where; one Skip for each kernel and reason."""
    answers = {e.kernel: _asked(e) for e in entrants}
    found: dict[tuple[str, str], list[int]] = {}
    for index, cell in enumerate(cells):
        active = []
        for entrant in entrants:
            reason = "not selected by -k" if fits is not None and not fits(_text(cell, entrant)) else ""
            reason = (
                reason or answers[entrant.kernel].serves(cell.case) or _twin(cell.case, entrant) or _too_slow(cell.case, entrant, patient)
            )
            if reason:
                found.setdefault((entrant.kernel, reason), []).append(index)
            else:
                active.append(entrant)
        for name, reason in _crowded(cell.case, active, host, budget):
            found.setdefault((name, reason), []).append(index)
    return [Skip(name, reason, tuple(indices)) for (name, reason), indices in found.items()]


def _asked(entrant: Entrant) -> registry.GemmKernel | vendor.Library:
    """The kernel or the adapter that says which cases it serves; loads no library."""
    return registry.own_kernel(entrant.kernel) if entrant.kind == "own" else vendor.library(entrant.library)


def _twin(case: Case, entrant: Entrant) -> str:
    if entrant.kind != "own" and is_unfused(entrant.kernel) and not case.epilogue:
        return f"without an epilogue it is {fused_of(entrant.kernel)}"
    return ""


def _too_slow(case: Case, entrant: Entrant, patient: bool) -> str:
    allowed_s = LONGEST_CALL_S if patient else {"naive": NAIVE_CALL_S, "blocked": BLOCKED_CALL_S}.get(entrant.kernel, LONGEST_CALL_S)
    if call_guess_s(case, entrant) <= allowed_s:
        return ""
    return f"a call would take more than {allowed_s:g} s, by a guess"


def _crowded(case: Case, active: list[Entrant], host: Host, budget: int) -> list[tuple[str, str]]:
    """Kernels for which there is no memory beside the others: all kernels of a cell hold their operands at the same time."""
    first, each = memory_bytes(case, host)
    if case.temperature == "cold":  # they take as many sets as there is room for
        each = first
    places = 1 + max(0, budget - first) // each
    if len(active) <= places:
        return []
    by_worth = sorted(active, key=lambda e: e.kernel in ("naive", "blocked"))  # stable: others in the order given
    reason = f"memory holds operands for {places} kernel{'s' if places > 1 else ''} at a time"
    return [(e.kernel, reason) for e in by_worth[places:]]


def sweep_guess_s(plan: SweepPlan) -> float:
    """Seconds that the plan takes, time budget aside: a guess from rough rates. Cells run one after another, and their kernels in turns."""
    skipped: Collection[tuple[int, str]] = {(index, skip.kernel) for skip in plan.skips for index in skip.cells}
    used: Mapping[str, None] = {}
    total_s = 0.0
    for index, cell in enumerate(plan.cells):
        calls_s = [call_guess_s(cell.case, e) for e in plan.entrants if (index, e.kernel) not in skipped]
        turns_s = sum(max(_TURN_S, 2 * call_s) for call_s in calls_s)
        least_s = sum(6 * call_s for call_s in calls_s if call_s > _TURN_S)
        total_s += sum(_PROVE_S + _PROOF_CALLS * call_s for call_s in calls_s) + max(least_s, min(_CELL_S, _ROUNDS * turns_s))
    used = dict.fromkeys(e.kernel for e in plan.entrants)
    return total_s + _OPEN_S * len(used) / 2
