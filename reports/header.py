"""Say in the first lines what machine this is and under which conditions it was measured."""

from __future__ import annotations

from collections.abc import Mapping

from ..configs.facts import Fact, Scalar
from ..configs.machine import ClockFacts, Machine, Topology
from ..configs.units import pretty
from .cells import kind_prefix, number_words, plural, reasons
from .look import Line, Look, Section, Span, flow, joined, titled
from .numbers import figure, value_of
from .tables import Cell, Column, grid, table

_BRAND, _SOURCE = 64, 32
_ABSENT = ("none seen", "none", "")


def header_section(machine: Machine, look: Look) -> Section:
    """Name, counts, system; then the conditions; then the clocks."""
    lines: list[Line] = [
        (Span(line[0].text, "strong" if i == 0 else ""),) for i, line in enumerate(joined(_name_parts(machine, look), look))
    ]
    why: list[tuple[str, Fact[Scalar] | Fact[float]]] = []
    if (design := machine.identity.get("microarchitecture")) is not None:
        why.append(("microarchitecture", design))
    lines += joined(_condition_parts(machine, look, why), look)
    for clock in machine.clocks:
        title = f"{kind_prefix(machine, clock.core_kind, look)}clock"
        first, *rest = _clock_parts(clock, look)
        lines += joined([f"{title} {first}", *rest], look)
        why += [(title, clock.core_hz), ("timer rate", clock.timer_hz)]
    return Section(tuple(lines), reasons(why, look))


def _word(facts: Mapping[str, Fact[Scalar]], name: str, look: Look, limit: int = 40) -> str:
    fact = facts.get(name)
    return look.word(str(fact.value), limit) if fact is not None and fact.value is not None else ""


def _name_parts(machine: Machine, look: Look) -> list[str]:
    identity = machine.identity
    brand = _word(identity, "brand", look, _BRAND) or " ".join(
        filter(
            None, (_word(identity, "vendor", look, 24), *(f"{k} {w}" for k in ("family", "model") if (w := _word(identity, k, look, 8))))
        )
    )
    march = _word(identity, "microarchitecture", look, 32)
    system = " ".join(filter(None, (_word(identity, "os", look, 32), _word(identity, "kernel", look, 40))))
    parts = [brand or "unknown processor", march if march.lower() != brand.lower() else ""]
    return [part for part in (*parts, *_count_parts(machine.topology, look), system) if part]


def _count_parts(topology: Topology | None, look: Look) -> list[str]:
    if topology is None:
        return []
    cores, threads = value_of(topology.cores), value_of(topology.threads)
    counts = [plural(_count(n, look), word) for n, word in ((cores, "core"), (threads, "thread")) if n is not None]
    if len(topology.kinds) > 1:
        named = [(sum(cpu.kind == kind for cpu in topology.cpus), look.word(kind, 8)) for kind in topology.kinds]
        counts.append("(" + " + ".join(f"{number} {kind}" for number, kind in named) + ")")
    parts = [", ".join(counts).replace(", (", " (")] if counts else []
    for fact, word in ((topology.packages, "package"), (topology.nodes, "NUMA node")):
        number = value_of(fact)
        if number is not None and number > 1:
            parts.append(plural(_count(number, look), word))
    if threads is not None and 0 < len(topology.allowed) < threads:
        parts.append(f"{len(topology.allowed)} allowed here")
    return parts


def _count(value: float, look: Look) -> int | str:
    return int(value) if value == int(value) and abs(value) < 10**6 else look.word(figure(value), 10)


def _condition_parts(machine: Machine, look: Look, why: list[tuple[str, Fact[Scalar] | Fact[float]]]) -> list[str]:
    """What a reader checks first; a setting that the system hides shows a dash and its reason at the end."""
    before = machine.conditions.before
    parts = []
    hypervisor = _word(before, "hypervisor", look, 24) or _word(machine.identity, "hypervisor", look, 24)
    if hypervisor and hypervisor not in _ABSENT:
        parts.append(f"guest of {'an ' * hypervisor.startswith('unknown')}{hypervisor}")
    container = _word(before, "container", look, 48).partition(" (")[0]
    if container not in _ABSENT:
        parts.append(f"container {container}")
    for name in ("governor", "turbo"):
        fact = before.get(name)
        if fact is not None:
            words = {True: "on", False: "off", None: look.missing}.get(fact.value) if isinstance(fact.value, bool | None) else None
            parts.append(f"{name} {words or look.word(str(fact.value), 32)}")
            why.append((name, fact))
    parts += _load_parts(machine, look)
    return parts


