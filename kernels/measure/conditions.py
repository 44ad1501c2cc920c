"""Read the conditions that a measurement runs in: limits, neighbours, power settings, memory. Before and after each run.

`read_state` collects raw text, `facts_of` (in `condition_facts`) makes Facts of it; `read_conditions` is both. Whatever a system
does not have, hides, or fills with nonsense becomes a Fact without a value that says so. Nothing here needs privileges.
Known flaws: limits set outside of a container's own view (by the host, by a hypervisor) cannot be read; steal and throttling
then show in the samples only.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...configs.facts import Fact, Scalar
from .cgroups import read_groups
from .condition_facts import facts_of, memory_rooms
from .system_files import read_files, read_text, under

WINDOW_S = 0.1  # ten ticks of /proc/stat: other load is seen in steps of 10 %

_FILES = (
    "/proc/loadavg",
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
    "/proc/version",
    "/proc/sys/kernel/perf_event_paranoid",
    "/proc/sys/kernel/numa_balancing",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/smt/active",
    "/sys/devices/system/cpu/smt/control",
    "/sys/devices/system/cpu/vulnerabilities/*",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
    "/sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference",
    "/sys/devices/system/cpu/cpufreq/policy0/scaling_driver",
    "/sys/devices/system/cpu/intel_pstate/no_turbo",
    "/sys/devices/system/cpu/cpufreq/boost",
    "/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count",
    "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count",
    "/sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list",
    "/sys/devices/system/cpu/cpu0/microcode/version",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/mm/transparent_hugepage/defrag",
    "/sys/kernel/mm/hugepages/hugepages-*/nr_hugepages",
    "/sys/kernel/mm/hugepages/hugepages-*/free_hugepages",
    "/sys/hypervisor/type",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/dmi/id/product_name",
    "/proc/device-tree/hypervisor/compatible",
)
# Files of which a few lines matter: (path, beginnings of the lines that are kept).
_LINES = (
    ("/proc/meminfo", ("MemTotal", "MemAvailable", "MemFree", "SwapTotal", "SwapFree", "AnonHugePages", "HugePages_", "Hugepagesize")),
    ("/proc/self/status", ("VmSize", "VmPeak", "VmData", "Cpus_allowed_list", "Mems_allowed_list", "THP_enabled")),
    ("/proc/stat", ("cpu", "procs_running", "procs_blocked")),
)

# Variables that change what a library computes with, how many threads it takes, or where memory comes from.
_OVERRIDES = (
    *(
        "OPENBLAS_",
        "GOTO_",
        "MKL_",
        "BLIS_",
        "OMP_",
        "GOMP_",
        "KMP_",
        "DNNL_",
        "ONEDNN_",
        "NVPL_",
        "VECLIB_",
        "ARMPL_",
        "AOCL_",
        "FLEXIBLAS",
    ),
    *("NUMEXPR_", "NPY_", "TBB_", "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "MIMALLOC_", "TCMALLOC_"),
    *("NUMBA_", "JAX_", "XLA_", "TORCH_", "PYTORCH_"),
)
_SECRET = ("TOKEN", "SECRET", "PASSWORD", "LICENSE", "KEY")

_CONTAINER_FILES = {"/.dockerenv": "docker", "/run/.containerenv": "podman", "/run/systemd/container": "", "/proc/vz": "openvz"}
_CONTAINER_WORDS = {
    "kubepods": "kubernetes",
    "docker": "docker",
    "libpod": "podman",
    "containerd": "containerd",
    "lxc": "lxc",
    "machine.slice/systemd-nspawn": "systemd-nspawn",
}


def read_conditions(root: Path = Path("/"), allowed: Iterable[int] | None = None, window_s: float = WINDOW_S) -> dict[str, Fact[Scalar]]:
    """Facts of the state of the system now; waits for `window_s` to see what else runs.

    `allowed` are the CPUs of the whole run where the caller itself is pinned to one of them.
    """
    return facts_of(read_state(root, allowed, window_s))


def read_overrides(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environ` that change how libraries compute, sorted; values that may be secret are not kept."""
    found = {}
    for name in sorted(environ):
        if name.startswith(_OVERRIDES):
            found[name] = "(set, not kept)" if any(word in name for word in _SECRET) else environ[name]
    return found


