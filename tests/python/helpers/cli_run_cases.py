"""What the tests of `gatecell run` share: networks and states in files, a run with a known result, interrupts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import gatecell
from gatecell._cli import main
from helpers.stream_cases import assert_same, flat, inputs, network, states

NAMES = ("h_n", "c_n")
CHUNK = 2  # steps; the input has 9


def weights(folder: Path, net: Any) -> Path:
    path = folder / "weights.safetensors"
    gatecell.save(path, net.state_dict())
    return path


def saved_states(path: Path) -> Any:
    arrays = gatecell.load(path)
    assert set(arrays) == set(NAMES[: len(arrays)])
    found = [arrays[name] for name in NAMES[: len(arrays)]]
    return found[0] if len(found) == 1 else tuple(found)


def save_states(path: Path, hx: Any) -> None:
    np.savez(path, **dict(zip(NAMES, flat(hx), strict=False)))


class Case:
    """A network, its input and its initial state in files, and the expected results."""

    def __init__(self, folder: Path, name: str = "lstm", batch_first: bool = False) -> None:
        self.folder = folder
        self.net = network(name, batch_first=batch_first)
        self.x = np.ascontiguousarray(inputs(self.net, 3).swapaxes(0, int(batch_first)))
        self.hx = states(self.net, 3)
        self.y, self.final = self.net(self.x, self.hx)
        self.output, self.state = folder / "y.npy", folder / "s.npz"
        np.save(folder / "x.npy", self.x)
        save_states(self.state, self.hx)
        self.words = ["run", str(weights(folder, self.net)), str(folder / "x.npy"), str(self.output)]
        self.words += ["--state", str(self.state), *(["--batch-first"] if batch_first else [])]

    def run(self, *options: str, chunk: int = CHUNK) -> int:
        return main([*self.words, "--chunk", str(chunk), *options])

    @property
    def record(self) -> Path:
        return self.folder / "y.npy.resume"

    def check(self) -> None:
        assert_same(np.load(self.output), self.y)
        assert_same(saved_states(self.state), self.final)
        assert {path.name for path in self.folder.iterdir()} == {"x.npy", "y.npy", "s.npz", "weights.safetensors"}


class Interrupts:
    """Raises an error in the nth call of a method, once."""

    def __init__(self, owner: Any, name: str, error: BaseException, after: bool = False) -> None:
        self.calls, self.nth, self.error, self.after = 0, 0, error, after
        self.patch = (owner, name, getattr(owner, name))

    def __enter__(self) -> Interrupts:
        owner, name, original = self.patch

        def method(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self.nth and not self.after:
                raise self.error
            result = original(*arguments, **options)
            if self.calls == self.nth:
                raise self.error
            return result

        setattr(owner, name, method)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(*self.patch)
