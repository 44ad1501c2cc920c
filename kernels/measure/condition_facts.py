"""Make Facts of the raw readings of `conditions.read_state`: pure, so that stored readings can be read again.

Every Fact cites the file that it comes from. Content that is empty, negative, absurd or no number makes a Fact without a value.
Sources: Linux Documentation/admin-guide/cgroup-v1, cgroup-v2.rst, proc_stat(5), Documentation/accounting/psi.rst,
Documentation/admin-guide/mm/transhuge.rst, Documentation/admin-guide/pm/intel_pstate.rst.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...configs.facts import Fact, Scalar, derived, reported, unknown
from .system_files import cpu_list, cpu_list_text, keyed_numbers, whole_number
from .virtualisation import container_name, hypervisor_name

Facts = dict[str, Fact[Scalar]]

_CPU = "/sys/devices/system/cpu"
_TICKS_PER_S = 100  # USER_HZ, which is 100 on every Linux port in use
_UNLIMITED_BYTES = 2**60  # version 1 writes "no limit" as a huge page-aligned number (PAGE_COUNTER_MAX)


def facts_of(state: dict[str, Any]) -> Facts:
    """All conditions of one reading, by name; unknown ones carry the reason."""
    files = _texts(state.get("files"))
    facts: Facts = {
        "hypervisor": hypervisor_name(files, "", state.get("system", "")),
        "container": container_name(state.get("container") or [], files),
    }
    facts |= _cpu_limits(state, files)
    facts |= _memory(state, files)
    facts |= _stolen_and_busy(state, files)
    facts |= _load(state, files)
    facts |= _power(files)
    facts |= _pages(state, files)
    facts |= _system(files)
    return facts


def _texts(value: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _groups(state: dict[str, Any], controller: str) -> list[dict[str, str]]:
    groups = (state.get("groups") or {}).get(controller) or []
    return [_texts(group) for group in groups]


def _or_unknown(value: Scalar | None, unit: str, by: str, why: str) -> Fact[Scalar]:
    return unknown(unit, by, why) if value is None else reported(value, unit, by)


def _file_fact(files: dict[str, str], path: str, unit: str = "") -> Fact[Scalar]:
    """The text of one file, or that it is not there."""
    text = files.get(path)
    return _or_unknown(text or None, unit, path, "the file is empty" if text == "" else "the file is not there")


def _number_fact(files: dict[str, str], path: str, unit: str = "") -> Fact[Scalar]:
    value = whole_number(files.get(path))
    return _or_unknown(value, unit, path, "the file holds no number" if path in files else "the file is not there")


def _cpu_limits(state: dict[str, Any], files: dict[str, str]) -> Facts:
    allowed = [c for c in state.get("allowed") or [] if isinstance(c, int)]
    online = cpu_list(files.get(f"{_CPU}/online"))
    cpuset = next(
        (t for g in _groups(state, "cpuset") for n in ("cpuset.cpus.effective", "cpuset.effective_cpus") if (t := g.get(n))), None
    )
    quota, where = _quota_cpus(_groups(state, "cpu"))
    stats = [keyed_numbers(group.get("cpu.stat")) for group in _groups(state, "cpu")]
    throttled = [max(0, s["nr_throttled"]) for s in stats if "nr_throttled" in s]
    throttled_s = [max(0, s["throttled_usec"]) * 1e-6 for s in stats if "throttled_usec" in s]
    throttled_s += [max(0, s["throttled_time"]) * 1e-9 for s in stats if "throttled_time" in s]
    no_group = "no CPU control group is visible" if not _groups(state, "cpu") else "the control group keeps no such counter"
    return {
        "allowed_cpus": _or_unknown(
            cpu_list_text(allowed) or None, "", "sched_getaffinity", "the system cannot say which CPUs are allowed"
        ),
        "online_cpus": _or_unknown(cpu_list_text(online) or None, "", f"{_CPU}/online", "the file is not there or holds no CPU list"),
        "cpuset": _or_unknown(cpuset, "", "cpuset.cpus.effective", "no cpuset control group is visible"),
        "cpu_quota": _or_unknown(quota, "cpu", where or "cgroup", "no control group sets a quota"),
        "throttled_periods": _or_unknown(max(throttled, default=None), "", "cpu.stat", no_group),
        "throttled_s": _or_unknown(max(throttled_s, default=None), "s", "cpu.stat", no_group),
    }


def _quota_cpus(groups: list[dict[str, str]]) -> tuple[float | None, str]:
    """(the tightest CPU quota of all groups, in CPUs, and the file that sets it)."""
    quotas: list[tuple[float, str]] = []
    for group in groups:
        words = group.get("cpu.max", "").split()
        if words:
            period = whole_number(words[1]) if len(words) > 1 else 100_000  # the default where only a quota is written
            quotas.extend(_quota(whole_number(words[0]), period, "cpu.max"))
        quotas.extend(_quota(whole_number(group.get("cpu.cfs_quota_us")), whole_number(group.get("cpu.cfs_period_us")), "cpu.cfs_quota_us"))
    return min(quotas) if quotas else (None, "")


def _quota(quota: int | None, period: int | None, name: str) -> list[tuple[float, str]]:
    if quota is None or period is None or quota <= 0 or period <= 0:
        return []
    return [(quota / period, name)]


def memory_rooms(state: dict[str, Any]) -> list[tuple[int, str]]:
    """(bytes left, source) under each limit that can be read, in no order."""
    files = _texts(state.get("files"))
    rooms: list[tuple[int, str]] = []
    for group in _groups(state, "memory"):
        for limit_name, usage_name in (("memory.max", "memory.current"), ("memory.high", "memory.current"), _V1_MEMORY):
            limit, usage = _limit_bytes(group.get(limit_name)), whole_number(group.get(usage_name)) or 0
            if limit is not None:
                rooms.append((max(0, limit - max(0, usage - _reclaimable_bytes(group))), limit_name))
    status = _kib_lines(files.get("/proc/self/status"))
    limits = state.get("limits") or {}
    for name, used in (("as", "VmSize"), ("data", "VmData")):
        if isinstance(limits.get(name), int) and 0 <= limits[name] < _UNLIMITED_BYTES:
            rooms.append((max(0, limits[name] - status.get(used, 0)), f"RLIMIT_{name.upper()}"))
    meminfo = _kib_lines(files.get("/proc/meminfo"))
    if "MemAvailable" in meminfo:
        rooms.append((meminfo["MemAvailable"], "MemAvailable"))
    elif "MemFree" in meminfo:
        rooms.append((meminfo["MemFree"], "MemFree"))
    elif isinstance(state.get("available_bytes"), int):
        rooms.append((max(0, state["available_bytes"]), "available memory"))
    return rooms


_V1_MEMORY = ("memory.limit_in_bytes", "memory.usage_in_bytes")


def _limit_bytes(text: str | None) -> int | None:
    value = whole_number(text)  # "max" is no number
    return value if value is not None and 0 <= value < _UNLIMITED_BYTES else None


def _reclaimable_bytes(group: dict[str, str]) -> int:
    """Page cache of the group: the kernel drops it before it kills. Version 1 sums over child groups in `total_*`."""
    stat = keyed_numbers(group.get("memory.stat"))
    return sum(max(0, stat.get(f"total_{name}", stat.get(name, 0))) for name in ("inactive_file", "active_file"))


def _kib_lines(text: str | None) -> dict[str, int]:
    """`Name:  123 kB` lines as bytes."""
    found = {}
    for line in (text or "").splitlines():
        match = re.fullmatch(r"(\w+):\s+(\d{1,15}) kB", line.strip())
        if match:
            found[match[1]] = int(match[2]) * 1024
    return found


def _memory(state: dict[str, Any], files: dict[str, str]) -> Facts:
    meminfo = _kib_lines(files.get("/proc/meminfo"))
    available = meminfo.get("MemAvailable", state.get("available_bytes"))
    limits = [
        (limit, name)
        for g in _groups(state, "memory")
        for name in ("memory.max", _V1_MEMORY[0])
        if (limit := _limit_bytes(g.get(name))) is not None
    ]
    limit, source = min(limits) if limits else (None, "cgroup")
    rooms = memory_rooms(state)
    room: Fact[Scalar] = unknown("B", "conditions", "no memory limit could be read")
    if rooms:
        room = derived(min(rooms)[0], "B", min(rooms)[1], note="bytes left under the tightest limit")
    address_space = (state.get("limits") or {}).get("as")
    return {
        "memory_total": _or_unknown(meminfo.get("MemTotal"), "B", "/proc/meminfo", "the file does not say"),
        "memory_available": _or_unknown(available, "B", "/proc/meminfo", "the system does not say"),
        "memory_limit": _or_unknown(limit, "B", source, "no control group limits memory"),
        "address_space_limit": _or_unknown(address_space, "B", "RLIMIT_AS", "no limit is set"),
        "memory_room": room,
    }


def _cpu_lines(text: str | None) -> dict[str, list[int]]:
    """`cpu`, `cpu0`… to their tick counts; lines with anything but plain counts are left out."""
    lines = {}
    for line in (text or "").splitlines():
        words = line.split()
        if words and re.fullmatch(r"cpu\d*", words[0]) and len(words) >= 5 and all(w.isdigit() and len(w) < 19 for w in words[1:]):
            lines[words[0]] = [int(w) for w in words[1:]]
    return lines


def _busy_ticks(counts: list[int]) -> int:
    """Ticks in which this guest's CPUs ran: all but idle, iowait and steal. Guest time is part of user time already."""
    return sum(n for i, n in enumerate(counts[:8]) if i not in (3, 4, 7))


