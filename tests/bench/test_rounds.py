"""Tests of rounds: order of the turns, comparison of outputs, contestants that fail.

Most tests use scripted processes, the others real ones.
"""

import os
from functools import partial

import numpy as np
import pytest

import gatecell
from contestants import NO_OUTPUT, ReadyNetwork
from helpers.fresh_process import HANG
from suite import call_times
from suite.arrays import make_weights
from suite.cases import Case
from suite.processes import Process, ProcessError
from suite.rounds import ContestantProcesses, largest_difference
from suite.worker import Worker

CASE = Case.parse("lstm,B=2,T=3,I=4,H=5")


class Scripted:
    """Answers like a worker, and appends its name and the request to `log`."""

    def __init__(self, name, log, outputs=(), unsupported=None, dies_at=None, seconds=1.0, plans=()):
        self.name, self.log, self.outputs, self.unsupported = name, log, outputs, unsupported
        self.dies_at, self.seconds, self.turns, self.plans = dies_at, seconds, 0, list(plans)
        log.append((name, "start"))

    def ask(self, request, limit):
        if "build" in request:
            self.log.append((self.name, "build"))
            if self.unsupported:
                return {"unsupported": self.unsupported}
            if "outputs" in request:
                np.savez(request["outputs"], *self.outputs)
            return {"build_seconds": 1.0, "first_call_seconds": 2.0}
        self.log.append((self.name, "time"))
        self.turns += 1
        if self.turns == self.dies_at:
            raise ProcessError("process ended with status -9")
        plan = {"plan": self.plans[self.turns - 1]} if self.plans else {}
        return {"seconds": self.seconds * self.turns, "calls": 3, **plan}

    def close(self):
        self.log.append((self.name, "close"))


def scripted(log, **contestants):
    start = {name: partial(Scripted, name, log, **options) for name, options in contestants.items()}
    equations = start.pop("equations", None)
    return ContestantProcesses(start, reference="b", **({"equations": equations} if equations else {}))


def test_contestants_are_built_and_timed_in_turns():
    log, y = [], [np.ones(3, np.float32)]
    contestants = scripted(log, a={"outputs": y, "seconds": 2.0}, b={"outputs": y}, c={"outputs": y})
    entries = contestants.measure(CASE, rounds=2, budget=0.0, limit=1.0)
    contestants.close()
    assert [name for name, what in log if what == "time"] == ["a", "b", "c", "a", "b", "c"]
    assert [what for name, what in log if name == "a"] == ["start", "build", "time", "build", "time", "close"]
    assert entries["a"]["turns"] == [2.0, 4.0]
    assert entries["a"]["calls"] == [3, 3]
    assert entries["b"]["build_seconds"] == 1.0


def test_plans_are_kept_with_their_turns():
    log, y = [], [np.ones(3, np.float32)]
    plans = [{"seconds": 1.0, "parts": {}}, {"seconds": 0.5, "parts": {"rows": 2}}]
    entries = scripted(log, a={"outputs": y, "plans": plans}, b={"outputs": y}).measure(CASE, 2, 0.0, 1.0)
    assert entries["a"]["plans"] == plans
    assert "plans" not in entries["b"]


def test_wrong_outputs_are_not_timed():
    log, y = [], np.ones(3, np.float32)
    wrong, nan = y + np.float32(1e-3), y * np.nan
    entries = scripted(
        log, a={"outputs": [wrong]}, b={"outputs": [y]}, c={"outputs": [y + np.float32(1e-6)]}, d={"outputs": [nan]}
    ).measure(CASE, 1, 0.0, 1.0)
    assert entries["a"] == {"missing": "differs from b by 1.0e-03", "failed": True}
    assert entries["d"] == {"missing": "differs from b by inf", "failed": True}
    assert entries["b"]["difference"] == 0
    assert entries["c"]["difference"] == pytest.approx(1e-6, rel=0.1)
    assert {name for name, what in log if what == "time"} == {"b", "c"}


def test_an_unsupported_case_is_not_a_failure_and_the_next_contestant_is_the_reference():
    y = [np.ones(3, np.float32)]
    entries = scripted([], a={"outputs": y}, b={"unsupported": "no such cell"}).measure(CASE, 1, 0.0, 1.0)
    assert entries["b"] == {"missing": "no such cell"}
    assert entries["a"]["difference"] == 0


@pytest.mark.parametrize("text", ["gru,B=2,T=3,H=4,reset=before", "lstm,B=2,T=3,H=4,peepholes=diagonal"])
def test_a_cell_that_the_reference_lacks_is_compared_with_the_equations(text):
    case, right = Case.parse(text), [np.ones(3), np.zeros(2)]
    wrong = [array + 1e-3 for array in right]
    log = []
    contestants = {"a": {"outputs": wrong}, "b": {"unsupported": "no such cell"}, "c": {"outputs": right}}
    entries = scripted(log, **contestants, equations={"outputs": right}).measure(case, 1, 0.0, 1.0)
    assert entries["a"] == {"missing": "differs from the equations by 1.0e-03", "failed": True}
    assert entries["c"]["difference"] == 0
    assert set(entries) == {"a", "b", "c"}
    assert ("equations", "time") not in log
    entries = scripted([], **contestants, equations={"unsupported": "not installed"}).measure(case, 1, 0.0, 1.0)
    assert entries["c"] == {"missing": "the equations: not installed", "failed": True}
    log = []
    entries = scripted(log, b={"outputs": wrong}, c={"outputs": wrong}, equations={}).measure(case, 1, 0.0, 1.0)
    assert entries["c"]["difference"] == 0  # ab.py compares two commits; its reference is the first
    assert ("equations", "start") not in log


