"""Tell for each sample what disturbed it, from the system's own counters and never from the value measured.

Around a sample in the calling thread: `begin()`, the sample, `end(wall_s)`. The answer is empty, or words joined by `+`:

    run-delay   the thread stood ready in a queue while another ran (schedstat)
    switched    it was taken off its CPU against its will (rusage)
    off-cpu     it used less CPU time than the wall clock shows: blocked, or stopped by the host where the kernel can see that
    steal       the hypervisor ran somebody else (/proc/stat; ticks of 10 ms, so looked at no oftener)
    throttled   the CPU quota of a control group ran out (cpu.stat)

The thresholds, each below a fifth of the 1 % that results are to be good to:
- run-delay and steal: 0.2 % of the time looked at. It is pure addition to the wall clock.
- switched: each switch is charged 50 µs, mostly for refilling L1 and part of L2 afterwards, and marks the sample when that
  passes 0.2 % of it. A short switch in a sample of 100 ms therefore passes: without that every long sample would be marked.
- off-cpu: 0.5 % and 20 µs. Kernels that account interrupt time leave every timer tick out of the thread's time (some 5 µs a
  tick in a guest, at up to 1000 Hz): that part is the same in all samples. The clock's slew (500 ppm at most) stays below, too.

Known flaws: steal is counted in ticks, so one sample of several within 10 ms may carry the mark for its neighbours. Throttling is
looked for every 10 ms or when CPU time is missing. Without schedstat (CONFIG_SCHED_INFO off, gVisor, macOS) a delay shows as
`off-cpu` or `switched` only; on Windows nothing is seen (its thread clock steps by 15.6 ms).
Source: Linux Documentation/scheduler/sched-stats.rst, Documentation/admin-guide/cgroup-v2.rst, getrusage(2), proc_stat(5).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .cgroups import group_folders
from .system_files import keyed_numbers, read_text, under, whole_number

SHARE = 0.002
SWITCH_COST_S = 50e-6
OFF_CPU_SHARE = 0.005
OFF_CPU_FLOOR_S = 20e-6
_LOOK_EVERY_S = 0.010  # the tick of /proc/stat (USER_HZ is 100 on every Linux port in use)
_LOOK_COST_SHARE = 0.01  # /proc/stat of 256 CPUs takes about 1 ms to write: then look less often, not longer


def _thread_switches() -> Callable[[], int] | None:
    """Reads the calling thread's involuntary context switches; None where the system has no such counter by thread."""
    try:
        from resource import RUSAGE_THREAD, getrusage
    except ImportError:  # Windows has no rusage; macOS has none by thread
        return None
    return lambda: getrusage(RUSAGE_THREAD).ru_nivcsw


def _thread_time() -> Callable[[], int] | None:
    """Reads the calling thread's CPU time in ns; None where its step is too coarse for a sample."""
    try:
        if time.get_clock_info("thread_time").resolution > OFF_CPU_FLOOR_S:
            return None
        time.thread_time_ns()
    except (AttributeError, ValueError, OSError):
        return None
    return time.thread_time_ns


