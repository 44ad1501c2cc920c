"""The registry: found by lying in the folder, ordered by needs, chosen by name."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path

import pytest
from mmbench.configs.curve import Curve
from mmbench.configs.errors import UsageError
from mmbench.probes import registry
from mmbench.probes.context import Context, Effort
from mmbench.probes.registry import all_probes, choose, probe


def probe_like(module: str) -> Callable[[Context], Curve]:
    def measure(_context: Context) -> Curve:
        return Curve("x", 1)

    measure.__module__ = module
    return measure


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty registry."""
    monkeypatch.setattr(registry, "_load_all", lambda: None)
    monkeypatch.setattr(registry, "_REGISTERED", {})


def test_every_decorated_file_of_the_folder_is_found_and_complete() -> None:
    folder = Path(registry.__file__).parent
    decorated = {path.stem for path in folder.glob("*.py") if "\n@probe(" in path.read_text(encoding="utf-8")}
    found = [p for p in all_probes() if p.module.startswith("mmbench.probes.")]
    assert {p.module.rsplit(".", 1)[-1] for p in found} == decorated
    assert len(decorated) >= 10
    for p in found:
        assert p.summary.endswith((".", ":"))
        assert p.version >= 1
        assert 0 < p.seconds[0] <= p.seconds[1] <= p.seconds[2]
        assert callable(p.infer)
        assert [p.estimate_s(effort) for effort in Effort] == list(p.seconds)


def test_each_probe_comes_after_what_it_needs() -> None:
    names = [p.name for p in all_probes()]
    assert names[:2] == ["identity", "topology"]
    assert len(names) == len(set(names))
    for p in all_probes():
        assert all(names.index(need) < names.index(p.name) for need in p.needs)


def test_needs_of_all_kinds_are_followed(alone: None) -> None:
    for name, needs in (("c", ("b",)), ("a", ("c", "d")), ("b", ()), ("d", ("b",))):
        probe(name, version=1, needs=needs, seconds=(1, 1, 1))(probe_like(f"m_{name}"))
    assert [p.name for p in all_probes()] == ["b", "c", "d", "a"]
    assert [p.name for p in choose(("d",))] == ["b", "d"]
    assert [p.name for p in choose(("c", "c"))] == ["b", "c"]
    assert len(choose(())) == 4


def test_a_circle_of_needs_is_refused(alone: None) -> None:
    probe("a", version=1, needs=("b",), seconds=(1, 1, 1))(probe_like("m_a"))
    probe("b", version=1, needs=("a",), seconds=(1, 1, 1))(probe_like("m_b"))
    with pytest.raises(ValueError, match="in a circle: a, b"):
        all_probes()


def test_two_modules_cannot_take_one_name_but_one_may_be_imported_again(alone: None) -> None:
    decorate = probe("a", version=1, seconds=(1, 1, 1))
    decorate(probe_like("m_one"))
    decorate(probe_like("m_one"))
    with pytest.raises(ValueError, match="two probes are named 'a': m_one and m_two"):
        decorate(probe_like("m_two"))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="there is no probe 'lattency'") as caught:
        choose(("clock", "lattency"))
    assert all(p.name in caught.value.hint for p in all_probes())


def test_entry_points_from_outside_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    point = types.SimpleNamespace(load=lambda: loaded.append("outside"))
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "mmbench.probes" else [])
    registry._load_all.__wrapped__()
    assert loaded == ["outside"]