def read_state(root: Path = Path("/"), allowed: Iterable[int] | None = None, window_s: float = WINDOW_S) -> dict[str, Any]:
    """The raw readings, as JSON values: file texts by path, control groups from the own one up, what the system calls say."""
    files = read_files(root, _FILES)
    for path, beginnings in _LINES:
        text = read_text(under(root, path))
        if text is not None:
            files[path] = _kept_lines(text, beginnings)
    if "/proc/version" in files:  # without the names of whoever built the kernel, and where
        files["/proc/version"] = re.sub(r"\s*\(\S+@\S+\)", "", files["/proc/version"])
    cpuinfo = read_text(under(root, "/proc/cpuinfo"))
    if cpuinfo is not None:
        files["/proc/cpuinfo"] = _kept_lines(cpuinfo.split("\n\n", maxsplit=1)[0], ("microcode", "flags"))
    state: dict[str, Any] = {
        "files": files,
        "groups": {name: read_groups(root, name) for name in ("cpu", "memory", "cpuset")},
        "container": _container_signs(root),
        "allowed": sorted(allowed) if allowed is not None else _affinity(),
        "limits": _resource_limits(),
        "page_bytes": _page_bytes(),
        "system": platform.system(),
        "available_bytes": None if "/proc/meminfo" in files else _available_bytes(),
        "load_1m": None if "/proc/loadavg" in files else _load_average(),
    }
    if "/proc/stat" in files and window_s > 0:
        start = time.perf_counter()
        time.sleep(window_s)
        later = read_text(under(root, "/proc/stat"))
        if later is not None:
            state["stat_later"] = _kept_lines(later, ("cpu",))
            state["window_s"] = time.perf_counter() - start
    return state


def memory_budget_bytes(root: Path = Path("/")) -> tuple[int, str]:
    """(bytes that may still be allocated here, the limit that says so), never below 0.

    The tightest of: every memory control group from the process's own upwards (limit less what is used and cannot be
    reclaimed), the address space and data limits, and what the system calls available. An eighth is kept back for the
    interpreter and for others, because the answer to going over is a killed process. Without any source: 1 GiB, and it says so.
    """
    rooms = memory_rooms_here(root)
    if not rooms:
        return 2**30, "no limit could be read; 1 GiB is assumed"
    room, source = min(rooms)
    return max(0, room - room // 8), source


def memory_rooms_here(root: Path = Path("/")) -> list[tuple[int, str]]:
    """(bytes left, source) under each limit on memory; quick enough to be asked before each large buffer."""
    texts = {path: (read_text(under(root, path)), beginnings) for path, beginnings in _LINES if path != "/proc/stat"}
    files = {path: _kept_lines(text, beginnings) for path, (text, beginnings) in texts.items() if text is not None}
    state = {
        "files": files,
        "groups": {"memory": read_groups(root, "memory")},
        "limits": _resource_limits(),
        "available_bytes": None if "/proc/meminfo" in files else _available_bytes(),
    }
    return memory_rooms(state)


def _kept_lines(text: str, beginnings: tuple[str, ...]) -> str:
    return "\n".join(line for line in text.splitlines() if line.startswith(beginnings))


def _affinity() -> list[int]:
    """The CPUs that this process may run on, empty where the system cannot say."""
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return []


def _page_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _available_bytes() -> int | None:
    """Free and reclaimable memory where there is no /proc/meminfo (macOS, Windows)."""
    try:
        import psutil

        return int(psutil.virtual_memory().available)
    except (ImportError, OSError, RuntimeError, KeyError, ValueError):  # psutil parses /proc itself on Linux
        return None


def _resource_limits() -> dict[str, int]:
    """The soft limits on memory that are set, by name."""
    try:
        import resource
    except ImportError:
        return {}
    limits = {}
    for name in ("AS", "DATA"):
        try:
            soft, _ = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
        except (AttributeError, ValueError, OSError):
            continue
        if soft != resource.RLIM_INFINITY:
            limits[name.lower()] = soft
    return limits


def _container_signs(root: Path) -> list[str]:
    """Words for each sign of a container; group paths themselves are not kept, they name jobs and people."""
    signs = []
    for path, word in _CONTAINER_FILES.items():
        try:
            if under(root, path).exists() and (name := word or (read_text(under(root, path)) or "")):
                signs.append(f"{name} ({path})")
        except OSError:
            continue
    groups = (read_text(under(root, "/proc/self/cgroup")) or "") + "\n" + (read_text(under(root, "/proc/1/cgroup")) or "")
    signs.extend(f"{word} (control group)" for sign, word in _CONTAINER_WORDS.items() if sign in groups)
    if root == Path("/"):
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            signs.append("kubernetes (environment)")
        if os.environ.get("container"):  # noqa: SIM112 - systemd's container interface spells it so
            signs.append(f"{os.environ['container']} (environment)")  # noqa: SIM112
    return signs
