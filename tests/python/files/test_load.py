"""gatecell.load: safetensors compared with the safetensors package, npz compared with NumPy, damaged files as errors.

Promise 7 (no wrong number without a word).
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import gatecell

RNG = np.random.default_rng(0)
ARRAYS: dict[str, NDArray[Any]] = {
    "encoder.weight": RNG.standard_normal((3, 5)).astype("float32"),
    "double": RNG.standard_normal((2, 1, 3)),
    "half": RNG.standard_normal(7).astype("float16"),
    "number": np.array(2.5, "float32"),
    "empty": np.zeros((0, 4), "float32"),
    "long": np.arange(5),
    "byte": np.arange(3, dtype="uint8"),
    "yes": np.array([True, False]),
}
FILE = safetensors.numpy.save(ARRAYS, metadata={"format": "pt"})


def build(header: object, data: bytes = b"1234", size: int | None = None) -> bytes:
    """A safetensors file with this header, an object or JSON as bytes.

    The file says that the header has `size` bytes.
    """
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def entry(dtype: object = "F32", shape: object = (1,), data_offsets: object = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": data_offsets}


# Each file has one mistake. Most have the four bytes of data that entry() describes.
HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "half a length": b"\x02\0\0\0",
    "header past the end": build({}, size=1000),
    "header of 2**64 - 1 bytes": build({}, size=2**64 - 1),
    "not JSON": build(b"weights"),
    "not UTF-8": build(b'{"\xff": 1}'),
    "a list": build([]),
    "deep nesting": build(b"[" * 1_000_000),
    "deep objects": build(b'{"a":' * 1_000_000),
    "a number of 10000 digits": build(b'{"a": ' + b"9" * 10_000 + b"}"),
    "the same name twice": build(b'{"a": %s, "a": %s}' % ((json.dumps(entry()).encode(),) * 2)),
    "metadata that is a number": build({"__metadata__": 3, "a": entry()}),
    "metadata with a number": build({"__metadata__": {"a": 3}, "a": entry()}),
    "entry is a number": build({"a": 3}),
    "entry without a shape": build({"a": {"dtype": "F32", "data_offsets": [0, 4]}}),
    "unknown dtype": build({"a": entry("F128")}),
    "dtype is a list": build({"a": entry([])}),
    "shape is a number": build({"a": entry(shape=1)}),
    "shape has a negative number": build({"a": entry(shape=[-1, -1])}),
    "shape has a fraction": build({"a": entry(shape=[1.0])}),
    "shape has a boolean": build({"a": entry(shape=[True])}),
    "shape overflows": build({"a": entry(shape=[2**62, 4, 2**10])}),
    "shape overflows to the right size": build({"a": entry(shape=[2**63 - 1, 2])}),
    "shape past 64 bits": build({"a": entry(shape=[0, 2**64], data_offsets=[0, 0])}, b""),
    "empty shape that overflows": build({"a": entry(shape=[0, 2**40, 2**40], data_offsets=[0, 0])}, b""),
    "100 dimensions": build({"a": entry(shape=[1] * 100)}),
    "size is not the span": build({"a": entry(shape=[2])}),
    "span past the end": build({"a": entry(shape=[2], data_offsets=[0, 8])}),
    "backward span": build({"a": entry(data_offsets=[4, 0])}),
    "negative span": build({"a": entry(data_offsets=[-4, 0])}),
    "three offsets": build({"a": entry(data_offsets=[0, 4, 4])}),
    "overlap": build({"a": entry(), "b": entry()}),
    "gap": build({"a": entry("U8", [1], [0, 1]), "b": entry("U8", [1], [3, 4])}),
    "rest": build({"a": entry("U8", [1], [0, 1])}),
}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_safetensors_are_what_the_package_reads(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", FILE)
    assert gatecell.load(path).metadata == {"format": "pt"}
    ours, theirs = gatecell.load(path), safetensors.numpy.load_file(path)
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype
        assert not ours[name].flags.writeable
        np.testing.assert_array_equal(ours[name], array)
    assert not (set(gatecell.load(str(path))) ^ set(ARRAYS)), "a path may be text"


def test_an_odd_header_makes_unaligned_weights_that_work(tmp_path: Path) -> None:
    weights = {name: tensor.numpy() for name, tensor in torch.nn.GRU(3, 4).state_dict().items()}
    header, ends = {}, np.cumsum([0] + [array.nbytes for array in weights.values()]).tolist()
    for (name, array), begin, end in zip(weights.items(), ends, ends[1:], strict=False):
        header[name] = entry("F32", array.shape, [begin, end])
    text = json.dumps(header).encode()
    content = build(text + b" " * (5 - len(text) % 4), b"".join(array.tobytes() for array in weights.values()))
    path = write(tmp_path / "a.safetensors", content)
    assert not gatecell.load(path)["weight_ih_l0"].flags.aligned
    for name, array in gatecell.GRU.from_file(path).state_dict().items():
        np.testing.assert_array_equal(array, weights[name])


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "F4"])
def test_narrow_types_are_refused_by_name(dtype: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", build({"a": entry(dtype, [4])}))
    with pytest.raises(ValueError, match=f"'a': dtype '{dtype}' is not supported; supported: .*BF16"):
        gatecell.load(path)


@pytest.mark.parametrize("prefix", ["enc", "enc."])
def test_from_file_reads_only_what_is_under_the_prefix(prefix: str, tmp_path: Path) -> None:
    weights = {name: tensor.numpy() for name, tensor in torch.nn.GRU(3, 4).state_dict().items()}
    header, data = {"encoder.a": entry("F8_E4M3", [4]), "b": entry("F4", [8], [4, 8])}, b"12345678"
    for name, array in weights.items():
        header[f"enc.{name}"] = entry("F32", array.shape, [len(data), len(data) + array.nbytes])
        data += array.tobytes()
    path = write(tmp_path / "a.safetensors", build(header, data))
    for name, array in gatecell.GRU.from_file(path, prefix=prefix).state_dict().items():
        np.testing.assert_array_equal(array, weights[name])
    for call in (gatecell.load, gatecell.GRU.from_file):
        with pytest.raises(ValueError, match=r"'encoder\.a': dtype 'F8_E4M3' is not supported"):
            call(path)
    with pytest.raises(ValueError, match=r"recurrent weights are under prefix='enc\.'"):
        gatecell.GRU.from_file(path, prefix="dec")
    with pytest.raises(TypeError, match="expected prefix to be a str, got NoneType"):
        gatecell.GRU.from_file(path, prefix=None)  # type: ignore[arg-type]


def test_spans_of_other_types_are_checked_too(tmp_path: Path) -> None:
    header = {"a": entry("U8", [4]), "b": entry("F8_E4M3", [4], [4, 0])}
    path = write(tmp_path / "a.safetensors", build(header, b""))
    with pytest.raises(ValueError, match="'b': data_offsets run backwards, from 4 to 0"):
        gatecell.GRU.from_file(path, prefix="enc")


def test_a_header_over_the_limit_is_an_error(tmp_path: Path) -> None:
    """The file is long enough for the header, but takes no space on the disk."""
    path = write(tmp_path / "a.safetensors", (100_000_001).to_bytes(8, "little"))
    with path.open("r+b") as file:
        file.truncate(100_000_100)
    with pytest.raises(ValueError, match="expected a header of at most 100000000 bytes, got 100000001"):
        gatecell.load(path)


def test_npz_from_file_reads_only_what_is_under_the_prefix(tmp_path: Path) -> None:
    weights = {f"enc.{name}": tensor.numpy() for name, tensor in torch.nn.GRU(3, 4).state_dict().items()}
    np.savez(tmp_path / "a.npz", **weights, other=np.array([{}], dtype=object))
    assert gatecell.GRU.from_file(tmp_path / "a.npz", prefix="enc").hidden_size == 4


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_safetensors_are_errors(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", HOSTILE[name])
    with pytest.raises(ValueError, match=r"a\.safetensors: not a valid safetensors file: ."):
        gatecell.load(path)


def test_error_says_how_large_a_tensor_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", build({"a": entry(shape=[2, 1])}))
    with pytest.raises(ValueError, match=r"'a': expected 8 bytes of F32 \(2, 1\), got 4"):
        gatecell.load(path)


def test_the_hostile_files_differ_from_a_good_one(tmp_path: Path) -> None:
    assert gatecell.load(write(tmp_path / "a.safetensors", build({"a": entry()})))["a"].shape == (1,)


@given(data=st.data())
def test_the_package_reads_the_same_from_changed_files(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes are changed, removed or inserted. gatecell raises an error, or reads the same arrays as safetensors.

    At least half of the changes are in the header or its length. Changes in the JSON text of the header are likely to
    give another valid file.
    """
    content = bytearray(FILE)
    header = 8 + int.from_bytes(FILE[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        end = data.draw(st.sampled_from([header, len(content)]))
        begin = data.draw(st.integers(0, end))
        put_in = data.draw(st.binary(max_size=2) | st.sampled_from([b"0", b"1", b"8", b"[", b"]", b",", b'"', b" "]))
        content[begin : begin + data.draw(st.integers(0, 2))] = put_in
    path = write(tmp_path_factory.getbasetemp() / "mutated.safetensors", bytes(content))
    try:
        ours = gatecell.load(path)
    except ValueError:
        return
    theirs = safetensors.numpy.load(bytes(content))
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype
        assert ours[name].shape == array.shape
        assert ours[name].tobytes() == array.tobytes()


def test_npz_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **ARRAYS)
    ours = gatecell.load(tmp_path / "a.npz")
    assert ours.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert ours[name].dtype == array.dtype
        assert not ours[name].flags.writeable
        np.testing.assert_array_equal(ours[name], array)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_of_every_layout_is_read(save: Any, tmp_path: Path) -> None:
    arrays = ARRAYS | {
        "fortran": np.asfortranarray(RNG.standard_normal((3, 4))),
        "big": np.arange(5, dtype=">i4"),
        "complex": np.ones(2, complex),
        "words": np.array(["a", "bc"]),
        "large": RNG.standard_normal(100_000),
        "zeros": np.zeros(100_000),
    }
    save(tmp_path / "a.npz", **arrays)
    ours = gatecell.load(tmp_path / "a.npz", check=True)
    assert ours.keys() == arrays.keys()
    for name, array in arrays.items():
        assert ours[name].dtype == array.dtype
        assert ours[name].flags.f_contiguous == array.flags.f_contiguous
        np.testing.assert_array_equal(ours[name], array)


def index(path: Path, places: object) -> Path:
    return write(path, json.dumps({"metadata": {"total_size": 1}, "weight_map": places}).encode())


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_shards_are_read(form: str, tmp_path: Path) -> None:
    names, places = list(ARRAYS), {}
    for i in range(3):
        shard = {name: ARRAYS[name] for name in names[i::3]}
        places |= dict.fromkeys(shard, f"model-{i}.{form}")
        if form == "safetensors":
            safetensors.numpy.save_file(shard, tmp_path / f"model-{i}.{form}")
        else:
            torch.save({name: torch.tensor(array) for name, array in shard.items()}, tmp_path / f"model-{i}.{form}")
    path = index(tmp_path / f"model.{form}.index.json", places)
    ours = gatecell.load(path)
    assert list(ours) == list(places)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(ours[name], array)
    for i in range(3):
        if places["encoder.weight"] != f"model-{i}.{form}":
            (tmp_path / f"model-{i}.{form}").unlink()
    assert list(gatecell.load(path, prefix="encoder")) == ["encoder.weight"], "only the shards that are needed are read"
    with pytest.raises(FileNotFoundError):
        gatecell.load(path)


@pytest.mark.parametrize(
    "place", ["../a.safetensors", "/etc/passwd", "", ".", "..", "x/../../a", "a\\b", 3, None, ["a"]]
)
def test_a_hostile_index_is_an_error(place: object, tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", FILE)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ValueError, match=r"i\.json: not a valid index of shards: ."):
        gatecell.load(index(folder / "i.json", {"double": place}))


def test_a_pipe_as_a_shard_is_an_error(tmp_path: Path) -> None:
    """Opening the pipe would wait for a writer for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"i\.json: .*pipe: expected a file, got a device or a pipe"):
        gatecell.load(index(tmp_path / "i.json", {"a": "pipe"}))


def test_a_damaged_index_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", FILE)
    damaged = [
        b"{",
        b'{"weight_map": 1}',
        b'{"weight_map": [1]}',
        b'{"a":' * 100_000,
        b'{"\xff": 1}',
        b"{" + b"9" * 10_000,
    ]
    for content in damaged:
        with pytest.raises(ValueError, match=r"i\.json: not a valid index of shards: ."):
            gatecell.load(write(tmp_path / "i.json", content))
    for content in (b'{"a": 1}', b'{"state_dict": {"rec.weight_ih_l0": [[1.0, 2.0]]}}'):
        with pytest.raises(ValueError, match=r"i\.json: this is JSON without a weight_map.*read it with json\.load"):
            gatecell.load(write(tmp_path / "i.json", content))
    with pytest.raises(ValueError, match=r"the shard 'a\.safetensors' lacks 'other'"):
        gatecell.load(index(tmp_path / "i.json", {"other": "a.safetensors"}))
    with pytest.raises(ValueError, match=r"i\.json: .*i\.json: expected a shard, got an index"):
        gatecell.load(index(tmp_path / "i.json", {"other": "i.json"}))


def test_a_damaged_npz_is_an_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **ARRAYS)
    content = (tmp_path / "a.npz").read_bytes()
    damaged = {
        "empty": b"",
        "text": b"weights",
        "half": content[: len(content) // 2],
        "flipped": content.replace(ARRAYS["double"].tobytes(), ARRAYS["double"].tobytes()[::-1]),
    }
    for name, data in damaged.items():
        with pytest.raises(ValueError, match=rf"{name}\.npz: not a valid \.npz file"):
            gatecell.load(write(tmp_path / f"{name}.npz", data), check=True)


def test_npz_without_arrays_is_empty(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz")
    assert gatecell.load(tmp_path / "a.npz", check=True) == {}


@pytest.mark.parametrize("shape", ["0, 4611686018427387904, 4611686018427387904", f"0, {2**70}", "0," * 40, "9" * 5000])
def test_npz_with_a_shape_that_overflows_is_an_error(shape: str, tmp_path: Path) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape},), }}".encode()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("w.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match=r"a\.npz: not a valid \.npz file: 'w': ."):
        gatecell.load(tmp_path / "a.npz")


def test_npz_never_unpickles(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        gatecell.load(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.pt", "a", "a.npz", "a.safetensors"])
def test_the_content_tells_the_format(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    np.savez(tmp_path / "b.npz", **ARRAYS)
    torch.save({name: torch.tensor(array) for name, array in ARRAYS.items()}, tmp_path / "b.pt")
    for content in (FILE, (tmp_path / "b.npz").read_bytes(), (tmp_path / "b.pt").read_bytes()):
        ours = gatecell.load(write(path, content))
        assert ours.keys() == ARRAYS.keys()
        for key, array in ARRAYS.items():
            np.testing.assert_array_equal(ours[key], array)


@pytest.mark.parametrize(
    ("content", "what"),
    {
        b"": "the file is empty",
        b"weights go here\n" * 100: "this looks like text",
        b"\x89HDF\r\n\x1a\n" + bytes(100): "this is an HDF5 file",
        b"\x93NUMPY\1\0": r"this is a \.npy file",
        b"\x80\x04N.": r"this is a pickle, not of torch\.save",
        b"\1\2\3\4": r"this is no format known here \(it starts with b'\\x01",
        bytes(257) + b"ustar": "this is a damaged tar file",
    }.items(),
)
def test_files_of_other_kinds_are_named(content: bytes, what: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.pt", content)
    for call in (gatecell.load, gatecell.LSTM.from_file):
        with pytest.raises(ValueError, match=rf"a\.pt: {what}.*expected .*\.safetensors, its index .*torch\.save"):
            call(path)


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=r"expected a file .*got a directory"):
        gatecell.load(tmp_path)
    with pytest.raises(ValueError, match="expected a file, got a device or a pipe"):
        gatecell.load("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="expected a file, got a device or a pipe"):
        gatecell.load(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors", "a.pt"])
def test_a_missing_file_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        gatecell.load(tmp_path / name)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_from_file_reads_a_layer(suffix: str, tmp_path: Path) -> None:
    theirs = torch.nn.LSTM(3, 4, 2, bidirectional=True)
    weights = {f"encoder.{name}": tensor.numpy() for name, tensor in theirs.state_dict().items()}
    path = tmp_path / f"a.{suffix}"
    np.savez(path, **weights) if suffix == "npz" else safetensors.numpy.save_file(weights, path)
    ours = gatecell.LSTM.from_file(path, prefix="encoder", batch_first=True, num_threads=1)
    assert (ours.num_layers, ours.bidirectional, ours.batch_first, ours.num_threads) == (2, True, True, 1)
    for name, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, weights["encoder." + name])
