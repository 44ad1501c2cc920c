"""How caches overflow: the closed forms against SciPy's, which the package itself does without."""

import numpy as np
import pytest
from mmbench.probes.inference.transitions import missing_share
from scipy import special

FOOTPRINTS = np.array([0.2, 0.5, 0.9, 1.0, 1.001, 1.01, 1.1, 1.25, 1.386, 2.0, 5.0, 20.0, 100.0])


def test_random_replacement_is_the_root_that_lambert_gives() -> None:
    above = np.maximum(FOOTPRINTS, 1 + 1e-9)
    expected = np.where(FOOTPRINTS > 1, 1 + np.real(special.lambertw(-above * np.exp(-above))) / above, 0.0)
    assert missing_share("random", FOOTPRINTS) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("ways", [4, 8, 12, 16])
def test_page_colours_are_the_tail_of_a_poisson_distribution(ways: int) -> None:
    expected = special.gammainc(ways, ways * FOOTPRINTS)
    assert missing_share(f"coloured-{ways}", FOOTPRINTS) == pytest.approx(expected, abs=1e-12)


def test_half_of_the_loads_miss_where_the_theory_says() -> None:
    assert missing_share("random", np.array([1.386]))[0] == pytest.approx(0.5, abs=0.001)
    assert missing_share("coloured-8", np.array([0.75, 1.0, 1.25])) == pytest.approx([0.256, 0.547, 0.780], abs=0.001)
    assert missing_share("lru", np.array([1.0, 1.01])).tolist() == [0.0, 1.0]
