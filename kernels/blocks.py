"""Choose block sizes of a packed product from the caches as they were measured, never as they are claimed.

The tile walks a panel of B (kc × nr) that lies in the second cache and is fetched ahead of use; panels of A (mr × kc) stream past it:

    kc   a panel of B takes a quarter of the second cache (and no less than what the first cache's half would hold)
    mc   rows of A that one panel of B meets before the next: twice the second cache
    nc   a block of B takes half of the second cache: it is packed there, and read from there
    stripe  rows of A packed at once, so many that their part of C stays in the third cache between two blocks of k

This is not the model of Low et al. (ACM TOMS 43(2), 2016), which keeps B's panel in the first cache. Measured on Zen 5 (48 KiB, 1 MiB,
32 MiB; op/cycle of 63.6 for f32 and 31.8 for f64, interleaved in one run, tile 6 × 4 vectors):

    kc, B's panel       f32 2048³   f64 2048³   f64 1024³
    256,  64 KiB           58.1        27.0        29.1
    512, 128 KiB           58.6        28.2        29.0
    1024, 256 KiB          59.1        29.0        29.2

    nc, share of the FMA loop    f64 2048³   f64 1024³   f32 4096³ (noisy)
    B in the third cache, 2 MiB     88.5 %      90.0 %      74 %
    B in the second, 512 KiB        89.9 %      91.3 %      90 %
"""

from __future__ import annotations

from dataclasses import dataclass

from .host import CacheSize, Host

_LEAST_KC, _MOST_KC = 64, 1024
_STRIPE_ROWS = 1152
_STEP_K = 8


@dataclass(frozen=True, slots=True)
class Blocks:
    """Rows of A, steps of k and columns of B in one block, and rows of a stripe, in elements; mc a multiple of mr, nc of nr, kc of 8."""

    mc: int
    kc: int
    nc: int
    stripe: int = _STRIPE_ROWS

    def problem(self, mr: int, nr: int) -> str:
        """Empty, or what does not go with a tile of mr × nr."""
        if min(self.mc, self.kc, self.nc) < 1 or self.mc % mr or self.kc % _STEP_K or self.nc % nr or self.stripe < mr:
            return (
                f"mc {self.mc}, kc {self.kc}, nc {self.nc}, stripe {self.stripe}: not multiples of {mr}, {_STEP_K}, {nr}, and {mr} or more"
            )
        return ""


def _down(value: float, step: int, least: int = 1) -> int:
    return max(least, int(value) // step) * step


def _share(cache: CacheSize) -> int:
    """This core's part of a cache."""
    return cache.size_bytes // max(1, cache.shared_by)


def block_sizes(host: Host, mr: int, nr: int, element_bytes: int) -> Blocks:
    """The block sizes for a tile of mr × nr packed elements of `element_bytes`."""
    first, second = host.caches[0], host.caches[min(1, len(host.caches) - 1)]
    panel = max(_share(second) // 4, _share(first) // 2)
    kc = min(_MOST_KC, max(_LEAST_KC, _down(panel / (nr * element_bytes), _STEP_K)))
    mc = _down(2 * _share(second) / (kc * element_bytes), mr)
    nc = _down(_share(second) / 2 / (kc * element_bytes), nr)
    return Blocks(mc, kc, nc, _down(_STRIPE_ROWS, mr))
