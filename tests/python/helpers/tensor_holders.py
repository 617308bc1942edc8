"""Objects that hold tensors in every way that pickle can save. OBJECTS makes them by name."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

_counter = 0.0


def t(*shape: int) -> torch.Tensor:
    """A tensor with values that no other tensor has."""
    global _counter
    _counter += 1
    return torch.full(shape or (2,), _counter)


class Kind(enum.Enum):
    A = 1
    B = (2, "b")


class Node:
    def __init__(self, **attributes: Any) -> None:
        self.__dict__ |= attributes


class Slots:
    __slots__ = ("a", "b")


class SlotsAndDict(Slots):
    __slots__ = ("__dict__", "c")


class EasyDict(dict[str, Any]):
    """Like the package of this name on PyPI: items are attributes, too."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        super().__setitem__(name, value)

    __setitem__ = __setattr__


class Table(dict[Any, Any]):
    pass


class Row(list[Any]):
    pass


class Point(NamedTuple):
    x: Any
    y: Any


class Tagged(tuple[Any, ...]):
    """A tuple with attributes."""


@dataclasses.dataclass
class Data:
    w: Any
    other: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    w: Any
    other: Any = 3


@dataclasses.dataclass(frozen=True)
class Key:
    name: str


class TensorAsState(Node):
    def __getstate__(self) -> Any:
        return self.w

    def __setstate__(self, state: Any) -> None:
        self.w = state


class ObjectAsState(TensorAsState):
    def __getstate__(self) -> Any:
        return collections.OrderedDict(w=self.w)


class TupleAsState(TensorAsState):
    def __getstate__(self) -> Any:
        return (self.w, 1, {"more": self.more})