def _stolen_and_busy(state: dict[str, Any], files: dict[str, str]) -> Facts:
    before, after = _cpu_lines(files.get("/proc/stat")), _cpu_lines(state.get("stat_later"))
    total = before.get("cpu")
    why = "/proc/stat does not say" if total is None or len(total) < 8 else ""
    facts: Facts = {}
    if total is None or why:
        facts["steal_s"] = facts["steal_share"] = unknown("", "/proc/stat", why)
        facts["busy_s"] = unknown("s", "/proc/stat", why)
    else:
        busy, steal = _busy_ticks(total), total[7]
        facts["steal_s"] = reported(steal / _TICKS_PER_S, "s", "/proc/stat", "summed over CPUs since the system started")
        facts["busy_s"] = reported(busy / _TICKS_PER_S, "s", "/proc/stat", "summed over CPUs since the system started")
        # Steal arises only while a CPU wants to run, so the share of wanted time is what a benchmark would feel.
        facts["steal_share"] = derived(
            steal / max(1, busy + steal), "", "/proc/stat", note="of the time that CPUs wanted to run, since start"
        )
    shares = _busy_shares(before, after)
    if not shares:
        facts["other_load"] = facts["sibling_busy"] = unknown("cpu", "/proc/stat", "no second look at /proc/stat")
        return facts
    facts["other_load"] = derived(sum(shares.values()), "cpu", "/proc/stat", note="CPUs in use by others while this process waited")
    siblings = _smt_siblings(files)
    if siblings:
        facts["sibling_busy"] = derived(
            max(shares.get(c, 0.0) for c in siblings), "", "/proc/stat", note="share of time of the busiest SMT sibling"
        )
    else:
        facts["sibling_busy"] = unknown("", "thread_siblings_list", "no CPU has an SMT sibling that the system shows")
    return facts


