"""Chains of pointers, followed in NumPy: one cycle through every node, whatever was asked of them."""

from __future__ import annotations

import mmap

import numpy as np
import pytest
from mmbench.kernels.emit.streams import CHASE_UNROLL
from mmbench.kernels.measure.chase import GROUP_BYTES, Chase
from mmbench.kernels.measure.memory import Buffer

KIB, MIB = 1024, 1024**2


def chase_in(size: int, line: int = 64, seed: int = 1) -> Chase:
    return Chase(Buffer(size), line, seed)


def walk(chase: Chase) -> np.ndarray:
    """Byte offsets of the nodes in the order of the chain, from where it stands, until the first comes again; at most nodes + 1."""
    words = chase.buffer.words.tolist()
    base, at = chase.buffer.address, int(chase.context[0])
    start, seen = at, []
    while len(seen) <= chase.nodes:
        seen.append(at - base)
        at = words[(at - base) >> 3]
        if at == start:
            break
    return np.array(seen)


def assert_one_cycle(chase: Chase, span: int) -> np.ndarray:
    """The walk, after checking that it visits one word of each line of the first `span` bytes and comes back to its start."""
    offsets = walk(chase)
    assert len(offsets) == chase.nodes
    assert sorted(offsets // chase.line_bytes) == list(range(span // chase.line_bytes))
    assert (offsets % 8 == 0).all()
    return offsets


@pytest.mark.parametrize("line", [32, 64, 128])
@pytest.mark.parametrize("size", [8 * KIB, 48 * KIB, 1536 * KIB])
def test_a_random_chain_is_one_cycle_through_every_line(size: int, line: int) -> None:
    chase = chase_in(size, line)
    chase.random(size)
    assert chase.nodes == size // line
    offsets = assert_one_cycle(chase, size)
    assert len(set(offsets % line)) == line // 8  # every word position of a line occurs
    assert np.abs(np.corrcoef(offsets[:-1], offsets[1:])[0, 1]) < 0.3  # and neighbours in the chain are none in memory
    assert not chase.is_grouped


def test_two_lines_are_the_least_and_a_smaller_chain_leaves_no_way_into_an_old_one() -> None:
    chase = chase_in(64 * KIB)
    chase.random(64 * KIB)
    chase.random(0)
    assert chase.nodes == 2
    chase.random(8 * KIB)
    assert_one_cycle(chase, 8 * KIB)


def test_seeds_give_other_orders_and_the_same_seed_the_same() -> None:
    orders = []
    for seed in (1, 1, 2):
        chase = chase_in(16 * KIB, seed=seed)
        chase.random(16 * KIB)
        orders.append(list(walk(chase)))
    assert orders[0] == orders[1] != orders[2]


def groups_in_turn(offsets: np.ndarray, group: int) -> int:
    """How often the walk goes from one group of pages to another; as often as there are groups when each is finished first."""
    where = offsets // group
    return int(np.sum(where != np.roll(where, -1)))


@pytest.mark.parametrize("size", [2 * MIB, 4 * MIB, 4 * MIB + 512 * KIB])
def test_a_grouped_chain_finishes_each_group_before_the_next(size: int) -> None:
    chase = chase_in(size)
    chase.grouped(size)
    assert chase.is_grouped
    groups = size // GROUP_BYTES
    group = size // groups // 64 * 64
    offsets = assert_one_cycle(chase, groups * group)
    assert groups_in_turn(offsets, group) == groups
    inside = offsets[: group // 64] // mmap.PAGESIZE
    assert np.sum(inside != np.roll(inside, -1)) > len(inside) / 2  # within a group the pages come mixed


def test_a_grouped_chain_of_less_than_two_groups_is_a_random_one() -> None:
    chase = chase_in(2 * MIB)
    chase.grouped(2 * MIB - 64)
    assert not chase.is_grouped
    assert_one_cycle(chase, 2 * MIB - 64)
    for refused in (lambda: chase.resize(MIB), chase.touch):
        with pytest.raises(ValueError, match="only a grouped chain"):
            refused()


def test_every_resize_leaves_one_cycle_over_whole_groups() -> None:
    chase = chase_in(5 * MIB)
    chase.grouped(5 * MIB)
    for groups in (5, 1, 3, 2, 5, 4, 5, 1, 5):
        chase.resize(groups * GROUP_BYTES)
        assert chase.nodes == groups * GROUP_BYTES // 64
        offsets = assert_one_cycle(chase, groups * GROUP_BYTES)
        assert groups_in_turn(offsets, GROUP_BYTES) == (groups if groups > 1 else 0)
    for asked, given in ((0, 1), (99 * MIB, 5), (int(2.4 * MIB), 2)):
        chase.resize(asked)
        assert_one_cycle(chase, given * GROUP_BYTES)


def test_the_walk_goes_on_where_it_was_unless_that_is_outside() -> None:
    chase = chase_in(4 * MIB)
    chase.grouped(4 * MIB)
    chase.run(GROUP_BYTES // 64 + CHASE_UNROLL)
    here = int(chase.context[0])
    assert (here - chase.buffer.address) // GROUP_BYTES == 1
    chase.resize(2 * MIB)
    assert chase.context[0] == here
    assert_one_cycle(chase, 2 * MIB)
    chase.resize(MIB)
    assert chase.context[0] != here
    assert_one_cycle(chase, MIB)


def test_the_emitted_chase_walks_the_chain_that_numpy_follows() -> None:
    chase = chase_in(16 * KIB)
    chase.random(16 * KIB)
    offsets = walk(chase)
    chase.run(3 * CHASE_UNROLL)
    assert chase.context[0] - chase.buffer.address == offsets[3 * CHASE_UNROLL]
    chase.run(1)  # never less than one unit
    assert chase.context[0] - chase.buffer.address == offsets[4 * CHASE_UNROLL]
    kernel = chase.kernel
    assert kernel.context == chase.context.ctypes.data
    assert kernel.keep is chase


def test_through_visits_the_given_nodes_in_the_given_order() -> None:
    chase = chase_in(64 * KIB)
    order = np.array([0, 4096, 512, 60_000, 8], dtype=np.int64)
    chase.through(order)
    assert list(walk(chase)) == list(order)
    assert chase.nodes == 5


def test_touching_reads_a_word_of_every_line_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chase = chase_in(3 * MIB)
    chase.grouped(3 * MIB)
    chase.resize(2 * MIB)
    before = chase.buffer.words.copy()
    calls = []
    monkeypatch.setattr(chase, "_call", lambda name, slots, n: calls.append((name, [int(s) for s in slots], n)))
    chase.touch()
    monkeypatch.undo()
    chase.touch()
    assert (chase.buffer.words == before).all()
    name, (start, group, _, count), n = calls[0]
    assert (name, start, group, count, n) == ("touch", chase.buffer.address, GROUP_BYTES, GROUP_BYTES // 64, 2)