class Reduced(Node):
    """__reduce__ returns arguments, state, entries and items. All hold tensors."""

    def __reduce__(self) -> Any:
        return make, (self.arg,), [self.state], iter([self.entry]), iter([("item", self.item)])

    def append(self, entry: Any) -> None: ...

    def __setitem__(self, key: str, value: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def make(arg: Any) -> Reduced:
    return Reduced(arg=arg)


class WithSetter(Node):
    """__reduce__ returns a sixth value: a function that sets the state."""

    def __reduce__(self) -> Any:
        return WithSetter, (), {"w": self.w}, None, None, setattr_all


def setattr_all(node: Any, state: dict[str, Any]) -> None:
    node.__dict__ |= state


class ByKeyword(Node):
    def __new__(cls, *, w: Any) -> ByKeyword:
        made = super().__new__(cls)
        made.w = w
        return made

    def __init__(self, **_: Any) -> None: ...

    def __getnewargs_ex__(self) -> Any:
        return (), {"w": self.w}

    def __getstate__(self) -> Any:
        return None


class Curried(Node):
    """A pickle makes this object by two calls: the first returns a partial, and calling that returns the object."""

    def __reduce__(self) -> Any:
        return functools.partial(Curried.again, self.w), ()

    @staticmethod
    def again(w: Any) -> Curried:
        return Curried(w=w)


class MyTensor(torch.Tensor):
    pass


class Layer(nn.Module):
    """A module with everything that a module may hold, in its state dict and outside."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(t())
        self.register_buffer("running", t())
        self.register_buffer("cache", t(), persistent=False)
        self.register_buffer("nothing", None)
        self.plain = t()
        self.table = {"w": t(), "deep": [t(), (t(),)]}
        self.node = Node(w=t())
        self.listed = [nn.Linear(2, 2)]
        nn.init.constant_(self.listed[0].weight, float(t()[0]))
        nn.init.constant_(self.listed[0].bias, float(t()[0]))
        self.inner = nn.ModuleDict({"a": nn.LayerNorm(3), "b": nn.ParameterList([t(), t()])})
        nn.init.constant_(self.inner["a"].weight, float(t()[0]))
        nn.init.constant_(self.inner["a"].bias, float(t()[0]))


class SlottedLayer(Layer):
    __slots__ = ("slot",)

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "slot", t())

    def __getstate__(self) -> Any:
        return super().__getstate__(), {"slot": self.slot}  # torch's __getstate__ leaves slots out


def with_attributes(made: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        object.__setattr__(made, name, value)
    return made


def holder_of_itself() -> Any:
    row: list[Any] = [t()]
    table: dict[str, Any] = {"row": row, "w": t()}
    row += [row, table]
    table["self"] = table
    return {"row": row, "pair": (t(), row)}


def family() -> Any:
    """Nodes that know their parent and the root, as OmegaConf's nodes do."""
    root = Node(w=t(), parent=None, content={})
    for i in range(3):
        child = Node(w=t(), parent=root, root=root, content={})
        child.content["leaf"] = Node(w=t(), parent=child, root=root)
        root.content[f"g{i}"] = child
    return {"leaf": root.content["g1"].content["leaf"], "cfg": root, **root.content}


def relatives() -> nn.Module:
    """Modules that know each other. These references are not in their state dicts."""
    parent = nn.ModuleList(Layer() for _ in range(4))
    for child in parent:
        child.parent = [parent]
        child.siblings = list(parent)
    return parent


def optimizer() -> torch.optim.Optimizer:
    model = nn.Linear(2, 3)
    nn.init.constant_(model.bias, float(t()[0]))
    made = torch.optim.Adam(model.parameters())
    model(torch.ones(2)).sum().backward()
    made.step()
    for number, state in enumerate(made.state.values()):
        state["exp_avg"] += number + 1
        state["exp_avg_sq"] += number + 10
    return made


def lstm() -> nn.LSTM:
    made = nn.LSTM(3, 4, 2, bidirectional=True)
    for parameter in made.parameters():
        nn.init.uniform_(parameter)
    return made


OBJECTS: dict[str, Callable[[], Any]] = {
    "keys": lambda: {
        frozenset({1, 2}): t(),
        ("a", ("b", 1)): t(),
        (): t(),
        Kind.A: t(),
        Kind.B: {"w": t()},
        1: t(),
        None: t(),
        False: [t()],
        1.5: t(),
        2**40: t(),
        b"bytes": t(),
        torch.float32: t(),
        Key("a"): t(),
        Key("b"): t(),
        "k" * 3000: t(),
        tuple(range(100)): t(),
    },
    "tensors as keys": lambda: {t(): t(), t(): {"w": t()}, (t(), 1): t(), Node(w=t()): t(), frozenset({t()}): 1},
    "containers": lambda: [
        (t(), [t()], {t(), t()}, frozenset({t()})),
        collections.deque([t(), t()]),
        collections.defaultdict(list, a=t()),
        collections.defaultdict(functools.partial(Node, w=t()), a=t()),
        collections.ChainMap({"a": t()}, {"a": t()}),
        collections.UserDict(a=t()),
        types.SimpleNamespace(w=t()),
    ],
    "ordered dict": lambda: with_attributes(
        collections.OrderedDict(a=t(), b=collections.OrderedDict(c=t())), kept=t(), more={"w": t()}
    ),
    "attributes": lambda: {
        "node": Node(w=t(), inner=Node(w=t(), **{"odd name": t()})),
        "slots": with_attributes(Slots(), a=t(), b=[t()]),
        "both": with_attributes(SlotsAndDict(), a=t(), c=t(), d=t()),
        "data": Data(t(), Frozen(t(), t())),
    },
    "dict classes": lambda: {
        "table": with_attributes(Table({"a": t(), 0: t()}), kept=t()),
        "easy": EasyDict(w=t(), inner=EasyDict(w=t())),
        "row": with_attributes(Row([t(), {"w": t()}]), kept=t()),
        "point": Point(t(), [t()]),
        "tagged": with_attributes(Tagged((t(), t())), kept=t()),
    },
    "reduced": lambda: [
        TensorAsState(w=t()),
        ObjectAsState(w=t()),
        TupleAsState(w=t(), more=t()),
        Reduced(arg=t(), state=t(), entry=t(), item=t()),
        WithSetter(w=t()),
        ByKeyword(w=t()),
        Curried(w=t()),
        functools.partial(make, t(), w=t()),
    ],
    "tensors with attributes": lambda: {
        "parameter": with_attributes(nn.Parameter(t()), scale=t(), more=[t()]),
        "tensor": with_attributes(t(), scale=t(), node=Node(w=t())),
        "class": with_attributes(t().as_subclass(MyTensor), scale=t()),
        "parameter of a class": with_attributes(nn.Parameter(t().as_subclass(MyTensor)), scale=t()),
    },
    "arrays": lambda: {
        "a": t(2, 3).numpy(),
        "objects": np.array([t().numpy(), {"w": t()}, None], object),
        "in an object": Node(w=t().numpy()),
    },
    "module": Layer,
    "module with slots": SlottedLayer,
    "modules": lambda: {"net": nn.Sequential(Layer(), lstm()), "ema": [Layer()], "epoch": 3},
    "module shared": lambda: nn.ModuleList([layer := Layer(), nn.Sequential(layer)]),
    "relatives": relatives,
    "itself": holder_of_itself,
    "family": family,
    "optimizer": optimizer,
    "checkpoint": lambda: {"opt": (opt := optimizer()).state_dict(), "sched": torch.optim.lr_scheduler.StepLR(opt, 1)},
    "packed sequence": lambda: nn.utils.rnn.pack_sequence([t(3, 2), t(2, 2)]),
    "sizes": lambda: {"max": torch.max(t(2, 2), 0), "size": t(2).shape, "w": t()},
}
