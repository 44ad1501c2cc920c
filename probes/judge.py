"""Judge measured figures: against what the machine claims, against what is published of its core, and against arithmetic.

Pure functions. A verdict (`Judgement`) says how a measured value stands to a claim; an oddity is one sentence about something
that a performance engineer should look at before believing the number. Both are short enough to wrap on an 80-column screen.

The rules and where they come from:

- a cache agrees when its interval, widened by 5 %, covers the claim. Smaller is normal for one core on a shared machine, and
  is called *effective size*, never an error;
- a chain of loads well below 3 cycles means that a predictor broke the chain (Apple M2 and later, https://predictors.fail/);
- a pipelined unit starts a whole number of instructions a cycle, a slow one a simple fraction. Anything between, or more than
  3 % off the published rate, gets a label, unless the measured interval covers the point. An interval wider than a fifth of its
  value is said to be too wide, and not judged further.

Known flaws: a fraction below 1/16 cannot be told from its neighbours and is not judged; nor is a mix (`fma+add`), whose parts share
pipes unevenly. An L3 has no published row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..configs.chips import Cell, Chip
from ..configs.facts import Fact, derived
from ..configs.machine import CacheClaim, Judgement, Verdict
from ..configs.units import size_words, three_figures

SIZE_MARGIN = 0.05
RATE_MARGIN = 0.03
L1_MARGIN_CYCLES = 0.5
L2_MARGIN = 0.25
SHORTEST_CHAIN_CYCLES = 3.0  # of every core with a published row here (Apple M1); well below it a predictor answered
MOST_PIPES = 8
WIDEST_INTERVAL = 0.2  # of the value
SLOWEST = 16  # slowest fraction that can be told from its neighbours at 3 %

_LARGER = {
    "L1d": "small pages, or a busy sibling thread that shares it",
    "L2": "page colours (small pages), a busy sibling thread, or cores that share it",
    "LLC": "a shared or sliced cache, another core complex's part, a CAT limit, or a neighbour",
}
_SMALLER = {
    "L1d": "a claim about another kind of core, or a hypervisor's made-up table",
    "L2": "a last level that takes victims, a claim per core of a shared cache, or a made-up table",
    "LLC": "a victim or exclusive level below, a system cache, or a hypervisor's made-up table",
}


def judge_cache(name: str, size: Fact[int], claims: Sequence[CacheClaim], chip: Chip | None = None) -> tuple[Judgement, tuple[str, ...]]:
    """The effective size of one level against all claims of that level (instruction caches are ignored), and oddities."""
    claimed = _by_size((c.source, c.size_bytes) for c in claims if c.kind != "instruction" and c.size_bytes > 0)
    oddities = _odd_claims(name, claimed, chip)
    if not size.known:
        return Judgement(Verdict.NOT_MEASURABLE, size.note), oddities
    if not claimed:
        return Judgement(Verdict.NO_CLAIM, "nothing here says how large it is"), _odd_size(name, size, chip) + oddities
    if len(claimed) > 1:
        return Judgement(Verdict.CLAIMS_DISAGREE, _who_says(claimed, size_words) + _fitting(size, claimed)), oddities
    claim = next(iter(claimed))
    low, high = _widened(size, SIZE_MARGIN)
    if low <= claim <= high:
        return Judgement(Verdict.AGREES, f"{size_words(claim)} by {', '.join(claimed[claim])}"), oddities
    shown = f"effective size {size_words(size.number())} of {size_words(claim)} claimed by {', '.join(claimed[claim])}"
    if claim > high:
        return Judgement(Verdict.CLAIM_LARGER, f"{shown}; {_known_effective(name, size, chip) or _usual(_LARGER, name)}"), oddities
    return Judgement(Verdict.CLAIM_SMALLER, f"{shown}; {_usual(_SMALLER, name)}"), oddities


def judge_latency(name: str, cycles: Fact[float], chip: Chip | None = None) -> tuple[str, ...]:
    """Oddities of one level's load-to-use cycles. Levels beyond L2 run on other clocks and are not judged in cycles."""
    if not cycles.known or name not in ("L1d", "L2"):
        return ()
    value = cycles.number()
    if value < SHORTEST_CHAIN_CYCLES - L1_MARGIN_CYCLES:  # a core of 3 cycles reads 2.99 as often as 3.01
        return (f"{name}: {three_figures(value)} cycles is less than loads take: a load-address predictor, or a wrong clock",)
    cell = chip.cache(name).latency_cycles if chip else None
    if chip is None or cell is None:
        return ()
    least, most = min(cell.values), max(cell.values)
    low, high = (least - L1_MARGIN_CYCLES, most + L1_MARGIN_CYCLES) if name == "L1d" else (least * (1 - L2_MARGIN), most * (1 + L2_MARGIN))
    if low <= value <= high:
        return ()
    cause = "loads that cross lines or pages, a busy sibling thread, or a clock that moved" if value > high else "a clock read too low"
    return (f"{name}: {three_figures(value)} cycles, published {_figures(cell)} for {chip.title}: {cause}",)