def _load_parts(machine: Machine, look: Look) -> list[str]:
    def number(facts: Mapping[str, Fact[Scalar]], *names: str) -> float | None:
        return next((value for name in names if name in facts and (value := value_of(facts[name])) is not None), None)

    before, after = machine.conditions.before, machine.conditions.after
    loads = [number(facts, "load_1m", "load_1min") for facts in (before, after)]
    shown = [f"{load:.1f}" if 0 <= load < 10**5 else look.missing for load in loads if load is not None]
    parts = [look.own(f"load {' → '.join(dict.fromkeys(shown))}")] if shown else []
    quota, steal = number(before, "cpu_quota"), number(before, "steal_share")
    parts += [f"quota {plural(look.word(f'{quota:g}', 10), 'CPU')}"] if quota is not None else []
    parts += [f"steal {figure(100 * steal)} %"] if steal is not None and steal >= 0.001 else []
    return parts


def _clock_parts(clock: ClockFacts, look: Look) -> list[str]:
    parts = [number_words(clock.core_hz, look, "GHz", 1e-9)]
    loads = [
        (look.word(name, 12), number_words(f, look, "", 1e-9).split(" ")[0]) for name, f in clock.under_load.items() if name != "scalar"
    ]
    if loads:
        bits = " bit" if all(name.isdigit() for name, _ in loads) else ""
        parts.append(f"{'/'.join(ghz for _, ghz in loads)} under {'/'.join(name for name, _ in loads)}{bits}")
    timer = look.word(str(clock.timer.value), 16) if clock.timer.value is not None else look.missing
    rate, step = value_of(clock.timer_hz), value_of(clock.timer_step_s)
    parts.append(timer + (f" {pretty(rate, 'Hz')}" if rate else ""))
    return [*map(look.own, parts), *([look.own(f"step {pretty(step, 's')}")] if step and look.full else [])]


def details_section(machine: Machine, look: Look) -> Section:
    """Identity, conditions, overrides, versions and features, each fact by name: the full screen only."""
    lines: list[Line] = []
    for title, facts in (("identity", machine.identity), ("before", machine.conditions.before), ("after", machine.conditions.after)):
        rows = [
            (Cell(look.word(name, 24)), Cell(look.word(_source(fact.by), _SOURCE)), Cell(_value_words(fact, look)))
            for name, fact in facts.items()
        ]
        columns = (Column(title, "left", least=look.lead), Column("by", "left"), Column("value", "left", flows=True))
        lines += [(), *table(grid(columns, rows), look)] if rows else []
    for title, words in (("overrides", machine.conditions.overrides), ("versions", machine.versions)):
        parts = [f"{look.word(name, 40)} {look.word(value, 80)}" for name, value in words.items()]
        lines += [(), *titled(title, joined(parts, look, rest="", width=look.width - look.lead), look.lead)] if parts else []
    if machine.features:
        text = " ".join(look.word(name, 24) for name in machine.features)
        lines += [(), *titled("features", flow(text, look, width=look.width - look.lead), look.lead)]
    return Section(tuple(lines[1:]))


def _source(by: str) -> str:
    """Where a fact comes from; of a long path its last name, which says what was read."""
    return by if len(by) <= _SOURCE else by.rpartition("/")[2]


def _value_words(fact: Fact[Scalar], look: Look) -> str:
    """The value with its unit; a dash and the reason where there is none."""
    if fact.value is None:
        return f"{look.missing} {look.prose(fact.note, 200)}"
    if isinstance(fact.value, bool):
        return "yes" if fact.value else "no"
    if isinstance(fact.value, str):
        return look.prose(fact.value, 300)
    if fact.unit == "B" and value_of(fact) is not None:
        return pretty(float(fact.value), "B") if abs(fact.value) < 2**70 else figure(float(fact.value))
    return number_words(fact, look, look.word(fact.unit, 12))


def stamp_section(machine: Machine, look: Look) -> Section:
    """Which machine, probed when, by which version: the full screen only."""
    if not look.full:
        return Section()
    when = look.word(machine.probed_at, 32).replace("T", " ").replace("Z", " UTC").removesuffix("+00:00")
    version = look.word(machine.versions.get("mmbench", ""), 24)
    parts = [f"machine {look.word(machine.id, 80)}", f"probed {when}" if when else "", f"mmbench {version}" if version else ""]
    return Section(tuple((Span(line[0].text, "dim"),) for line in joined([part for part in parts if part], look)))
