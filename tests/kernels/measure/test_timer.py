"""The timer: which counter a chip gets, how its reads are fenced, and what a calibration says of this machine."""

from __future__ import annotations

import dataclasses
import re
import time

import numpy as np
import pytest
from mmbench.kernels.emit.jit import assembly
from mmbench.kernels.emit.target import Target
from mmbench.kernels.measure import timer as timers
from mmbench.kernels.measure.timer import Timer, read_many_ir, row_for, timer

# target: the row, the instructions between one store of ticks and the next, in order
READS = {
    "haswell": ("tsc", r"lfence\s+rdtsc\s[\s\S]*?lfence"),
    "sapphirerapids": ("tsc", r"lfence\s+rdtsc\s[\s\S]*?lfence"),
    "neoverse-v2": ("cntvct", r"isb\s+mrs\s+x\d+, CNTVCT_EL0\s+isb"),
    "apple-m4": ("cntvct", r"isb\s+mrs\s+x\d+, CNTVCT_EL0\s+isb"),
    "sifive-x280": ("rdtime", r"fence[^\n]*\s+rdtime\s+\w+\s+fence"),
    "pwr10": ("monotonic", r"mmbench_monotonic_ns"),
    "z15": ("monotonic", r"mmbench_monotonic_ns"),
    "la464": ("monotonic", r"mmbench_monotonic_ns"),
}


@pytest.mark.parametrize("name", READS)
def test_each_chip_reads_its_own_counter_fenced_on_both_sides(name: str) -> None:
    target = Target.named(name)
    row, pattern = READS[name]
    assert row_for(target).name == row
    text = assembly(read_many_ir(row_for(target)), target)
    assert re.search(pattern, text), text


def test_where_the_counter_is_not_trusted_the_systems_clock_is_called() -> None:
    linux, windows = Target.named("haswell"), Target("pc", "x86_64-pc-windows-msvc", "haswell")
    assert row_for(linux, counter=False).name == "monotonic"
    assert row_for(windows, counter=False).name == "qpc"
    assert row_for(windows).name == "tsc"
    text = assembly(read_many_ir(row_for(linux, counter=False)), linux)
    assert re.search(r"movl\s+\$4, %edi", text)  # CLOCK_MONOTONIC_RAW
    assert "clock_gettime" in text


def test_this_machines_timer_is_calibrated() -> None:
    found = timer()
    assert found is timer()
    assert found.hz > 1e5
    assert 0 <= found.hz_error < 0.1
    assert 0 < found.step_s < 1e-3
    assert 0 <= found.cost_s < 1e-3
    assert found.seconds(found.hz) == 1.0
    assert bool(found.why) == (found.row.name in ("monotonic", "qpc") and row_for(Target.host()).name not in ("monotonic", "qpc"))


@pytest.mark.parametrize("counter", [True, False])
def test_reads_never_go_back_and_go_on_with_the_systems_clock(counter: bool) -> None:
    reader = timers._Reader(row_for(Target.host(), counter=counter))
    ticks = reader.read(1000)
    assert (np.diff(ticks) >= 0).all()
    assert ticks[-1] > ticks[0]
    before = reader.read(1)[0]
    time.sleep(0.002)
    assert reader.read(1)[0] > before


def test_an_untrusted_counter_gives_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "_counter_is_constant", lambda: False)
    found = timer.__wrapped__(0.001)
    assert isinstance(found, Timer)
    assert found.row.name in ("monotonic", "qpc")
    assert found.hz == pytest.approx(1e9, rel=0.5)
    assert "constant rate" in found.why


def test_a_tsc_that_the_kernel_found_unstable_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    listed = tmp_path / "available_clocksource"
    listed.write_text("hpet acpi_pm\n")
    monkeypatch.setattr(timers.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(timers.sys, "platform", "linux")
    monkeypatch.setattr(timers, "open", lambda _path, **_: listed.open(encoding="ascii"), raising=False)
    monkeypatch.setattr(timers, "_invariant_tsc", lambda: True)
    assert not timers._counter_is_constant()
    listed.write_text("kvm-clock tsc acpi_pm\n")
    assert timers._counter_is_constant()
    monkeypatch.setattr(timers, "_invariant_tsc", lambda: False)
    assert not timers._counter_is_constant()
    monkeypatch.setattr(timers.platform, "machine", lambda: "aarch64")
    assert timers._counter_is_constant()


def test_a_counter_without_a_step_says_one_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    class Still:
        def __init__(self, row: object) -> None:
            self.ticks = 0

        def read(self, count: int) -> np.ndarray:
            self.ticks += 24_000
            return np.full(count, self.ticks, dtype=np.int64)

    monkeypatch.setattr(timers, "_Reader", Still)
    found = timer.__wrapped__(0.0001)
    assert found.step_s == pytest.approx(1 / found.hz)
    assert found.cost_s == 0
    assert dataclasses.is_dataclass(found)
