"""Choose block sizes of a packed product from the caches as they were measured, never as they are claimed.

The model (Low et al.): a panel of B (kc × nr) stays in the first cache while panels of A (mr × kc) stream past it from the second, which holds a
block of A (mc × kc); the third holds a block of B (kc × nc). Each cache keeps ways free for what streams through. Where the ways are not
known, 8 are taken for the first cache and 16 for the others; a shared cache counts for this core's share; without a third cache nc is set
by a fixed size. It is a seed: the best sizes are measured.
Source: T. M. Low, F. Igual, T. Smith, E. Quintana-Ortí, Analytical modeling is enough for high-performance BLIS, ACM TOMS 43(2), 2016.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .host import CacheSize, Host

_WAYS = {0: 8, 1: 16, 2: 16}
_NC_BYTES = 4 << 20  # of packed B where there is no third cache, and at most where there is one
_LEAST_KC, _MOST_KC = 32, 1024


@dataclass(frozen=True, slots=True)
class Blocks:
    """Rows of A, steps of k and columns of B in one block, in elements: mc a multiple of mr, nc of nr, kc of 8."""

    mc: int
    kc: int
    nc: int


def _down(value: float, step: int) -> int:
    return max(step, int(value) // step * step)


def _ways(cache: CacheSize, level: int) -> tuple[int, int]:
    """(ways, bytes of one way)."""
    ways = cache.ways or _WAYS[level]
    return ways, max(cache.line_bytes, cache.size_bytes // ways)


def block_sizes(host: Host, mr: int, nr: int, element_bytes: int) -> Blocks:
    """mc, kc and nc for a tile of mr × nr packed elements of `element_bytes`."""
    first, second = host.caches[0], host.caches[min(1, len(host.caches) - 1)]
    ways, way_bytes = _ways(first, 0)
    kept = max(1, math.floor((ways - 1) / (1 + nr / mr)))
    kc = min(_MOST_KC, max(_LEAST_KC, _down(kept * way_bytes / (mr * element_bytes), 8)))
    ways, way_bytes = _ways(second, 1)
    kept = max(1, ways - 1 - math.ceil(kc * nr * element_bytes / way_bytes))
    mc = _down(kept * way_bytes / (kc * element_bytes) / max(1, second.shared_by), mr)
    room = _NC_BYTES
    if len(host.caches) > 2:
        third = host.caches[2]
        room = min(_NC_BYTES, third.size_bytes // max(1, third.shared_by) // 2)
    return Blocks(mc, kc, _down(room / (kc * element_bytes), nr))
