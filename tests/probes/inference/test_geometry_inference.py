import math

import numpy as np
import pytest
from mmbench.probes.inference.geometry import line_size, sharing, ways

STRIDES = np.array([8, 16, 32, 64, 128, 256, 512], dtype=float)


def noisy(values, *, rounds=5, noise=0.02, seed=0):
    values = np.asarray(values, dtype=float)
    return values * np.exp(np.random.default_rng(seed).normal(0, noise, (rounds, len(values))))


@pytest.mark.parametrize("line", [32, 64, 128, 256])
def test_line_from_a_plain_stride_sweep(line):
    found = line_size(STRIDES, noisy(4 + 76 * np.minimum(STRIDES / line, 1)))
    assert (found.value, found.low, found.high) == (line, line, line)


@pytest.mark.parametrize("line", [32, 64, 128])
def test_line_from_pairs_of_loads(line):
    found = line_size(STRIDES, noisy(np.where(line > STRIDES, 42, 80)))
    assert (found.value, found.low, found.high) == (line, line, line)


def test_pairwise_prefetch_does_not_double_the_line():
    found = line_size(STRIDES, noisy(np.select([STRIDES < 64, STRIDES < 128], [42, 52], 80)))
    assert found.value == 64
    assert "pairs" in found.why


def test_no_line_without_a_rise():
    found = line_size(STRIDES, noisy(np.full(7, 4.0)))
    assert found.value is None
    assert "stride" in found.why
    assert line_size(STRIDES[:3], noisy([4, 5, 6])).value is None


def test_line_survives_holes_and_an_outlier():
    table = noisy(np.where(STRIDES < 64, 42, 80))
    table[0, 2] = 400
    table[1, :] = math.nan
    assert line_size(STRIDES, table).value == 64


def set_table(size, associativity, *, plateau=1.4, below=3.8, bases=3, hashed=False, page=None, seed=0, noise=0.03):
    """Latency of few nodes at strides of 64 × 2^k in an LRU cache with modulo index; `page`: larger strides land in chance sets."""
    random = np.random.default_rng(seed)
    sets = size // 64 // associativity
    nodes = np.array([*range(2, 25), 28, 32, 36, 40, 48], dtype=float)
    table = {}
    for k in range(24):
        stride = 64 << k
        if not size // 64 <= stride <= size:
            continue
        rows = []
        for _ in range(bases):
            chance = random.integers(0, sets, 64)
            row = []
            for n in nodes.astype(int):
                by_chance = hashed or (page and stride >= page)
                index = chance[:n] if by_chance else (np.arange(n) * (stride // 64)) % sets
                used = np.bincount(index, minlength=sets)
                row.append(plateau + (below - plateau) * np.sum(used[used > associativity]) / n)
            rows.append(row)
        table[stride] = (nodes, np.array(rows) * np.exp(random.normal(0, noise, (bases, len(nodes)))))
    return table


@pytest.mark.parametrize(("kib", "associativity"), [(32, 8), (48, 12), (64, 4), (64, 16), (128, 8), (1280, 10), (2048, 16)])
def test_ways_are_the_floor(kib, associativity):
    found = ways(set_table(kib * 1024, associativity), 1.4, 3.8, kib * 1024)
    assert found.value == associativity
    assert found.low <= associativity <= found.high
    assert "fit at" in found.why


def test_ways_with_a_size_that_is_only_nearly_right():
    assert ways(set_table(32 * 1024, 8), 1.4, 3.8, 34_000).value == 8


def test_hashed_index_gives_the_reason():
    found = ways(set_table(2 * 1024**2, 16, hashed=True), 1.4, 3.8, 2 * 1024**2)
    assert found.value is None
    assert "hashed" in found.why


def test_small_pages_give_the_reason():
    found = ways(set_table(64 * 1024, 2, page=4096), 1.4, 3.8, 64 * 1024)
    assert found.value is None
    assert "page" in found.why or "hashed" in found.why


def test_ways_need_a_slower_next_level():
    assert ways(set_table(32 * 1024, 8), 1.4, 1.45, 32 * 1024).value is None
    assert ways({}, 1.4, 3.8, 32 * 1024).value is None


SIZE = 32 * 1024
SHARES = np.array([0.25, 0.5, 0.7, 0.85, 1.0, 1.2])


def edge(at, *, soft=0.06, noise=0.02, seed=0):
    x = SHARES / at
    return noisy(1.4 + 2.4 / (1 + np.exp(-np.log(x) / soft)), noise=noise, seed=seed)


@pytest.mark.parametrize("soft", [0.03, 0.1])
def test_shared_level_loses_half(soft):
    found = sharing(SHARES * SIZE, edge(1.0, soft=soft), edge(0.5, soft=soft, seed=1), SIZE, (1.4, 3.8))
    assert found.value == "shared"
    assert found.low <= 0.5 <= found.high


@pytest.mark.parametrize("at", [1.0, 1.1, 2.0])
def test_private_level_keeps_all(at):
    found = sharing(SHARES * SIZE, edge(at), edge(at, seed=1), SIZE, (1.4, 3.8))
    assert found.value == "private"


def test_one_row_each_is_enough():
    found = sharing(SHARES * SIZE, edge(1.0)[0], edge(0.5)[0], SIZE, (1.4, 3.8))
    assert found.value == "shared"


def test_neither_half_nor_all_is_not_guessed():
    found = sharing(SHARES * SIZE, edge(1.0, noise=0), edge(0.8, noise=0), SIZE, (1.4, 3.8))
    assert found.value is None
    assert "neither" in found.why


def test_sharing_that_cannot_be_seen_gives_a_reason():
    assert "hardly slower" in sharing(SHARES * SIZE, edge(1.0), edge(0.5), SIZE, (3.7, 3.8)).why
    assert "missing" in sharing(SHARES * SIZE, edge(1.0), np.full(6, math.nan), SIZE, (1.4, 3.8)).why
    assert "do not reach" in sharing(SHARES[:3] * SIZE / 3, edge(9)[:, :3], edge(9)[:, :3], SIZE, (1.4, 3.8)).why
