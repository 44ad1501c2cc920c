"""Each disturbance is named from its own counter; nothing depends on the value measured."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from mmbench.kernels.measure.contamination import Contamination

MS = 1_000_000


class Fake:
    """A system of files and clocks that a test moves on."""

    def __init__(self, root: Path, quota: bool = True) -> None:
        self.root, self.now_ns, self.cpu_ns, self.switches = root, 0, 0, 0
        self.delay_ns, self.steal, self.throttled = 5, 7, 3
        for folder in ("proc/self", "proc/thread-self", "sys/fs/cgroup"):
            (root / folder).mkdir(parents=True)
        (root / "proc/self/cgroup").write_text("0::/\n")
        (root / "proc/self/mountinfo").write_text("24 30 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        (root / "sys/fs/cgroup/cpu.max").write_text("50000 100000\n" if quota else "max 100000\n")
        self.write()

    def write(self) -> None:
        (self.root / "proc/thread-self/schedstat").write_text(f"1000 {self.delay_ns} 4\n")
        lines = [f"{name} 1 0 1 100 0 0 0 {self.steal} 0 0\n" for name in ("cpu", *(f"cpu{n}" for n in range(64)))]
        (self.root / "proc/stat").write_text("".join(lines))
        (self.root / "sys/fs/cgroup/cpu.stat").write_text(f"nr_periods 9\nnr_throttled {self.throttled}\n")

    def contamination(self) -> Contamination:
        return Contamination(self.root, now_ns=lambda: self.now_ns, cpu_ns=lambda: self.cpu_ns, switches=lambda: self.switches)

    def sample(self, seen: Contamination, wall_ms: float = 1.0, cpu_ms: float | None = None, **grow: int) -> str:
        seen.begin()
        self.now_ns += int(wall_ms * MS)
        self.cpu_ns += int((wall_ms if cpu_ms is None else cpu_ms) * MS)
        for name, amount in grow.items():
            setattr(self, name, getattr(self, name) + amount)
        self.write()
        return seen.end(wall_ms * 1e-3)


@pytest.fixture
def fake(tmp_path):
    return Fake(tmp_path)


def test_a_quiet_sample_has_no_mark(fake):
    seen = fake.contamination()
    assert seen.sources == ("run-delay", "switched", "off-cpu", "steal", "throttled")
    assert [fake.sample(seen) for _ in range(30)] == [""] * 30


@pytest.mark.parametrize(("delay_ns", "mark"), [(1000, ""), (1999, ""), (2001, "run-delay"), (10**9, "run-delay")])
def test_run_delay_counts_above_two_thousandths(fake, delay_ns, mark):
    assert fake.sample(fake.contamination(), delay_ns=delay_ns) == mark


@pytest.mark.parametrize(("wall_ms", "mark"), [(1, "switched"), (20, "switched"), (30, "")])
def test_a_switch_marks_short_samples(fake, wall_ms, mark):
    assert fake.sample(fake.contamination(), wall_ms=wall_ms, switches=1) == mark


def test_missing_cpu_time_is_off_cpu(fake):
    seen = fake.contamination()
    assert fake.sample(seen, wall_ms=10, cpu_ms=9.95) == ""
    assert fake.sample(seen, wall_ms=10, cpu_ms=9.0) == "off-cpu"
    assert fake.sample(seen, wall_ms=10, cpu_ms=11.0) == ""


def test_steal_is_looked_for_every_ten_milliseconds(fake):
    seen = fake.contamination()
    assert fake.sample(seen, wall_ms=2, steal=1) == ""  # too early to look
    assert fake.sample(seen, wall_ms=9) == "steal"
    assert fake.sample(seen, wall_ms=11) == ""


def test_steal_below_two_thousandths_passes(fake):
    assert fake.sample(fake.contamination(), wall_ms=6000, steal=1) == ""


def test_throttling_is_looked_for_when_cpu_time_is_missing(fake):
    assert fake.sample(fake.contamination(), wall_ms=5, cpu_ms=1, throttled=1) == "off-cpu+throttled"


def test_throttling_is_not_looked_for_without_a_quota(tmp_path):
    fake = Fake(tmp_path, quota=False)
    seen = fake.contamination()
    assert "throttled" not in seen.sources
    assert fake.sample(seen, wall_ms=20, throttled=1) == ""


def test_counters_that_run_backwards_are_no_disturbance(fake):
    assert fake.sample(fake.contamination(), wall_ms=20, steal=-5, throttled=-2, delay_ns=-5, switches=-1) == ""


@pytest.mark.parametrize("junk", [b"", b"-1 -1 -1", b"\xff\x00\xfe", b"cpu x y z", b"9" * 5000])
def test_nonsense_in_the_files_is_no_crash(fake, junk):
    seen = fake.contamination()
    seen.begin()
    for path in ("proc/thread-self/schedstat", "proc/stat", "sys/fs/cgroup/cpu.stat"):
        (fake.root / path).write_bytes(junk)
    fake.now_ns += 20 * MS
    fake.cpu_ns += 20 * MS
    assert "steal" not in seen.end(0.02)
    seen.close()
    fake.contamination().begin()


def test_nothing_to_read_is_no_crash(tmp_path):
    seen = Contamination(tmp_path)
    seen.begin()
    assert isinstance(seen.end(1e-3), str)
    assert not {"run-delay", "steal", "throttled"} & set(seen.sources)


def test_a_schedstat_that_is_not_kept_up_is_not_used(tmp_path):
    fake = Fake(tmp_path)
    (tmp_path / "proc/thread-self/schedstat").write_text("0 0 0\n")
    assert "run-delay" not in fake.contamination().sources


def test_sleeping_shows_on_this_system():
    seen = Contamination()
    if "off-cpu" not in seen.sources:
        pytest.skip("needs Linux: the thread clock is too coarse")
    seen.begin()
    start = time.perf_counter()
    time.sleep(0.01)
    assert "off-cpu" in seen.end(time.perf_counter() - start).split("+")
    seen.close()


def test_another_thread_gets_its_own_counters():
    seen = Contamination()
    marks = []

    def use() -> None:
        seen.begin()
        marks.append(seen.end(1.0e-3))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(marks) == 1
    seen.close()
    seen.close()
