"""In what conditions this machine measures: limits, neighbours, power settings, memory pages; and what of it hurts trust.

The raw readings are kept; Facts are made of them when read. `diagnose` turns Facts into notices, for a machine and for `doctor`.
Known flaw: a moment is read, not the whole run; what disturbs single samples is told by `kernels.measure.contamination`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

from ..configs.curve import Curve
from ..configs.facts import Fact, Scalar
from ..configs.machine import Conditions, Machine, Notice, Topology
from ..configs.units import MIB, size_words
from ..kernels.measure.condition_facts import facts_of
from ..kernels.measure.conditions import read_overrides, read_state
from ..kernels.measure.system_files import cpu_list
from .context import Context
from .registry import probe

# A guest that waits for one hundredth of the time it wants to run moves a mean by as much: the size of what is to be told apart.
_STEAL_SHARE = 0.01
# One tick of /proc/stat in the window is 10 %: two and a half are no accident.
_SIBLING_BUSY = 0.25
_OTHER_LOAD = 0.5
_LITTLE_BYTES = 512 * MIB  # a default probe uses working sets of about this size


@probe("conditions", version=1, needs=("topology",), seconds=(0.2, 0.2, 0.2))
def measure(context: Context) -> Curve:
    """Collect the state of the system, and the environment's overrides."""
    state = read_state(context.root, allowed=context.cpus)
    missing = () if state["files"] else ("no file in which a system tells its state can be read here",)
    return Curve("conditions", 1, readings={"state": state, "overrides": read_overrides(os.environ)}, missing=missing)


def infer(curve: Curve, machine: Machine) -> Machine:
    """The conditions before the run, and a notice for each that hurts trust."""
    overrides = {str(k): str(v) for k, v in (curve.readings.get("overrides") or {}).items()}
    before = facts_of(curve.readings.get("state") or {})
    if "hypervisor" in machine.identity:  # the identity probe has asked CPUID, which names what files only hint at
        before["hypervisor"] = machine.identity["hypervisor"]
    conditions = dataclasses.replace(machine.conditions, before=before, overrides=overrides)
    notices = diagnose(conditions, machine.topology)
    return dataclasses.replace(machine, conditions=conditions, notices=(*machine.notices, *notices))


def diagnose(conditions: Conditions, topology: Topology | None = None) -> tuple[Notice, ...]:
    """What of these conditions hurts trust in a measurement, worst first. Facts that are unknown make no notice."""
    facts = conditions.before
    allowed = len(cpu_list(_word(facts, "allowed_cpus"))) or (len(topology.allowed) if topology else 0)
    return (
        *_quota_notices(facts, conditions.after, allowed),
        *_steal_notices(facts, conditions.after),
        *_neighbour_notices(facts, allowed),
        *_power_notices(facts, conditions.after),
        *_memory_notices(facts),
        *_override_notices(conditions.overrides),
    )


def closed(machine: Machine, after: dict[str, Fact[Scalar]]) -> Machine:
    """The machine with the conditions at the end of its run, and what both together say against it."""
    named = {name: machine.identity[name] for name in ("hypervisor",) if name in machine.identity and after}  # as before the run
    conditions = dataclasses.replace(machine.conditions, after={**after, **named})
    told = {notice.what for notice in machine.notices}
    new = tuple(n for n in diagnose(conditions, machine.topology) if n.what not in told)
    return dataclasses.replace(machine, conditions=conditions, notices=machine.notices + new)


def _word(facts: dict[str, Fact[Scalar]], name: str) -> str:
    """The Fact's value as a word; empty where there is none."""
    fact = facts.get(name)
    return str(fact.value) if fact is not None and fact.value is not None else ""


def _number(facts: dict[str, Fact[Scalar]], name: str) -> float | None:
    """The Fact's value as a number; None where there is none."""
    fact = facts.get(name)
    if fact is None or isinstance(fact.value, bool) or not isinstance(fact.value, (int, float)):
        return None
    return float(fact.value)


def _grown(before: dict[str, Fact[Scalar]], after: dict[str, Fact[Scalar]], name: str) -> float:
    """How much a counter grew over the run; 0 where it is not known at both ends, or ran backwards."""
    first, last = _number(before, name), _number(after, name)
    return max(0.0, last - first) if first is not None and last is not None else 0.0


