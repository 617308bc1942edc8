"""accelerate in a program: the report and its example, number of threads, use without torch."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

import gatecell
from helpers.accelerated import OwnForward, X, flat, run, small
from helpers.fresh_process import run_script

# The report.


class Tagger(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = torch.nn.GRU(3, 4, bidirectional=True)
        self.cell = torch.nn.LSTMCell(8, 2)
        self.unused = torch.nn.RNN(1, 1)
        self.own = OwnForward(8, 2)

    def forward(self, x: torch.Tensor, scale: float = 1) -> dict[str, Any]:
        y, h = self.encoder(scale * x)
        return {"cell": self.cell(y[0]), "more": [self.own(y)[0], h]}


EXAMPLES = {"tensor": X, "tuple": (X, 2.0), "dict": {"scale": 2.0, "x": X}}


@pytest.mark.parametrize("form", EXAMPLES)
def test_the_report_shows_times_of_an_example(form: str) -> None:
    model, report = gatecell.accelerate(Tagger().eval(), EXAMPLES[form])
    for measured in (report.measured, report.modules["encoder"].measured, report.modules["cell"].measured):
        assert 0 < measured.before < 1
        assert 0 < measured.after < 1
        assert 0 <= measured.difference < 1e-6
    assert report.measured.before > report.modules["encoder"].measured.before
    assert report.modules["unused"].measured is report.modules["own"].measured is None
    assert [entry.served for entry in report.modules.values()] == [1, 1, 0, 0]
    run(model)
    with torch.inference_mode(), torch.autocast("cpu"):
        model.encoder(X)
    assert report.modules["encoder"].served == 2
    table = str(report).splitlines()
    time, difference = r"\d+ us +\d+ us", r"\d\.\de[-+]\d\d"
    patterns = [
        "module +class +served +fell back +before +after +difference",
        rf"encoder +GRU +2 +1 autocast +{time} +{difference}",
        rf"cell +LSTMCell +2 +0 +{time} +{difference}",
        "unused +RNN +0 +0",
        "own +OwnForward +- +not replaced: OwnForward has its own forward",
        rf"whole model +{time} +{difference}",
    ]
    for line, pattern in zip(table, patterns, strict=True):
        assert re.fullmatch(pattern, line), line


def test_the_difference_is_the_largest() -> None:
    """The accelerated module computes something else, because its packed weights are not up to date."""
    model, report = gatecell.accelerate(small())
    with torch.no_grad():
        model.weight_hh_l0.data.add_(0.5)  # gatecell does not notice this change
    before = run(model)
    _, report = gatecell.accelerate(model, X)
    expected = max(float((a - b).abs().max()) for a, b in zip(flat(before), flat(run(plain_copy(model))), strict=True))
    assert report.measured.difference == report.modules[""].measured.difference == pytest.approx(expected, rel=1e-5)
    assert expected > 0.01


def plain_copy(model: Any) -> Any:
    """A copy that was never accelerated."""
    like = small()
    like.load_state_dict(model.state_dict())
    return like


def test_an_example_may_be_a_packed_sequence() -> None:
    packed = torch.nn.utils.rnn.pack_sequence([X[:, 0], X[:2, 1]])
    _, report = gatecell.accelerate(small(), packed)
    assert report.measured.difference < 1e-6
    assert report.modules[""].served == 1


def test_an_example_that_fails_leaves_the_model_alone() -> None:
    module = small()
    with pytest.raises(RuntimeError, match="input_size"):
        gatecell.accelerate(module, X[..., :2])
    assert type(module) is torch.nn.GRU
    with pytest.raises(ValueError, match=r"call model.eval\(\) first"):
        gatecell.accelerate(module.train(), X)
    assert type(module) is torch.nn.GRU
    module, report = gatecell.accelerate(module.eval())
    with pytest.raises(RuntimeError, match="input_size"):
        gatecell.accelerate(torch.nn.Sequential(module, torch.nn.GRU(4, 4)).eval(), X[..., :2])
    assert type(module) is not torch.nn.GRU  # it was accelerated before this call
    run(module)
    assert report.modules[""].served == 1


def test_an_example_may_run_hooks() -> None:
    """The time is measured with the input that the model passes to the module.

    The hooks change this input again in each call.
    """
    module = small()
    module.register_forward_pre_hook(lambda module, args: (args[0][..., :3],))
    _, report = gatecell.accelerate(module, torch.cat([X, X], 2))
    assert report.measured.difference < 1e-6
    assert report.modules[""].measured.difference < 1e-6


def test_an_example_leaves_ordinary_tensors() -> None:
    class Keeper(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = small()
            self.last = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y, self.last = self.gru(x, self.last)
            return y

    model, _ = gatecell.accelerate(Keeper().eval(), X)
    assert not model.last.is_inference()


@pytest.mark.parametrize("output", [None, torch.zeros(0)])
def test_the_difference_is_nan_without_outputs(output: Any) -> None:
    class Mute(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = small()

        def forward(self, x: torch.Tensor) -> Any:
            self.gru(x)
            return output

    _, report = gatecell.accelerate(Mute().eval(), X)
    assert math.isnan(report.measured.difference)
    assert report.modules["gru"].measured.difference < 1e-6


# Threads.


@pytest.mark.usefixtures("two_cpus")
def test_the_number_of_threads_is_torchs_by_default() -> None:
    script = """
        import torch, gatecell
        torch.manual_seed(0)
        x = torch.randn(100, 8, 64)
        for threads, given, workers in ((1, None, 0), (2, 1, 0), (2, None, 1)):
            torch.set_num_threads(threads)
            lstm, _ = gatecell.accelerate(torch.nn.LSTM(64, 64).eval(), num_threads=given)
            with torch.inference_mode():
                lstm(x)
            assert gatecell._core.thread_pool_size() == workers, (threads, given)
        torch.set_num_threads(2)
    """
    run_script(script)


@pytest.mark.usefixtures("two_cpus")
def test_threads_sleep_while_torch_works() -> None:
    """torch multiplies matrices on two threads, and gatecell runs a call on two threads, in turn.

    Once the thread of gatecell sleeps, it must not wake up while torch works.
    """
    script = """
        import os, time, torch, gatecell
        torch.set_num_threads(2)
        lstm, report = gatecell.accelerate(torch.nn.LSTM(64, 64).eval())
        x, a = torch.randn(100, 8, 64), torch.randn(500, 500)
        tasks = lambda: set(os.listdir("/proc/self/task"))
        def of(task, name):
            return open(f"/proc/self/task/{task}/{name}").read()
        with torch.inference_mode():
            a @ a
            before = tasks()
            lstm(x)
            added = tasks() - before
            assert len(added) == gatecell._core.thread_pool_size() == 1, added
            worker, = added
            spent = []
            for _ in range(51):
                lstm(x)
                while of(worker, "stat").rpartition(")")[2].split()[0] != "S":
                    time.sleep(1e-3)
                start = int(of(worker, "schedstat").split()[0])
                a @ a
                spent.append(int(of(worker, "schedstat").split()[0]) - start)
        assert report.modules[""].served == 52
        print(max(spent))
    """
    assert int(run_script(script)) == 0  # nanoseconds of CPU time


# torch need not be installed.


def test_without_torch_accelerate_says_what_it_needs() -> None:
    output = run_script("""
        import sys
        sys.modules["torch"] = None  # as if it were not installed
        import gatecell
        try:
            gatecell.accelerate(None)
        except ImportError as error:
            print(error)
    """)
    assert output == "gatecell.accelerate needs PyTorch: pip install torch\n"