def judge_rate(
    *,
    unit: str,
    op: str,
    dtype: str,
    width_bits: int,
    ops_per_instruction: float,
    instr_per_cycle: Fact[float],
    op_per_cycle: Fact[float],
    chip: Chip | None = None,
) -> tuple[Judgement, tuple[str, ...]]:
    """The throughput of one instruction: does it land on whole pipes (within 3 %), and on the published row of the chip?

    The claim of the verdict is the published row. `ops_per_instruction` counts as `UnitRate` does (FMA: 2 for each element).
    """
    if not instr_per_cycle.known:
        return Judgement(Verdict.NOT_MEASURABLE, instr_per_cycle.note), ()
    each = instr_per_cycle.number()
    done = op_per_cycle if op_per_cycle.known else _times(instr_per_cycle, ops_per_instruction)
    oddities = _between_pipes(op, instr_per_cycle) + _inconsistent(each * ops_per_instruction, done.number())
    cell = chip.rate(op, dtype, width_bits, unit) if chip else None
    if chip is None or cell is None:
        return Judgement(Verdict.NO_CLAIM, f"{_pipes_words(instr_per_cycle)}; no published rate of {_core(chip)}"), oddities
    rate = done.number()
    most = max(cell.values)
    row = f"{three_figures(rate)} op/cycle, published {_figures(cell)} for {chip.title} ({cell.tag})"
    published = cell.nearest(rate)
    if _meets(done, published):
        return Judgement(Verdict.AGREES, f"{row}: {cell.note}" if published < most and cell.note else row), oddities
    if rate < most:
        return Judgement(Verdict.CLAIM_LARGER, row), (*oddities, _below(rate, most, instr_per_cycle))
    return Judgement(Verdict.CLAIM_SMALLER, row), (*oddities, _above(rate, most))


def judge_operation_latency(op: str, dtype: str, width_bits: int, unit: str, cycles: Fact[float], chip: Chip | None) -> tuple[str, ...]:
    """Oddities of one instruction's latency: published cycles plus or minus a half."""
    cell = chip.latency(op, dtype, width_bits, unit) if chip else None
    if chip is None or cell is None or not cycles.known:
        return ()
    value = cycles.number()
    if min(cell.values) - L1_MARGIN_CYCLES <= value <= max(cell.values) + L1_MARGIN_CYCLES:
        return ()
    return (f"{op} {dtype}: latency {three_figures(value)} cycles, published {_figures(cell)} for {chip.title}",)