def _busy_shares(before: dict[str, list[int]], after: dict[str, list[int]]) -> dict[int, float]:
    """CPU to the share of the window in which it ran; CPUs whose counters ran backwards are left out."""
    shares = {}
    for name, counts in after.items():
        past = before.get(name)
        if name == "cpu" or past is None or len(past) != len(counts):
            continue
        busy = _busy_ticks(counts) - _busy_ticks(past)
        span = sum(counts[:8]) - sum(past[:8])
        if span > 0 and 0 <= busy <= span:
            shares[int(name[3:])] = busy / span
    return shares


def _smt_siblings(files: dict[str, str]) -> set[int]:
    """All CPUs that share their core with another one."""
    siblings: set[int] = set()
    for path, text in files.items():
        if path.endswith("/topology/thread_siblings_list") and len(group := cpu_list(text)) > 1:
            siblings.update(group)
    return siblings


def _load(state: dict[str, Any], files: dict[str, str]) -> Facts:
    path = "/proc/loadavg"
    words = files.get(path, "").split()
    loads = [_non_negative(word) for word in words[:3]]
    first = loads[0] if loads else state.get("load_1m")
    facts: Facts = {"load_1m": _or_unknown(first, "", path, "the system does not say")}
    facts["load_5m"] = _or_unknown(loads[1] if len(loads) > 1 else None, "", path, "the system does not say")
    for name in ("cpu", "memory", "io"):
        pressure = re.search(r"^some avg10=([\d.]+)", files.get(f"/proc/pressure/{name}", ""), re.MULTILINE)
        value = _non_negative(pressure[1]) if pressure else None
        facts[f"pressure_{name}"] = _or_unknown(value, "%", f"/proc/pressure/{name}", "the kernel keeps no pressure counters")
    return facts


