"""Turn the words of `mmbench sweep` into a plan: lists, shares, presets and grids, who takes part, and whether a run may be resumed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..configs.errors import UsageError
from ..configs.facts import Scalar


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. Empty and None mean: as the preset has it."""

    preset: str = "quick"
    shapes: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    threads: str = ""
    layouts: tuple[str, ...] = ()
    epilogues: tuple[str, ...] = ()
    temperature: str = ""
    expression: str = ""
    time_budget_s: float | None = None
    precision: float | None = None
    check: str = ""
    seed: int = 0
    given: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Scalar]:
        """As it is copied into the run; what was not given is left out."""
        values: dict[str, Scalar | None] = {
            "preset": self.preset,
            "shapes": ",".join(self.shapes),
            "dtypes": ",".join(self.dtypes),
            "kernels": ",".join(self.kernels),
            "threads": self.threads,
            "layouts": ",".join(self.layouts),
            "epilogues": ",".join(self.epilogues),
            "temperature": self.temperature,
            "expression": self.expression,
            "time_budget_s": self.time_budget_s,
            "precision": self.precision,
            "check": self.check,
            "library": ",".join(f"{name}={path}" for name, path in self.given.items()),
        }
        return {name: value for name, value in values.items() if value not in (None, "")}  # type: ignore[misc]


def listed(texts: Iterable[str]) -> tuple[str, ...]:
    """Words of options that may be given more than once, with commas between words."""
    return tuple(dict.fromkeys(word.strip() for text in texts for word in text.split(",") if word.strip()))


def split_shapes(texts: Iterable[str]) -> tuple[str, ...]:
    """The same for shapes, in which commas within brackets and braces belong to a shape."""
    words = []
    for text in texts:
        depth, word = 0, ""
        for sign in text:
            depth += (sign in "[{") - (sign in "]}")
            if sign == "," and depth <= 0:
                words.append(word)
                word = ""
            else:
                word += sign
        words.append(word)
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))


def parse_share(text: str) -> float:
    """`2%` or `0.02` to 0.02; UsageError otherwise. A bare number of one or more is refused: it may be meant in percent."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(%?)\s*", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0.0005 <= share <= 0.5:
        raise UsageError(f"--precision {text}: not a share from 0.05 % to 50 %", "write it as 2% or 0.02")
    return share
