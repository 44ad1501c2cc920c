"""Memory for measurements: aligned, touched, and honest about its pages."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels.measure import memory
from mmbench.kernels.measure.memory import HUGE_BYTES, Buffer


@pytest.mark.parametrize("pages", ["default", "huge", "small"])
@pytest.mark.parametrize("size", [8, 4096, 100_000, 3 * HUGE_BYTES])
def test_a_buffer_is_aligned_touched_and_as_long_as_asked(size: int, pages: str) -> None:
    buffer = Buffer(size, pages)
    assert buffer.address % HUGE_BYTES == 0
    assert buffer.bytes.ctypes.data == buffer.address
    assert len(buffer.bytes) == size
    assert (buffer.bytes[:: mmap.PAGESIZE] == 1).all()
    assert len(buffer.words) == size // 8
    buffer.words[-1] = 7
    assert buffer.bytes[size // 8 * 8 - 8] == 7
    assert buffer.pages == pages


def test_words_of_an_odd_size_stay_inside() -> None:
    assert len(Buffer(4099).words) == 4096 // 8


def test_huge_share_is_a_share_or_unknown() -> None:
    buffer = Buffer(4 * HUGE_BYTES, "huge")
    if Path("/proc/self/smaps").exists():
        assert buffer.huge_share is not None
        assert 0 <= buffer.huge_share <= 1
        assert Buffer(4 * HUGE_BYTES, "small").huge_share == 0 or buffer.advice_error
    else:
        assert buffer.huge_share is None


def test_huge_share_counts_only_the_buffers_own_mappings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    buffer = Buffer(2 * HUGE_BYTES)
    a, b = buffer.address, buffer.address + 2 * HUGE_BYTES
    text = (
        f"{a - 4096:x}-{a:x} rw-p 0 00:00 0\nAnonHugePages:      8192 kB\n"
        f"{a:x}-{a + HUGE_BYTES:x} rw-p 0 00:00 0\nSize: 4 kB\nAnonHugePages:      2048 kB\n"
        f"{a + HUGE_BYTES:x}-{b:x} rw-p 0 00:00 0\nAnonHugePages:         0 kB\n"
        f"{b:x}-{b + 4096:x} rw-p 0 00:00 0\nAnonHugePages:      8192 kB\n"
    )
    smaps = tmp_path / "smaps"
    smaps.write_text(text)
    monkeypatch.setattr(memory, "Path", lambda _name: smaps)
    assert buffer.huge_share == 0.5
    smaps.unlink()
    assert buffer.huge_share is None


@pytest.mark.parametrize("size", [2**55, 2**70])
def test_memory_that_cannot_be_had_is_a_sentence(size: int) -> None:
    with pytest.raises(NotPossibleError, match="of memory cannot be had"):
        Buffer(size)


def test_advice_that_the_system_refuses_is_kept_as_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MADV_HUGEPAGE", 12345)
    assert Buffer(4096, "huge").advice_error
    monkeypatch.setattr(memory, "_MADV_HUGEPAGE", None)
    assert "no way to ask for huge pages" in Buffer(4096, "huge").advice_error
    assert Buffer(4096, "default").advice_error == ""


def test_a_closed_buffer_is_gone_but_a_view_still_held_is_not() -> None:
    buffer = Buffer(4096)
    view = buffer.words
    view[0] = 42
    buffer.close()
    assert len(buffer.bytes) == 0
    assert view[0] == 42
    again = Buffer(HUGE_BYTES)
    again.close()
    assert isinstance(again.bytes, np.ndarray)
