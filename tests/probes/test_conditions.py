"""Conditions of known machines, and the notices that they earn."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from mmbench.configs.codec import decode, encode
from mmbench.configs.curve import Curve
from mmbench.configs.facts import reported, unknown
from mmbench.configs.machine import Conditions, Machine
from mmbench.probes import conditions, identity, topology
from mmbench.probes.conditions import closed, diagnose
from mmbench.probes.context import Context, Effort

FOLDER = Path(__file__).parents[1] / "machines"
MACHINES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def inferred(readings: dict[str, Any]) -> Machine:
    machine = Machine(1, "")
    for name, probe in (("identity", identity), ("topology", topology), ("conditions", conditions)):
        machine = probe.infer(Curve(name, 1, readings=readings[name]), machine)
    return machine


@pytest.mark.parametrize("name", MACHINES)
def test_notices_of_known_machines(name):
    machine, expect = inferred(MACHINES[name]["readings"]), MACHINES[name]["expect"]
    if expect["notices"] is not None:
        assert [notice.topic for notice in machine.notices] == expect["notices"]
    assert all(notice.what and notice.why and notice.hint for notice in machine.notices)
    assert machine.conditions.before["hypervisor"].value == expect["hypervisor"]
    assert str(machine.conditions.before["container"].value).startswith(expect.get("container", ""))
    assert decode(Machine, json.loads(json.dumps(encode(machine)))) == machine


@pytest.mark.parametrize("junk", ["", "-1", "9" * 40, "\x00\xff", "max max", "nan"])
@pytest.mark.parametrize("name", MACHINES)
def test_nonsense_is_no_crash(name, junk):
    readings = copy.deepcopy(MACHINES[name]["readings"])
    state = readings["conditions"]["state"]
    state["files"] = dict.fromkeys(state["files"], junk)
    state["groups"] = {key: [dict.fromkeys(group, junk) for group in groups] for key, groups in state["groups"].items()}
    state["stat_later"] = junk
    machine = inferred(readings)
    assert machine.conditions.before["steal_s"].value is None
    assert inferred(readings | {"conditions": {}}).notices == ()


def topics(conditions_before: dict[str, Any], after: dict[str, Any] | None = None, overrides: dict[str, str] | None = None) -> list[str]:
    before = {name: reported(value, "", "test") for name, value in conditions_before.items()}
    later = {name: reported(value, "", "test") for name, value in (after or {}).items()}
    return [notice.topic for notice in diagnose(Conditions(before, later, overrides or {}))]


def test_nothing_known_and_nothing_wrong_earn_no_notice():
    assert topics({}) == []
    assert (
        topics({"governor": "performance", "thp": "madvise", "load_1m": 0.1, "allowed_cpus": "0-3", "steal_share": 0.0, "cpu_quota": 4.0})
        == []
    )
    assert diagnose(Conditions({"governor": unknown("", "test", "hidden")})) == ()


@pytest.mark.parametrize(
    ("before", "topic"),
    [
        ({"governor": "powersave"}, "governor"),
        ({"governor": "performance, powersave"}, "governor"),
        ({"cpu_quota": 1.5, "allowed_cpus": "0-3"}, "quota"),
        ({"throttled_periods": 3}, "quota"),
        ({"thp": "never"}, "huge-pages"),
        ({"steal_share": 0.02}, "steal"),
        ({"load_1m": 5.0, "allowed_cpus": "0-3"}, "load"),
        ({"other_load": 1.0}, "load"),
        ({"sibling_busy": 0.5}, "smt"),
    ],
)
def test_each_condition_that_hurts_trust_earns_its_notice(before, topic):
    assert topics(before) == [topic]


def test_what_grew_during_the_run_counts_before_what_was():
    before = {"steal_s": 10.0, "busy_s": 100.0, "steal_share": 0.09, "throttled_periods": 5, "thermal_throttles": 7}
    calm = {"steal_s": 10.0, "busy_s": 200.0, "throttled_periods": 5, "thermal_throttles": 7}
    rough = {"steal_s": 20.0, "busy_s": 200.0, "throttled_periods": 9, "thermal_throttles": 8}
    assert topics(before | {"throttled_periods": 0}, calm | {"throttled_periods": 0}) == []
    assert topics(before, rough) == ["quota", "steal", "thermal"]
    assert topics(before, {"steal_s": 1.0, "busy_s": 1.0, "thermal_throttles": 0})[-1:] == ["steal"]  # counters that ran backwards


def test_overrides_are_named_and_long_lists_cut():
    notices = diagnose(Conditions(overrides={f"OMP_{n}": "1" for n in range(7)}))
    assert [notice.topic for notice in notices] == ["overrides"]
    assert "3 more" in notices[0].what


def test_measuring_takes_the_allowed_cpus_from_the_context(tmp_path):
    curve = conditions.measure(Context(Effort.QUICK, Machine(1, ""), cpus=(0, 3), root=tmp_path))
    assert conditions.infer(curve, Machine(1, "")).conditions.before["allowed_cpus"].value == "0,3"
    assert curve.missing
    json.dumps(encode(curve))


def test_the_hypervisor_has_one_name_before_and_after_a_run() -> None:
    named = reported("kvm", "", "cpuid.40000000")
    machine = Machine(1, "m", identity={"hypervisor": named}, conditions=Conditions({"hypervisor": named}))
    after = {"hypervisor": reported("unknown hypervisor", "", "/proc/cpuinfo"), "load_1m": reported(0.1, "", "/proc/loadavg")}
    assert closed(machine, after).conditions.after["hypervisor"] == named
    assert closed(machine, {}).conditions.after == {}


def test_one_busy_cpu_is_no_cpus() -> None:
    notices = [diagnose(Conditions({"other_load": reported(load, "cpu", "/proc/stat")}))[0].what for load in (1.0, 1.7)]
    assert notices == ["other work keeps 1 CPU busy", "other work keeps 1.7 CPUs busy"]
