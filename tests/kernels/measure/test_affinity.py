"""Pinning: it holds while it should, ends when it should, and says why where it cannot be had."""

from __future__ import annotations

import os
import threading

import pytest
from mmbench.kernels.measure import affinity
from mmbench.kernels.measure.affinity import allowed_cpus, pin, pinned

CAN_PIN = hasattr(os, "sched_setaffinity")


def test_allowed_cpus_are_sorted_and_not_none() -> None:
    assert allowed_cpus()
    assert list(allowed_cpus()) == sorted(set(allowed_cpus()))


def test_without_a_mask_every_cpu_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert allowed_cpus() == (0, 1, 2)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert allowed_cpus() == (0,)


@pytest.mark.skipif(not CAN_PIN, reason="needs Linux")
def test_pinned_holds_inside_and_is_undone_after() -> None:
    before = os.sched_getaffinity(0)
    cpu = allowed_cpus()[-1]

    def fail_inside() -> None:
        with pinned(cpu) as why:
            assert why == ""
            assert os.sched_getaffinity(0) == {cpu}
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        fail_inside()
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(not CAN_PIN, reason="needs Linux")
def test_pinning_is_the_calling_threads_alone() -> None:
    before = os.sched_getaffinity(0)
    thread = threading.Thread(target=pin, args=(allowed_cpus()[0],))
    thread.start()
    thread.join()
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(not CAN_PIN, reason="needs Linux")
def test_a_cpu_that_is_not_there_is_named() -> None:
    before = os.sched_getaffinity(0)
    assert "CPU 100000 cannot be had" in pin(100_000)
    with pinned(100_000) as why:
        assert "100000" in why
    assert os.sched_getaffinity(0) == before


def test_a_system_that_cannot_pin_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(affinity.sys, "platform", "darwin")
    assert "darwin has no way to pin" in pin(0)
    with pinned(0) as why:
        assert "may move between cores" in why