def judge_tlb(
    level: str, page_bytes: int, entries: Fact[int], claims: Sequence[tuple[str, int]] = (), chip: Chip | None = None
) -> tuple[Judgement, tuple[str, ...]]:
    """TLB entries (`level` is `l1d` or `l2`) against claims `(source, entries)`; without any, the published row is the claim.

    The interval is widened by 5 %, as for caches: a knee is found between two points.
    """
    row = chip.translation(level, page_bytes) if chip else None
    published = _cell_sizes(row.entries) if row else ()
    claimed = _by_size((source, count) for source, count in claims if count > 0)
    oddities = _odd_entries(claimed, published, chip)
    if not entries.known:
        return Judgement(Verdict.NOT_MEASURABLE, entries.note), oddities
    if not claimed and chip is not None and published:
        claimed = _by_size((chip.title, count) for count in published)
        low, high = _widened(entries, SIZE_MARGIN)
        fitting = {count: who for count, who in claimed.items() if low <= count <= high}
        claimed = fitting or {max(claimed): claimed[max(claimed)]}
    if not claimed:
        return Judgement(Verdict.NO_CLAIM, "nothing here says how many entries it has"), oddities
    if len(claimed) > 1:
        return Judgement(Verdict.CLAIMS_DISAGREE, _who_says(claimed, _count_words) + _fitting(entries, claimed)), oddities
    claim = next(iter(claimed))
    low, high = _widened(entries, SIZE_MARGIN)
    if low <= claim <= high:
        return Judgement(Verdict.AGREES, f"{claim} entries by {', '.join(claimed[claim])}"), oddities
    shown = f"{entries.number():.0f} of {claim} entries claimed by {', '.join(claimed[claim])}"
    if claim < low:
        return Judgement(Verdict.CLAIM_SMALLER, f"{shown}; entries that hold several pages, or a cache edge taken for it"), oddities
    effective = row.effective_entries if row else None
    if chip is not None and effective is not None and low <= effective.nearest(entries.number()) <= high:
        return Judgement(
            Verdict.CLAIM_LARGER, f"{shown}; data reaches {_figures(effective)} on {chip.title}: instructions share it"
        ), oddities
    return Judgement(Verdict.CLAIM_LARGER, f"{shown}; instructions share it, sets fill unevenly, or a sibling thread"), oddities


# --- words and sums ---------------------------------------------------------------------------------------------------------


def _widened(fact: Fact[int], margin: float) -> tuple[float, float]:
    value = fact.number()
    low = value if fact.low is None else min(fact.low, value)
    high = value if fact.high is None else max(fact.high, value)
    return low * (1 - margin), high * (1 + margin)


def _by_size(said: Iterable[tuple[str, int]]) -> dict[int, list[str]]:
    """Size to the sources that claim it, largest first, each source once."""
    found: dict[int, list[str]] = {}
    for source, size in said:
        if source not in found.setdefault(size, []):
            found[size].append(source)
    return dict(sorted(found.items(), reverse=True))


def _count_words(count: float) -> str:
    return f"{count:.0f} entries"


def _who_says(claimed: dict[int, list[str]], words: Callable[[float], str]) -> str:
    return "; ".join(f"{', '.join(sources)}: {words(size)}" for size, sources in claimed.items())


def _fitting(size: Fact[int], claimed: dict[int, list[str]]) -> str:
    low, high = _widened(size, SIZE_MARGIN)
    fitting = [sources[0] for claim, sources in claimed.items() if low <= claim <= high]
    return f"; measured fits {fitting[0]}" if len(fitting) == 1 else "; measured fits none" if not fitting else ""


def _kind_of_level(name: str) -> str:
    return name if name in ("L1d", "L2") else "LLC"


def _usual(causes: dict[str, str], name: str) -> str:
    return "usual causes: " + causes[_kind_of_level(name)]


def _known_effective(name: str, size: Fact[int], chip: Chip | None) -> str:
    """Words for a reach that is published for one core of this chip and fits, else nothing."""
    cell = chip.cache(name).effective_bytes if chip else None
    low, high = _widened(size, SIZE_MARGIN)
    if chip is None or cell is None or not low <= cell.nearest(size.number()) <= high:
        return ""
    return f"one core reaches {size_words(cell.nearest(size.number()))} on {chip.title}, as published"


def _cell_sizes(cell: Cell | None) -> tuple[int, ...]:
    return tuple(int(value) for value in cell.values) if cell else ()


def _odd_claims(name: str, claimed: dict[int, list[str]], chip: Chip | None) -> tuple[str, ...]:
    cell = chip.cache(name).size_bytes if chip else None
    if chip is None or cell is None:
        return ()
    said = ", ".join(size_words(v) for v in cell.values)
    return tuple(
        f"{name}: {', '.join(who)} claims {size_words(size)}, published {said} for {chip.title}"
        for size, who in claimed.items()
        if size not in _cell_sizes(cell)
    )


def _odd_size(name: str, size: Fact[int], chip: Chip | None) -> tuple[str, ...]:
    cell = chip.cache(name).size_bytes if chip else None
    low, high = _widened(size, SIZE_MARGIN)
    if chip is None or cell is None or any(low <= value <= high for value in cell.values):
        return ()
    said = ", ".join(size_words(v) for v in cell.values)
    return (f"{name}: effective size {size_words(size.number())}, published {said} for {chip.title}",)


