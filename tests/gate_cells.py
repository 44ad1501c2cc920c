"""Cells with planted differences, for the tests of the gate."""

from __future__ import annotations

import numpy as np
from mmbench.kernels.gate.blocks import Block, Cell, Order
from mmbench.kernels.gate.decide import flags


def blocks(differences, first=0, dropped=""):
    """Blocks of consecutive launches."""
    return tuple(Block(first + i, Order.ABBA, float(d), dropped) for i, d in enumerate(differences))


def cell(name, screen=(), confirm=(), **rest):
    """A timed cell; confirming launches are numbered from 1000."""
    return Cell(name, screen=blocks(screen), confirm=blocks(confirm, 1000), **rest)


def noise(random, shape, sd=0.02, wild=0.1):
    """Symmetric noise of which a share is five times wider."""
    return random.normal(0, sd, size=shape) * np.where(random.random(shape) < wild, 5.0, 1.0)


def gate_of(random, shifts, rules, screen=14, confirm=68, sd=0.02, wild=0.1, family=""):
    """The cells of one gate, flagged ones with fresh blocks."""
    found = [cell(f"c{i}", noise(random, screen, sd, wild) + s, family=family) for i, s in enumerate(shifts)]
    flagged = flags(found, rules)
    return [
        cell(c.name, [b.difference for b in c.screen], noise(random, confirm, sd, wild) + s, family=family) if c.name in flagged else c
        for c, s in zip(found, shifts, strict=True)
    ]
