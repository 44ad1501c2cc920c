"""See over a whole visit what no thread's counter shows: time that the hypervisor took, and a CPU quota that ran out."""

from __future__ import annotations

from pathlib import Path

from ..measure.cgroups import group_folders
from ..measure.system_files import keyed_numbers, read_text, under

_TICK_S = 0.010  # of /proc/stat: USER_HZ is 100 on every Linux port in use
STOLEN_SHARE = 0.05  # of a visit: quartets that a few ticks fall on are outvoted by the median over all of them, beyond this no more
_LEAST_TICKS = 2  # one tick may have been taken before the visit began


class HostWatch:
    """`begin()` before a visit, `end(wall_s)` after it: empty, or the words of what disturbed it. `cpu` is where it is measured."""

    def __init__(self, cpu: int, root: Path = Path("/")) -> None:
        self._line = f"cpu{cpu} "
        self._stat = under(root, "/proc/stat")
        self._groups = [folder / "cpu.stat" for folder in group_folders(root, "cpu")]
        self._before = (0, 0)

    def _read(self) -> tuple[int, int]:
        text = read_text(self._stat) or ""
        line = next((each for each in text.splitlines() if each.startswith(self._line)), "")
        fields = line.split()
        stolen = int(fields[8]) if len(fields) > 8 and fields[8].isdigit() else 0
        return stolen, sum(keyed_numbers(read_text(path) or "").get("nr_throttled", 0) for path in self._groups)

    def begin(self) -> None:
        """Note how things stand."""
        self._before = self._read()

    def end(self, wall_s: float) -> str:
        """What happened since. A counter that runs backwards says nothing."""
        stolen, throttled = self._read()
        ticks = stolen - self._before[0]
        words = []
        if ticks >= _LEAST_TICKS and ticks * _TICK_S > STOLEN_SHARE * wall_s:
            words.append("steal")
        if throttled > self._before[1]:
            words.append("throttled")
        return "+".join(words)