def _odd_entries(claimed: dict[int, list[str]], published: tuple[int, ...], chip: Chip | None) -> tuple[str, ...]:
    if chip is None or not published:
        return ()
    said = ", ".join(str(count) for count in published)
    return tuple(
        f"{', '.join(who)} claims {count} entries, published {said} for {chip.title}"
        for count, who in claimed.items()
        if count not in published
    )


def _figures(cell: Cell) -> str:
    return " or ".join(f"{value:g}" for value in cell.values)


def _core(chip: Chip | None) -> str:
    return chip.title if chip else "this core"


# Three micro-operations on two pipes, as 64-bit integer multiplications have on Intel's cores with AVX-512.
_TWO_THIRDS = 2 / 3


def _steps() -> list[float]:
    return [1 / n for n in range(SLOWEST, 1, -1)] + [_TWO_THIRDS] + [float(n) for n in range(1, MOST_PIPES + 1)]


def _step_words(step: float) -> str:
    return "2/3" if step == _TWO_THIRDS else f"{step:.0f}" if step >= 1 else f"1/{round(1 / step)}"


def _times(fact: Fact[float], factor: float) -> Fact[float]:
    """The fact scaled by an exact number, interval and all."""
    low, high = (None if bound is None else bound * factor for bound in (fact.low, fact.high))
    return derived(fact.number() * factor, "op/cycle", fact.by, low, high)


def _meets(fact: Fact[float], point: float) -> bool:
    """Within 3 % of the point, or the point inside the interval of a fact that is sharp enough to say so."""
    if abs(fact.number() - point) <= RATE_MARGIN * point:
        return True
    return fact.low is not None and fact.high is not None and not _too_wide(fact) and fact.low <= point <= fact.high


def _too_wide(fact: Fact[float]) -> bool:
    return fact.low is not None and fact.high is not None and fact.high - fact.low > WIDEST_INTERVAL * fact.number()


def _on_step(each: Fact[float]) -> float | None:
    steps = [step for step in _steps() if _meets(each, step)]
    return min(steps, key=lambda step: abs(step - each.number())) if steps else None


def _pipes_words(each: Fact[float]) -> str:
    step = _on_step(each)
    if step is None:
        return f"{three_figures(each.number())} instructions a cycle"
    if step >= 1:
        return f"{step:.0f} {'pipe' if step == 1 else 'pipes'}"
    return "two instructions in 3 cycles" if step == _TWO_THIRDS else f"one instruction in {round(1 / step)} cycles"


def _between_pipes(op: str, each: Fact[float]) -> tuple[str, ...]:
    steps, value = _steps(), each.number()
    shown = f"{op}: {three_figures(value)} instructions a cycle"
    if _too_wide(each):
        return (f"{shown}, interval {three_figures(each.low or 0)} to {three_figures(each.high or 0)}: too wide to judge",)
    if _on_step(each) is not None or value < steps[0] or ("+" in op and value <= steps[-1]):
        return ()
    if value > steps[-1]:
        return (f"{shown}: more than {MOST_PIPES} pipes, so the clock or the count is wrong",)
    below = max(step for step in steps if step < value)
    above = min(step for step in steps if step > value)
    pipes = "pipes" if above > 1 else "of a pipe"
    return (
        f"{shown}: between {_step_words(below)} and {_step_words(above)} {pipes}: throttled, a busy sibling thread, or a clock that moved",
    )


def _inconsistent(expected: float, done: float) -> tuple[str, ...]:
    if abs(expected - done) <= RATE_MARGIN * expected:
        return ()
    return (f"{three_figures(done)} op/cycle do not follow from the instructions ({three_figures(expected)}): two clocks, or a miscount",)


def _below(done: float, published: float, each: Fact[float]) -> str:
    share = f"{100 * done / published:.0f} %"
    cause = "fewer pipes than the core has, or a part with fewer units" if _on_step(each) is not None else "throttling or a shared core"
    return f"{share} of the published {published:g} op/cycle: {cause}"


def _above(done: float, published: float) -> str:
    shown = f"{three_figures(done)} op/cycle is above the published {published:g}"
    return f"{shown}: a clock read too low, or another core than named"