def _quota_notices(facts: dict[str, Fact[Scalar]], after: dict[str, Fact[Scalar]], allowed: int) -> Iterator[Notice]:
    quota = _number(facts, "cpu_quota")
    if quota is not None and quota < allowed:
        yield Notice(
            f"CPU quota of {quota:.3g} for {allowed} allowed CPUs",
            "a control group stops every thread once the quota of a period is used, which looks like a slow machine",
            f"use at most {max(1, int(quota))} threads, or raise the container's CPU limit",
            "quota",
        )
    during = _grown(facts, after, "throttled_periods")
    if during:
        yield Notice(
            f"stopped by the CPU quota in {during:.0f} periods of this run",
            "samples taken then are marked and left out, but caches and clocks were disturbed too",
            "raise the container's CPU limit",
            "quota",
        )
    elif _number(facts, "throttled_periods"):
        yield Notice(
            f"the CPU quota has stopped this container {_number(facts, 'throttled_periods'):.0f} times before this run",
            "it is likely to happen again while something is measured",
            "raise the container's CPU limit, or use fewer threads",
            "quota",
        )


def _steal_notices(facts: dict[str, Fact[Scalar]], after: dict[str, Fact[Scalar]]) -> Iterator[Notice]:
    stolen, busy = _grown(facts, after, "steal_s"), _grown(facts, after, "busy_s")
    share, when = (
        (stolen / (stolen + busy), "during this run") if busy > 0 else (_number(facts, "steal_share") or 0.0, "since the system started")
    )
    if share > _STEAL_SHARE:
        yield Notice(
            f"the hypervisor kept back {share:.1%} of the CPU time that was wanted, {when}",
            "other guests run on the same cores; times vary with what they do",
            "use dedicated cores or a bare-metal instance; compare only interleaved measurements",
            "steal",
        )


def _neighbour_notices(facts: dict[str, Fact[Scalar]], allowed: int) -> Iterator[Notice]:
    sibling, other, load = (_number(facts, name) for name in ("sibling_busy", "other_load", "load_1m"))
    if sibling is not None and sibling > _SIBLING_BUSY:
        yield Notice(
            f"an SMT sibling is busy ({sibling:.0%} of the time)",
            "two threads of one core share its execution units and its L1 and L2 caches",
            "stop other work, or switch SMT off while measuring",
            "smt",
        )
    if other is not None and other > _OTHER_LOAD:
        yield Notice(
            f"other work keeps {other:.2g} CPU{'' if f'{other:.2g}' == '1' else 's'} busy",
            "it takes memory bandwidth, shared cache and power from what is measured",
            "stop other work on this machine while measuring",
            "load",
        )
    elif load is not None and allowed and load > allowed:
        yield Notice(
            f"load average {load:.3g} on {allowed} allowed CPUs",
            "more threads want to run than there are CPUs",
            "wait until the machine is idle",
            "load",
        )


def _power_notices(facts: dict[str, Fact[Scalar]], after: dict[str, Fact[Scalar]]) -> Iterator[Notice]:
    governor, driver = _word(facts, "governor"), _word(facts, "scaling_driver")
    # With hardware-managed frequencies the governor's name is a hint to the chip; its preference then says how fast it reacts.
    if governor and governor != "performance":
        preference = _word(facts, "energy_preference")
        shown = f"governor {governor}" + (f" ({driver})" if driver else "") + (f", preference {preference}" if preference else "")
        yield Notice(
            shown,
            "the clock rises only after some time under load, so short measurements run slower than long ones",
            "sudo cpupower frequency-set -g performance",
            "governor",
        )
    if _grown(facts, after, "thermal_throttles"):
        yield Notice(
            f"slowed by heat {_grown(facts, after, 'thermal_throttles'):.0f} times during this run",
            "the clock fell below what the chip can hold when cool",
            "improve cooling, or pause between runs",
            "thermal",
        )


def _memory_notices(facts: dict[str, Fact[Scalar]]) -> Iterator[Notice]:
    if _word(facts, "thp") == "never":
        yield Notice(
            "transparent huge pages are off",
            "every large buffer lies in small pages, so address translation adds to cache and memory latency",
            "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
            "huge-pages",
        )
    room = _number(facts, "memory_room")
    if room is not None and room < _LITTLE_BYTES:
        yield Notice(
            f"only {size_words(room)} of memory may be used ({facts['memory_room'].by})",
            "working sets stay below it: large caches and memory are measured with small ones, or not at all",
            "raise the limit, or free memory",
            "containers",
        )


def _override_notices(overrides: dict[str, str]) -> Iterator[Notice]:
    if overrides:
        names = list(overrides)
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        yield Notice(
            f"set in the environment: {shown}",
            "such variables change which code a library runs, on how many threads, or where memory comes from",
            "unset them unless they are what you want to measure",
            "overrides",
        )