def _non_negative(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None


def _matching(files: dict[str, str], pattern: str) -> list[str]:
    return [text for path, text in files.items() if re.fullmatch(pattern, path) and text]


def _all_of(texts: Iterable[str]) -> str | None:
    """One word where all agree, otherwise all of them in order."""
    return ", ".join(sorted(set(texts))) or None


def _power(files: dict[str, str]) -> Facts:
    policy = f"{_CPU}/cpufreq/policy\\d+"
    no_freq = "the system does not show frequency scaling (usual in a guest)"
    turbo: Fact[Scalar] = unknown("", "cpufreq", no_freq)
    for path, on in ((f"{_CPU}/intel_pstate/no_turbo", "0"), (f"{_CPU}/cpufreq/boost", "1")):
        if files.get(path) in ("0", "1"):
            turbo = reported("on" if files[path] == on else "off", "", path)
            break
    throttles = [n for t in _matching(files, f"{_CPU}/cpu\\d+/thermal_throttle/\\w+") if (n := whole_number(t)) is not None and n >= 0]
    smt = {"1": "on", "0": "off"}.get(files.get(f"{_CPU}/smt/active", ""))
    return {
        "governor": _or_unknown(_all_of(_matching(files, f"{policy}/scaling_governor")), "", "scaling_governor", no_freq),
        "energy_preference": _or_unknown(
            _all_of(_matching(files, f"{policy}/energy_performance_preference")), "", "energy_performance_preference", no_freq
        ),
        "scaling_driver": _or_unknown(files.get(f"{_CPU}/cpufreq/policy0/scaling_driver"), "", "scaling_driver", no_freq),
        "turbo": turbo,
        "thermal_throttles": _or_unknown(sum(throttles) if throttles else None, "", "thermal_throttle", "the system keeps no such counter"),
        "smt": _or_unknown(smt, "", f"{_CPU}/smt/active", "the file is not there"),
    }


def _pages(state: dict[str, Any], files: dict[str, str]) -> Facts:
    enabled = "/sys/kernel/mm/transparent_hugepage/enabled"
    chosen = re.search(r"\[(\w+)\]", files.get(enabled, ""))
    facts: Facts = {
        "page_bytes": _or_unknown(state.get("page_bytes"), "B", "sysconf", "the system does not say"),
        "thp": _or_unknown(chosen[1] if chosen else None, "", enabled, "the file is not there or names no mode"),
    }
    for path, text in files.items():
        match = re.fullmatch(r"/sys/kernel/mm/hugepages/hugepages-(\d+)kB/nr_hugepages", path)
        total, free = whole_number(text), whole_number(files.get(path.replace("nr_", "free_")))
        if match and total is not None and free is not None:
            facts[f"hugepages_{match[1]}k"] = reported(f"{free} free of {total}", "", path.rsplit("/", 1)[0])
    return facts


def _system(files: dict[str, str]) -> Facts:
    holes = sorted(
        path.rsplit("/", 1)[1]
        for path, text in files.items()
        if path.startswith(f"{_CPU}/vulnerabilities/") and text.startswith("Vulnerable")
    )
    mitigated = sorted(
        path.rsplit("/", 1)[1]
        for path, text in files.items()
        if path.startswith(f"{_CPU}/vulnerabilities/") and text.startswith("Mitigation")
    )
    shown = any(path.startswith(f"{_CPU}/vulnerabilities/") for path in files)
    mitigations = f"on for {', '.join(mitigated) or 'none'}; open: {', '.join(holes) or 'none'}" if shown else None
    microcode = re.search(r"^microcode\s*:\s*(\S+)", files.get("/proc/cpuinfo", ""), re.MULTILINE)
    return {
        "microcode": _or_unknown(
            files.get(f"{_CPU}/cpu0/microcode/version") or (microcode[1] if microcode else None), "", "microcode", "the system does not say"
        ),
        "mitigations": _or_unknown(mitigations, "", f"{_CPU}/vulnerabilities", "the folder is not there"),
        "perf_event_paranoid": _number_fact(files, "/proc/sys/kernel/perf_event_paranoid"),
        "numa_balancing": _number_fact(files, "/proc/sys/kernel/numa_balancing"),
        "clocksource": _file_fact(files, "/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    }