class Contamination:
    """The counters of one thread. Make it in the thread that is sampled, once; use it for every sample; `close()` at the end.

    `root` is where /proc and /sys lie; the callables stand in for the system in tests. `sources` lists what can be seen here.
    A pair costs about 10 µs on Linux, all of it outside the sample's own stopwatch.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        now_ns: Callable[[], int] = time.perf_counter_ns,
        cpu_ns: Callable[[], int] | None = None,
        switches: Callable[[], int] | None = None,
    ) -> None:
        self._root = root
        self._now_ns = now_ns
        self._cpu_ns = cpu_ns or _thread_time()
        self._switches = switches or _thread_switches()
        self._folders: list[int] = []
        self._schedstat = -1
        self._stat = -1
        self._attach()
        self._start = (0, 0, 0)  # switches, CPU ns, run delay ns
        self._look()

    @property
    def sources(self) -> tuple[str, ...]:
        """The counters in use, by the word that each gives."""
        have = {
            "run-delay": self._schedstat >= 0,
            "switched": self._switches is not None,
            "off-cpu": self._cpu_ns is not None,
            "steal": self._stat >= 0,
            "throttled": bool(self._folders),
        }
        return tuple(word for word, there in have.items() if there)

    def begin(self) -> None:
        """Note the counters; call directly before the sample."""
        if self._thread != threading.get_ident():
            self.close()
            self._attach()
            self._look()
        if self._now_ns() - self._looked_ns >= self._look_every_ns:
            self._look()
        self._start = self._counters()

    def end(self, wall_s: float) -> str:
        """What disturbed the sample that took `wall_s` seconds; call directly after it."""
        switches, cpu_ns, delay_ns = (after - before for after, before in zip(self._counters(), self._start, strict=True))
        words = []
        if delay_ns * 1e-9 > SHARE * wall_s:
            words.append("run-delay")
        if switches * SWITCH_COST_S > SHARE * wall_s:
            words.append("switched")
        lost = self._cpu_ns is not None and wall_s - cpu_ns * 1e-9 > OFF_CPU_SHARE * wall_s + OFF_CPU_FLOOR_S
        if lost:
            words.append("off-cpu")
        if lost or self._now_ns() - self._looked_ns >= self._look_every_ns:
            words.extend(self._look())
        return "+".join(words)

    def close(self) -> None:
        """Give the open files back."""
        for fd in (self._schedstat, self._stat, *self._folders):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self._schedstat = self._stat = -1
        self._folders = []

    def _attach(self) -> None:
        """Open the calling thread's files. /proc/thread-self is resolved here, once."""
        self._thread = threading.get_ident()
        self._schedstat = self._open("/proc/thread-self/schedstat")
        if self._schedstat >= 0 and self._run_delay_ns(strict=True) < 0:
            os.close(self._schedstat)
            self._schedstat = -1
        self._stat = self._open("/proc/stat")
        self._line = self._pinned_line()
        for folder in group_folders(self._root, "cpu"):
            if _has_quota(folder) and (fd := self._open_path(folder / "cpu.stat")) >= 0:
                self._folders.append(fd)
        self._looked_ns = self._now_ns()
        self._look_every_ns = int(_LOOK_EVERY_S * 1e9)
        self._seen = (-1, -1)  # steal ticks, throttled periods

    def _pinned_line(self) -> bytes:
        """The line of /proc/stat to follow: the pinned CPU's own, or the sum over all."""
        try:
            allowed = os.sched_getaffinity(0)
        except (AttributeError, OSError):
            return b"cpu "
        return f"cpu{next(iter(allowed))} ".encode() if len(allowed) == 1 else b"cpu "

    def _open(self, path: str) -> int:
        return self._open_path(under(self._root, path))

    @staticmethod
    def _open_path(path: Path) -> int:
        if not hasattr(os, "pread"):
            return -1
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1

    def _counters(self) -> tuple[int, int, int]:
        delay_ns = self._run_delay_ns()
        return (
            self._switches() if self._switches is not None else 0,
            self._cpu_ns() if self._cpu_ns is not None else 0,
            delay_ns,
        )

    def _run_delay_ns(self, strict: bool = False) -> int:
        """The second field of schedstat: ns spent waiting on a run queue. With `strict`, -1 for a file that is not kept up."""
        if self._schedstat < 0:
            return 0
        try:
            fields = os.pread(self._schedstat, 128, 0).split()
            ran_ns, delay_ns = int(fields[0]), int(fields[1])
        except (OSError, ValueError, IndexError):
            return -1 if strict else 0
        return -1 if strict and ran_ns <= 0 else delay_ns

    def _look(self) -> list[str]:
        """The slow counters: compare them with the last look, and set when to look again."""
        start_ns = self._now_ns()
        window_s = (start_ns - self._looked_ns) * 1e-9
        steal, throttled = self._steal_ticks(), self._throttled_periods()
        words = []
        # A counter that runs backwards (seen on several hypervisors) says nothing, so only growth counts.
        if 0 <= self._seen[0] < steal and (steal - self._seen[0]) * _LOOK_EVERY_S > SHARE * window_s:
            words.append("steal")
        if 0 <= self._seen[1] < throttled:
            words.append("throttled")
        self._seen = (steal, throttled)
        self._looked_ns = self._now_ns()
        self._look_every_ns = max(int(_LOOK_EVERY_S * 1e9), int((self._looked_ns - start_ns) / _LOOK_COST_SHARE))
        return words

    def _steal_ticks(self) -> int:
        """The eighth number of the CPU's line, or -1. Only as much is read as holds the CPU lines of a small machine."""
        if self._stat < 0:
            return -1
        try:
            text = os.pread(self._stat, 1 << 16, 0)
        except OSError:
            return -1
        at = 0 if text.startswith(self._line) else text.find(b"\n" + self._line) + 1
        if at == 0 and not text.startswith(self._line):
            return -1
        fields = text[at : at + 256].split(b"\n", 1)[0].split()
        return int(fields[8]) if len(fields) > 8 and fields[8].isdigit() else -1

    def _throttled_periods(self) -> int:
        """Periods in which any group above this thread ran out of quota, summed; -1 without a quota."""
        total = -1
        for fd in self._folders:
            try:
                count = keyed_numbers(os.pread(fd, 4096, 0).decode("utf-8", "replace")).get("nr_throttled", 0)
            except OSError:
                continue
            total = max(total, 0) + max(count, 0)
        return total


def _has_quota(folder: Path) -> bool:
    """Whether this group limits CPU time: only then is its cpu.stat worth the read (version 2 flushes counters for it)."""
    words = (read_text(folder / "cpu.max") or "").split()
    if words and words[0] != "max":
        return True
    quota = whole_number(read_text(folder / "cpu.cfs_quota_us"))
    return quota is not None and quota > 0
