"""gatecell.load reads what torch.save and torch.jit.save write. The oracle is torch.load.

Names, dtypes, shapes and bits must agree.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import gatecell
from helpers import torch_load_oracle
from helpers.hostile_files import DATA, Made, Storage, archive, members, pickled, tensor

Save = Callable[[Any, Path], None]


def save_zip(value: Any, path: Path, **how: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch warns that it cannot find the source of a module
        torch.save(value, path, **how)


def save_legacy(value: Any, path: Path, **how: Any) -> None:
    save_zip(value, path, _use_new_zipfile_serialization=False, **how)


SAVES = pytest.mark.parametrize("save", [save_zip, save_legacy])
BASE = torch.arange(24.0)
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128, torch.bool]
DTYPES += [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64]


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(3, 4, 2, bidirectional=True)
        self.heads = nn.ModuleList([nn.Linear(8, 2), nn.Linear(8, 3)])
        self.register_buffer("scale", torch.tensor([2.0, 3.0]))
        self.register_buffer("cache", torch.ones(2), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.encoder(x)
        z: torch.Tensor = self.heads[0](y) * self.scale + self.cache
        for head in self.heads:
            z = z + head(y).sum()
        return z


class Config:
    """A foreign class in hyper-parameters. It holds a tensor and a reference to itself."""

    def __init__(self) -> None:
        self.table = torch.arange(3)
        self.parent = self


class Nested:
    """Before protocol 4, pickle names the inner class with a call of getattr."""

    class Options:
        def __init__(self) -> None:
            self.table = torch.arange(2)

    class Kind(enum.Enum):
        TAGGER = 1


class Slots:
    __slots__ = ("__dict__", "table")

    def __init__(self) -> None:
        self.table, self.other = torch.arange(4), torch.arange(5)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    table: torch.Tensor


class ByKeyword:
    """Before protocol 4, pickle creates it with a call of the result of functools.partial."""

    def __new__(cls, *, size: int) -> ByKeyword:
        return super().__new__(cls)

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, int]]:
        return (), {"size": 3}


class Pair(NamedTuple):
    first: torch.Tensor
    second: Any


class Table(dict[str, Any]):
    """A subclass of dict that gatecell does not know."""


MODEL = Outer()
WEIGHTS: dict[str, Any] = {
    "state dict": MODEL.state_dict(),
    "parameters": {"a": nn.Parameter(torch.ones(2, 3)), "b": nn.Parameter(torch.ones(2), requires_grad=False)},
    "deeper": {
        "model_state_dict": MODEL.state_dict(),
        "optimizer_state": torch.optim.SGD(MODEL.parameters(), momentum=0.9).state_dict(),
        "epoch": 3,
        "losses": [0.5, 0.25],
        "nothing": None,
        7: {
            True: torch.ones(1),
            None: torch.ones(2),
            0.5: torch.ones(3),
            ("a", 1): torch.ones(1),
            "x y": (torch.zeros(2), [torch.ones(3)]),
        },
    },
    "views": {
        "offset": BASE[5:9],
        "matrix": BASE.view(4, 6)[1:3, 2:4],
        "transposed": BASE.view(4, 6).t(),
        "stepped": BASE[1::3],
        "expanded": BASE[:3, None].expand(3, 5),
        "permuted": BASE.view(2, 3, 4).permute(2, 0, 1),
        "scalar": BASE[7],
        "whole": BASE,
        "empty": BASE[3:3],
        "empty matrix": torch.zeros(0, 4),
        "empty strided": BASE.view(4, 6)[:, 6:],
    },
    "views of bfloat16": {"a": BASE.bfloat16()[3:], "b": BASE.bfloat16().view(4, 6).t()},
    "conjugate": {"a": torch.complex(BASE, BASE.flip(0)).conj(), "b": torch.ones(2, dtype=torch.complex64).conj()[1:]},
    "negative": {"imaginary": torch.complex(BASE, BASE.flip(0)).conj().imag},
    "odd keys": {2**40: BASE, torch.float32: BASE[1:], -1: BASE[2:], False: BASE[3:]},
    "a tensor": BASE,
    "a list": [BASE, (BASE[1:], {"a": BASE[2:]})],
    "no tensors": {"epoch": 3},
    "special values": torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45, 3.4e38]),
    "text": {"ä ö 漢字": torch.ones(1), "\ud800": torch.ones(2), "": {"": torch.ones(2)}},
    "size": {"size": torch.Size([2, 3]), "device": torch.device("cuda:0"), "dtype": torch.float16, "t": BASE},
    "1000 tensors": {f"layer{i}": torch.full((2,), float(i)) for i in range(1000)},
    "long text": {"vocabulary": {f"word{i}": i for i in range(5000)}, "t": BASE, "big": "x" * 100_000},
    "numbers": {"a": [2**31, -(2**31), 2**80, -(2**80), 1.5, 255, 65535, 1j], "t": BASE, "set": {1, 2}, "bytes": b"ab"},
}


@SAVES
@pytest.mark.parametrize("name", WEIGHTS)
def test_files_are_read_as_by_torch_load(name: str, save: Save, tmp_path: Path) -> None:
    save(WEIGHTS[name], tmp_path / "no suffix")
    theirs = torch_load_oracle.load(tmp_path / "no suffix")
    ours = gatecell.load(tmp_path / "no suffix")
    torch_load_oracle.assert_same(ours, theirs)
    torch_load_oracle.assert_same(gatecell.load(tmp_path / "no suffix", check=True), theirs)
    assert not {path for path in ours.skipped if not path.startswith(("a.", "bytes"))}


@SAVES
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_is_read(dtype: torch.dtype, save: Save, tmp_path: Path) -> None:
    values = torch.arange(-4, 8).view(3, 4).to(dtype)
    value = {"a": values, "b": values.t()[1:], "c": values[1, 1]}
    save(value, tmp_path / "a.pt")
    if save is save_zip or dtype not in (torch.uint16, torch.uint32, torch.uint64):
        theirs = torch_load_oracle.load(tmp_path / "a.pt")
    else:  # torch cannot read these dtypes in its own file
        theirs = torch_load_oracle.flatten(value)
    torch_load_oracle.assert_same(gatecell.load(tmp_path / "a.pt"), theirs)


@SAVES
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_is_read(protocol: int, save: Any, tmp_path: Path) -> None:
    arrays = {"array": np.arange(6.0).reshape(2, 3), "empty": np.zeros((0, 3)), "fortran": np.ones((2, 3), order="F")}
    tuples = {"pair": Pair(BASE, Pair(BASE[1:], 3)), "max": torch.max(BASE.view(4, 6), 0)}
    arrays["lists"] = [[] for _ in range(50_000)]
    value = WEIGHTS["deeper"] | arrays | tuples | {"set": {1, 2}, "frozen": frozenset([3])}
    save(value, tmp_path / "a.pt", pickle_protocol=protocol)
    theirs = torch_load_oracle.load(tmp_path / "a.pt", weights_only=False)
    torch_load_oracle.assert_same(gatecell.load(tmp_path / "a.pt"), theirs)


@SAVES
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_in_foreign_objects_are_found(protocol: int, save: Any, tmp_path: Path) -> None:
    """Tensors are found by the names of attributes.

    Tensors without a name get a number. `skipped` names the objects.
    """
    objects = [Nested.Options(), Nested.Kind.TAGGER, Slots(), Frozen(BASE), ByKeyword(size=3)]
    value = {type(member).__name__: member for member in objects} | {Nested.Kind.TAGGER: BASE, "class": Nested.Kind}
    save(value, tmp_path / "a.pt", pickle_protocol=protocol)
    ours = gatecell.load(tmp_path / "a.pt")
    kind = f"{__name__}.Nested.Kind"
    sizes = {"Options.table": 2, "Slots.other": 5, "Slots.table": 4, "Frozen.0": 24, f"{kind}(1)": 24}
    assert {name: array.size for name, array in ours.items()} == sizes
    assert ours.skipped["ByKeyword"] in (f"{__name__}.ByKeyword", "the result of a call")
    assert {path: name for path, name in ours.skipped.items() if not path.startswith("ByKeyword")} == {
        "Options": f"{__name__}.Nested.Options",
        "Kind": kind,
        "class": kind,
        "Slots": f"{__name__}.Slots",
        "Frozen": f"{__name__}.Frozen",
    }


@SAVES
@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "complex32"])
@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_dtypes_that_numpy_lacks_are_errors(dtype: str, save: Save, tmp_path: Path) -> None:
    save({"enc": {"w": torch.ones(3).to(getattr(torch, dtype))}, "dec": {"w": torch.ones(2)}}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=rf"a\.pt: 'enc\.w': dtype {dtype} is not supported; supported: float64"):
        gatecell.load(tmp_path / "a.pt")
    assert list(gatecell.load(tmp_path / "a.pt", prefix="dec")) == ["dec.w"]


@SAVES
@pytest.mark.parametrize("kind", ["sparse", "quantised", "nested", "nested tensor: save", "meta"])
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_arrays_are_errors(kind: str, save: Save, tmp_path: Path) -> None:
    tensor = {
        "sparse": lambda: torch.eye(3).to_sparse(),
        "quantised": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "nested tensor: save": lambda: torch.nested.nested_tensor([torch.ones(2)], layout=torch.jagged),
        "meta": lambda: torch.ones(3, device="meta"),
    }[kind]()
    save({"good": {"w": torch.ones(2)}, "layer": {"w": tensor}}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=rf"a\.pt: 'layer\.w': a {kind.partition(' ')[0]} tensor"):
        gatecell.load(tmp_path / "a.pt")
    torch_load_oracle.assert_same(gatecell.load(tmp_path / "a.pt", prefix="good"), {"good.w": np.ones(2, "float32")})


@SAVES
def test_a_whole_module_is_read(save: Save, tmp_path: Path) -> None:
    """The tensors have the names of the state dict. The buffer that is not persistent is left out."""
    save({"net": Outer()}, tmp_path / "a.pt")
    ours = gatecell.load(tmp_path / "a.pt")
    torch_load_oracle.assert_same(ours, torch_load_oracle.load(tmp_path / "a.pt", weights_only=False))
    assert next(iter(ours)) == "net.scale"
    assert ours.skipped == {"net.cache": "a tensor outside the state dict"}


@SAVES
def test_foreign_classes_are_skipped_and_named(save: Save, tmp_path: Path) -> None:
    value = {
        "hyper_parameters": {"config": Config(), "table": Table(w=torch.ones(2)), "path": Path("x"), "kind": Config},
        "counts": collections.Counter("aab"),
        "array": np.arange(6, dtype=">i2").reshape(2, 3).T,
        "words": np.array(["a", "b"]),
        "number": np.float32(2.5),
        "flags": np.array([True, False]),
    }
    save(value, tmp_path / "a.pt")
    ours = gatecell.load(tmp_path / "a.pt")
    assert list(ours) == ["hyper_parameters.config.table", "hyper_parameters.table.w", "array", "flags"]
    np.testing.assert_array_equal(ours["hyper_parameters.config.table"], [0, 1, 2])
    np.testing.assert_array_equal(ours["array"], value["array"])
    np.testing.assert_array_equal(ours["flags"], value["flags"])
    assert ours.skipped.pop("hyper_parameters.path").startswith("pathlib")
    assert ours.skipped.pop("words").startswith("numpy.")
    assert ours.skipped.pop("number").startswith("numpy.")
    assert ours.skipped == {
        "hyper_parameters.config": f"{__name__}.Config",
        "hyper_parameters.table": f"{__name__}.Table",
        "hyper_parameters.kind": f"{__name__}.Config",
        "counts": "collections.Counter",
    }


def test_big_endian_files_are_read(tmp_path: Path) -> None:
    """The test changes a file of torch.save into what a big-endian machine writes. torch.load is the oracle of both."""
    value = {"a": BASE.view(4, 6).t(), "b": torch.arange(3), "c": BASE.bfloat16(), "d": torch.complex(BASE, -BASE)}
    torch.save(value, tmp_path / "little.pt")
    widths = {"data/0": "u4", "data/1": "u8", "data/2": "u2", "data/3": "u4"}  # a complex number is two numbers
    with zipfile.ZipFile(tmp_path / "little.pt") as little, zipfile.ZipFile(tmp_path / "big.pt", "w") as big:
        for name in little.namelist():
            record = name.partition("/")[2]
            content = b"big" if record == "byteorder" else little.read(name)
            big.writestr(name, np.frombuffer(content, widths.get(record, "u1")).byteswap().tobytes())
    theirs = torch_load_oracle.load(tmp_path / "big.pt")
    torch_load_oracle.assert_same(gatecell.load(tmp_path / "big.pt"), theirs)
    torch_load_oracle.assert_same(gatecell.load(tmp_path / "little.pt"), theirs)


@pytest.mark.parametrize("trace", [False, True])
def test_torchscript_is_read(trace: bool, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        model = Outer().eval()
        scripted = torch.jit.trace(model, torch.ones(2, 2, 3)) if trace else torch.jit.script(model)
        torch.jit.save(scripted, tmp_path / "a.pt")
        theirs = torch_load_oracle.flatten(dict(torch.jit.load(tmp_path / "a.pt").state_dict()))
    ours = gatecell.load(tmp_path / "a.pt", check=True)
    assert ours.skipped == {}
    assert ours.keys() - theirs.keys() <= {"cache"}, "an archive does not tell which buffers persist"
    torch_load_oracle.assert_same({name: ours[name] for name in theirs}, theirs)
    net = gatecell.LSTM.from_file(tmp_path / "a.pt", prefix="encoder")
    assert (net.num_layers, net.bidirectional) == (2, True)


@SAVES
def test_tensors_of_other_devices_are_read(save: Save, tmp_path: Path) -> None:
    """The file of a tensor of another device differs only in the location of the storage."""
    save({"w": BASE}, tmp_path / "cpu.pt")
    content = (tmp_path / "cpu.pt").read_bytes()
    for location in (b"mps", b"xpu"):
        (tmp_path / "a.pt").write_bytes(content.replace(b"\x03\0\0\0cpu", b"\x03\0\0\0" + location))
        torch_load_oracle.assert_same(gatecell.load(tmp_path / "a.pt"), {"w": BASE.numpy()})


@SAVES
def test_from_file_reads_a_layer_of_torch(save: Save, tmp_path: Path) -> None:
    theirs = nn.LSTM(3, 4, 2, bidirectional=True)
    save({"model": {"encoder": theirs.state_dict()}, "other": torch.ones(2).to(torch.float8_e5m2)}, tmp_path / "a.pt")
    ours = gatecell.LSTM.from_file(tmp_path / "a.pt", prefix="model.encoder", batch_first=True)
    for name, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, theirs.state_dict()[name])
    with pytest.raises(ValueError, match=r"recurrent weights are under prefix='model\.encoder\.'"):
        gatecell.LSTM.from_file(tmp_path / "a.pt", prefix="decoder")
    with pytest.raises(
        ValueError, match=r"expected arrays with names that start with 'decoder\.': names start with model, other"
    ):
        gatecell.load(tmp_path / "a.pt", prefix="decoder")


def test_parts_of_storages_in_old_files_are_read(tmp_path: Path) -> None:
    """The sixth item in the id of a storage names a part of the storage.

    Since about version 0.4 torch writes None there, but it still reads parts.
    """
    part = Storage()
    part.pid = (*part.pid, ("1", 6, 12))
    whole = Storage()
    whole.pid = (*whole.pid, None)
    value = pickled({"part": tensor(part, 1), "whole": tensor(whole, 0, (24,), (1,))})
    head = b"".join(pickle.dumps(item, 2) for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    (tmp_path / "a").write_bytes(head + value + pickle.dumps(["0"], 2) + (24).to_bytes(8, "little") + DATA)
    torch_load_oracle.assert_same(gatecell.load(tmp_path / "a"), torch_load_oracle.load(tmp_path / "a"))


def test_ordered_dicts_of_python_2_are_read(tmp_path: Path) -> None:
    """Python 2 pickled their items as a list of pairs."""
    value = Made(collections.OrderedDict, [["w", tensor()], ["b", tensor(offset=3)]])
    (tmp_path / "a").write_bytes(archive(members(value)))
    ours = gatecell.load(tmp_path / "a")
    torch_load_oracle.assert_same(ours, torch_load_oracle.load(tmp_path / "a", weights_only=False))
    assert list(ours) == ["w", "b"]


def test_the_arrays_are_views_of_the_file(tmp_path: Path) -> None:
    torch.save({"a": BASE, "b": BASE.view(4, 6).t()}, tmp_path / "a.pt")
    ours = gatecell.load(tmp_path / "a.pt")
    assert np.shares_memory(ours["a"], ours["b"])


def test_equal_paths_are_an_error(tmp_path: Path) -> None:
    torch.save({"a.b": BASE, "a": {"b": BASE[1:]}, "c": {"w": BASE}}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"two tensors have the path 'a\.b'"):
        gatecell.load(tmp_path / "a.pt")
    torch_load_oracle.assert_same(gatecell.load(tmp_path / "a.pt", prefix="c"), {"c.w": BASE.numpy()})


def test_a_wrong_checksum_is_an_error_if_checked(tmp_path: Path) -> None:
    torch.save({"a": BASE}, tmp_path / "a.pt")
    content = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(content.replace(BASE.numpy().tobytes(), BASE.flip(0).numpy().tobytes()))
    np.testing.assert_array_equal(gatecell.load(tmp_path / "a.pt")["a"], BASE.flip(0))
    with pytest.raises(ValueError, match=r"a\.pt: the member 'a/data/0' does not match its checksum"):
        gatecell.load(tmp_path / "a.pt", check=True)


def test_files_without_checksums_are_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": BASE}, tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    torch_load_oracle.assert_same(gatecell.load(tmp_path / "a.pt"), torch_load_oracle.load(tmp_path / "a.pt"))
    with pytest.raises(ValueError, match=r"a\.pt: the archive was written without checksums"):
        gatecell.load(tmp_path / "a.pt", check=True)


@pytest.mark.parametrize("name", ["3:4.pt", "a:b.bin", "a..pt", "a\nb", "ü.pt", "data.pkl"])
def test_files_may_have_odd_names(name: str, tmp_path: Path) -> None:
    """torch gives the folder in the archive the name of the file."""
    torch.save({"a": BASE}, tmp_path / name)
    torch_load_oracle.assert_same(gatecell.load(tmp_path / name, check=True), {"a": BASE.numpy()})