def test_a_process_that_dies_is_replaced_for_the_next_case():
    log, y = [], [np.ones(3, np.float32)]
    contestants = scripted(log, a={"outputs": y, "dies_at": 2}, b={"outputs": y})
    entries = contestants.measure(CASE, 3, 0.0, 1.0)
    assert entries["a"] == {"missing": "process ended with status -9", "failed": True}
    assert len(entries["b"]["turns"]) == 3
    contestants.measure(CASE, 1, 0.0, 1.0)
    assert log.count(("a", "start")) == 2


def test_the_bound_of_float64_is_smaller():
    y = np.ones(3)
    case = Case.parse("lstm,H=5,float64")
    entries = scripted([], a={"outputs": [y + 1e-9]}, b={"outputs": [y]}, c={"outputs": [y + 1e-14]}).measure(
        case, 1, 0, 1
    )
    assert entries["a"] == {"missing": "differs from b by 1.0e-09", "failed": True}
    assert "turns" in entries["c"]


def test_difference():
    a = np.array([1.0, 2.0])
    assert largest_difference([a, a], [a, a + np.array([0, 0.5])]) == 0.5
    assert largest_difference([a], [a[:1]]) == np.inf
    assert largest_difference([a], [a, a]) == np.inf
    assert largest_difference([np.array([1.0, np.inf])], [a]) == np.inf
    assert largest_difference([a, NO_OUTPUT], [a + np.array([0, 0.5]), a]) == 0.5
    assert largest_difference([NO_OUTPUT], [a]) == np.inf


@pytest.fixture
def gatecell_process():
    process = Process("gatecell", 1)
    yield process
    process.close()


def test_real_processes_agree_and_are_timed():
    contestants = ContestantProcesses(
        {name: partial(Process, name, 1) for name in ("gatecell", "torch")}, reference="torch"
    )
    try:
        for text in (
            "lstm,B=2,T=3,I=4,H=5,layers=2,bidirectional",
            "gru,B=2,T=3,H=5,batch_first,no_hx",
            "lstm,H=8,proj=3,float64",
        ):
            entries = contestants.measure(Case.parse(text), 2, 0.01, HANG)
            assert [len(entry["turns"]) for entry in entries.values()] == [2, 2]
            assert all(seconds > 0 for entry in entries.values() for seconds in entry["turns"])
    finally:
        contestants.close()


def test_an_exception_in_the_worker_is_an_answer(gatecell_process):
    answer = gatecell_process.ask({"build": "lstm,H=no", "outputs": "unused"}, HANG)
    assert answer["error"].startswith("ValueError: case 'lstm,H=no'")


@pytest.mark.parametrize("threads", {1, len(os.sched_getaffinity(0))})
def test_a_process_has_as_many_cpus_as_threads(threads):
    process = Process("gatecell", threads)
    try:
        process.ask({"build": str(CASE)}, HANG)
        assert os.sched_getaffinity(process.process.pid) == set(sorted(os.sched_getaffinity(0))[:threads])
    finally:
        process.close()


def test_a_process_gets_the_environment_variables(tmp_path):
    (tmp_path / "gatecell.py").write_text("raise RuntimeError('another gatecell')")
    process = Process("gatecell", 1, env={"PYTHONPATH": str(tmp_path)})
    try:
        assert process.ask({"build": str(CASE)}, HANG) == {"error": "RuntimeError: another gatecell"}
    finally:
        process.close()


def test_a_turn_lasts_its_budget_and_gives_the_median_of_its_calls(monkeypatch):
    times = iter([0.0, 1.0, 3.0, 4.0, 104.0, 105.0, 106.0])
    monkeypatch.setattr(call_times, "clock", lambda: next(times))
    worker = Worker("gatecell", 1)
    calls = []
    worker.built = ReadyNetwork(call=lambda: calls.append(None), read=list)
    assert worker.time(104.5) == {"seconds": 1.0, "calls": 5}  # the times are 1, 2, 1, 100, 1
    assert len(calls) == 6  # the first call warms up


def test_the_plan_is_made_after_the_calls():
    calls = []
    plan = {"seconds": 1.0, "parts": {}}
    worker = Worker("gatecell", 1)
    worker.built = ReadyNetwork(lambda: calls.append("call"), list, lambda: calls.append("plan") or plan)
    assert worker.time(0.0)["plan"] == plan
    assert calls == ["call", "call", "plan"]


@pytest.mark.parametrize(
    ("text", "rows"), [("gru,B=3,T=5,H=8", 3), ("lstm,B=2,T=3,H=8,ragged", None), ("lstm,B=2,T=3,H=8,streams", None)]
)
def test_gatecell_has_a_plan_of_the_case(text, rows):
    worker = Worker("gatecell", 1)
    worker.build(Case.parse(text), None)
    answer = worker.time(0.0)
    net = gatecell.GRU.from_state_dict(make_weights(Case.parse("gru,H=8")), num_threads=1)
    expected = {"plan": {"seconds": net.plan(5, rows).seconds, "parts": {}}} if rows else {}
    assert {name: answer[name] for name in answer.keys() - {"seconds", "calls"}} == expected


def test_time_limit(gatecell_process, tmp_path):
    gatecell_process.ask({"build": str(CASE), "outputs": str(tmp_path / "y.npz")}, HANG)
    with pytest.raises(ProcessError, match=r"over the time limit of 0\.2 s"):
        gatecell_process.ask({"time": 100.0}, 0.2)
    assert gatecell_process.process.returncode == -9


def test_a_process_that_ends(gatecell_process):
    gatecell_process.process.kill()
    gatecell_process.process.wait()
    with pytest.raises(ProcessError, match="status -9"):
        gatecell_process.ask({"time": 0.0}, HANG)
