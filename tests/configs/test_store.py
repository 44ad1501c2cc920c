"""Machines in files: nothing is lost by a fault, and whatever is wrong with a file is one sentence with its place."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmbench.configs import files, store
from mmbench.configs.curve import Curve, Point
from mmbench.configs.errors import MmbenchError, SchemaError, StoreError, UsageError
from mmbench.configs.facts import measured
from mmbench.configs.machine import MACHINE_SCHEMA, CoreToCore, Machine
from synthetic_machine import synthetic_machine

SMALL = Machine(MACHINE_SCHEMA, "small-1", identity={"brand": measured("Small", "", "test")}, probed_at="2026-01-01T00:00:00Z")


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*.tmp")]


def test_a_whole_machine_comes_back_equal(tmp_path: Path) -> None:
    machine = synthetic_machine()
    path = store.save_machine(tmp_path, machine)
    assert path == tmp_path / machine.id / "machine.json"
    assert store.load_machine(path) == machine
    assert leftovers(tmp_path) == []


def test_every_field_has_a_line_of_its_own() -> None:
    lines = store.machine_text(SMALL).splitlines()
    assert len(lines) == len(dataclasses.fields(Machine)) + 2


@pytest.mark.parametrize("word", ["", ".", "..", "../x", "a/../b", "/etc", "a/b", "a\0b", "a\\b", "a..b", ".hidden", "x" * 129, "a b", "é"])
def test_ids_that_could_leave_the_folder_are_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(StoreError):
        store.machine_path(tmp_path, word)
    with pytest.raises(StoreError):
        store.save_machine(tmp_path / "results", dataclasses.replace(SMALL, id=word))
    assert list(tmp_path.iterdir()) == []


def test_an_id_in_a_file_is_checked_as_well(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text(store.machine_text(SMALL).replace("small-1", "../../small"))
    with pytest.raises(StoreError, match="machine id"):
        store.load_machine(path)


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "quota"), (errno.EACCES, "permissions"), (errno.EROFS, "read-only")],
)
def test_a_failed_write_keeps_the_old_file_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    path = store.save_machine(tmp_path, SMALL)
    before = path.read_bytes()

    def fails(_descriptor: int, _data: bytes) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "write", fails)
    with pytest.raises(StoreError) as raised:
        store.save_machine(tmp_path, dataclasses.replace(SMALL, probed_at="later"))
    assert words in raised.value.hint
    assert os.strerror(code) in raised.value.message
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == []


def test_a_write_that_ends_half_way_in_a_real_process_keeps_the_old_file(tmp_path: Path) -> None:
    path = store.save_machine(tmp_path, SMALL)
    before = path.read_bytes()
    script = (
        "import resource, sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from synthetic_machine import synthetic_machine\n"
        "import dataclasses\n"
        "from mmbench.configs import store\n"
        "big = dataclasses.replace(synthetic_machine(), id='small-1')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"  # the system takes 20 000 bytes and refuses the rest
        "try: store.save_machine(Path(sys.argv[1]), big)\n"
        "except store.StoreError as error: print(error.message)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == []


def test_a_record_that_could_not_be_read_again_replaces_nothing(tmp_path: Path) -> None:
    path = store.save_machine(tmp_path, SMALL)
    before = path.read_bytes()
    impossible = dataclasses.replace(SMALL, curves={"x": Curve("x", 1, points=(Point({}, 0.0, (1.0,)),))})
    with pytest.raises(SchemaError, match="work"):
        store.save_machine(tmp_path, impossible)
    assert path.read_bytes() == before


def test_writability_is_tried_and_leaves_nothing(tmp_path: Path) -> None:
    store.check_writable(tmp_path / "new" / "results")
    assert list((tmp_path / "new" / "results").iterdir()) == []


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "results"
    blocked.write_text("I was here first")
    for results in (blocked, blocked / "below"):
        with pytest.raises(StoreError) as raised:
            store.check_writable(results)
        assert str(results) in raised.value.message
        assert "--results" in raised.value.hint
    assert blocked.read_text() == "I was here first"


def test_too_little_room_is_noticed_before_measuring(tmp_path: Path) -> None:
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom mmbench.configs import store\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: store.check_writable(Path(sys.argv[1]))\n"
        "except store.StoreError as error: print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_torn_machine_file_is_named(tmp_path: Path, share: float) -> None:
    text = store.machine_text(synthetic_machine())
    path = tmp_path / "machine.json"
    path.write_text(text[: int(len(text) * share)])
    with pytest.raises(SchemaError, match=r"machine\.json"):
        store.load_machine(path)


def fact(**changes: object) -> dict[str, object]:
    return {"identity": {"x": {"value": 1, "unit": "", "how": "measured", "by": "x", **changes}}}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"caches": 3}, r"\$\.caches: expected a list"),
        ({"caches": [{"name": "L1"}]}, r"\$\.caches\[0\]: 'size' is missing"),
        ({"identity": {"brand": {"value": 1}}}, r"\$\.identity\.brand: 'unit' is missing"),
        (
            {"identity": {"brand": {"value": None, "unit": "", "how": "measured", "by": "x"}}},
            r"\$\.identity\.brand: a Fact without a value",
        ),
        (
            {"identity": {"brand": {"value": 1, "unit": "", "how": "guessed", "by": "x"}}},
            r"\$\.identity\.brand\.how: expected 'measured' or",
        ),
        (fact(value=-3, unit="B"), r"\$\.identity\.x\.value: -3 B is below zero"),
        (fact(low=2, high=1), "interval upside down"),
        ({"features": "avx"}, r"\$\.features: expected a list, found 'avx'"),
        ({"curves": {"x": {"probe": "x", "version": 1, "points": [{"at": {}, "work": 0, "time_s": [1]}]}}}, r"points\[0\]\.work"),
        ({"curves": {"x": {"probe": "x", "version": 1, "points": [{"at": {}, "work": 1, "time_s": [-1]}]}}}, r"points\[0\]\.time_s"),
        ({"core_to_core": [{"mode": "cas", "cpus": [0, 1], "median_s": [[0]]}]}, r"\$\.core_to_core\[0\]\.median_s: expected 2 rows"),
        ({"id": 7}, r"\$\.id: expected a word"),
        ({"schema": "1"}, "no 'schema' number"),
        ({"schema": True}, "no 'schema' number"),
    ],
)
def test_nonsense_is_one_sentence_with_its_place(tmp_path: Path, change: dict[str, object], place: str) -> None:
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({**json.loads(store.machine_text(SMALL)), **change}))
    with pytest.raises(SchemaError, match=place) as raised:
        store.load_machine(path)
    assert str(path) in raised.value.message
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"17",
        b"\xff\xfe\x00",
        b'{"schema": NaN}',
        b'{"schema": 1',
        b"[" * 100_000,
        b'{"schema": 1, "id": ' + b"9" * 5000,
    ],
)
def test_what_is_no_machine_file_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "machine.json"
    path.write_bytes(content)
    with pytest.raises(SchemaError):
        store.load_machine(path)


def test_infinities_do_not_come_in_by_the_back_door(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    document = json.loads(store.machine_text(SMALL))
    document["identity"]["x"] = {"value": 1.5, "unit": "B", "how": "measured", "by": "x"}
    path.write_text(json.dumps(document).replace("1.5", "1e999"))
    with pytest.raises(SchemaError, match="no number"):
        store.load_machine(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_gives_anything_but_a_sentence(data: st.DataObject) -> None:
    text = store.machine_text(SMALL)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    damaged = text[:start] + data.draw(st.text(max_size=5)) + text[end:]
    try:
        store.parse_machine(damaged, "here")
    except MmbenchError as error:
        assert error.message  # noqa: PT017 - either outcome is right, but only these


def test_a_newer_schema_names_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text(store.machine_text(SMALL).replace('"schema": 1', '"schema": 99'))
    with pytest.raises(SchemaError, match=f"schema 99.*up to {MACHINE_SCHEMA}"):
        store.load_machine(path)


def test_an_older_schema_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(document: dict[str, object]) -> dict[str, object]:
        return {("probed_at" if name == "when" else name): value for name, value in document.items()}

    path = tmp_path / "machine.json"
    path.write_text(json.dumps({"schema": MACHINE_SCHEMA - 1, "id": "old-1", "when": "2020"}))
    with pytest.raises(SchemaError, match="too old"):
        store.load_machine(path)
    monkeypatch.setitem(store.MACHINE_MIGRATIONS, MACHINE_SCHEMA - 1, rename)
    machine = store.load_machine(path)
    assert (machine.schema, machine.id, machine.probed_at) == (MACHINE_SCHEMA, "old-1", "2020")


def test_keys_that_a_newer_writer_added_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text(store.machine_text(SMALL).replace('"schema": 1', '"schema": 1, "colour": "green"'))
    assert store.load_machine(path) == SMALL


def test_machines_are_listed_newest_first_and_damaged_ones_last(tmp_path: Path) -> None:
    for name, moment in (("a-1", "2026-01-01T00:00:00Z"), ("b-2", "2026-03-01T00:00:00Z")):
        store.save_machine(tmp_path, dataclasses.replace(SMALL, id=name, probed_at=moment))
    (tmp_path / "c-3").mkdir()
    (tmp_path / "c-3" / "machine.json").write_text("{")
    (tmp_path / "not a machine").mkdir()
    found = store.list_machines(tmp_path)
    assert [m.id for m in found] == ["b-2", "a-1", "c-3"]
    assert found[0].brand == "Small"
    assert "not valid JSON" in found[2].problem
    assert store.list_machines(tmp_path / "nowhere") == []


def test_a_machine_is_found_by_path_id_beginning_or_age(tmp_path: Path) -> None:
    for name, moment in (("zen4-16c-11", "2026-01-01"), ("zen5-16c-22", "2026-02-01")):
        store.save_machine(tmp_path, dataclasses.replace(SMALL, id=name, probed_at=moment))
    newest = store.machine_path(tmp_path, "zen5-16c-22")
    assert store.find_machine(tmp_path) == newest
    assert store.find_machine(tmp_path, "zen5") == newest
    assert store.find_machine(tmp_path, "zen5-16c-22") == newest
    assert store.find_machine(tmp_path, str(newest)) == newest
    assert store.find_machine(tmp_path, str(newest.parent)) == newest
    with pytest.raises(UsageError, match="2 machines"):
        store.find_machine(tmp_path, "zen")
    with pytest.raises(UsageError, match="no machine 'm4'"):
        store.find_machine(tmp_path, "m4")
    with pytest.raises(UsageError, match="no file"):
        store.find_machine(tmp_path, "gone/machine.json")
    with pytest.raises(UsageError, match="no machine is stored"):
        store.find_machine(tmp_path / "nowhere")


def test_a_square_table_is_needed_only_where_there_is_one() -> None:
    fine = CoreToCore("cas", (0, 1), ((0.0, 1e-8), (1e-8, 0.0)))
    assert store.parse_machine(store.machine_text(dataclasses.replace(SMALL, core_to_core=(fine,))), "here").core_to_core == (fine,)
