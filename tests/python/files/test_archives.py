"""Archives around files of weights: the error names the members that gatecell can read.

Time and memory are bounded.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

import gatecell
from gatecell._files.formats import FORMATS
from helpers.fresh_process import run_script

Write = Callable[[Path, Mapping[str, bytes]], None]


def weights() -> bytes:
    buffer = io.BytesIO()
    torch.save(nn.LSTM(2, 3).state_dict(), buffer)
    return buffer.getvalue()


def write_zip(compression: int) -> Write:
    def write(path: Path, members: Mapping[str, bytes]) -> None:
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return write


def write_tar(mode: str, form: int = tarfile.PAX_FORMAT) -> Write:
    def write(path: Path, members: Mapping[str, bytes]) -> None:
        with tarfile.open(path, mode, format=form) as archive:  # type: ignore[call-overload]
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
                archive.addfile(member, io.BytesIO(content))

    return write


WRITERS: dict[str, Write] = {
    "zip": write_zip(zipfile.ZIP_STORED),
    "zip deflated": write_zip(zipfile.ZIP_DEFLATED),
    "tar": write_tar("w"),
    "tar of GNU": write_tar("w", tarfile.GNU_FORMAT),
    "tar of 1988": write_tar("w", tarfile.USTAR_FORMAT),
    "tar.gz": write_tar("w:gz"),
}
LONG = "/".join(["folder"] * 12) + "/" + "n" * 60 + ".pt"  # more than 100 characters


def message(path: Path, **how: str) -> str:
    with pytest.raises(ValueError, match="expected ") as caught:
        gatecell.load(path, **how)
    text = str(caught.value)
    assert text.startswith(f"{path}: this is ")
    assert text.isprintable()
    return text.removeprefix(f"{path}: this is ")


@pytest.mark.parametrize("writer", WRITERS)
def test_the_members_that_can_be_read_are_named(writer: str, tmp_path: Path) -> None:
    """Stable-Baselines3, NeMo and others write such archives. The test uses the names that zipfile and tarfile extract.

    Empty members are not named.
    """
    readable = ["policy.pth", "deep/er/weights.ckpt", "a.safetensors", "ü/ä.npz", "pytorch_model.bin", LONG]
    others = {"data": b"{}", "pytorch_variables.pth": b"", "config.yaml": b"a: 1", "sub/": b"", "empty.pt": b""}
    WRITERS[writer](tmp_path / "model.zip", {**others, **dict.fromkeys(readable, weights())})
    text = message(tmp_path / "model.zip")
    names = re.fullmatch(r"a (?:zip archive|tar file) around (.*): extract and load that; expected .*", text)
    assert names, text
    assert names[1] == ", ".join(map(repr, readable))
    assert text == message(tmp_path / "model.zip", prefix="lstm")
    extract = zipfile.ZipFile if writer.startswith("zip") else tarfile.open
    with extract(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path / "out", **({} if extract is zipfile.ZipFile else {"filter": "data"}))
    for name in (readable[0], readable[1], LONG):
        assert next(iter(gatecell.load(tmp_path / "out" / name))) == "weight_ih_l0"


@pytest.mark.parametrize("writer", WRITERS)
def test_the_members_of_every_format_are_named(writer: str, tmp_path: Path) -> None:
    names = [f"a{format.suffix}" for format in FORMATS if format.suffix]
    WRITERS[writer](tmp_path / "a", {"notes.txt": b"content", **dict.fromkeys(names, b"content")})
    assert f"around {', '.join(map(repr, names))}: extract and load that" in message(tmp_path / "a")


@pytest.mark.parametrize("writer", WRITERS)
def test_hundreds_of_members_and_none(writer: str, tmp_path: Path) -> None:
    WRITERS[writer](tmp_path / "large", {f"{i}.pt": b"content" for i in range(300)})
    assert message(tmp_path / "large").startswith(("a zip archive around '0.pt', ", "a tar file around '0.pt', "))
    assert " and 290 more: extract" in message(tmp_path / "large")
    WRITERS[writer](tmp_path / "none", {"notes.txt": b"content"})
    assert "without a file of weights in it" in message(tmp_path / "none")
    WRITERS[writer](tmp_path / "nested", {"notes.txt": b"content", "model.nemo": b"content"})
    assert "around 'model.nemo': extract and load that" in message(tmp_path / "nested")


@pytest.mark.parametrize("writer", WRITERS)
def test_messages_are_short_for_hostile_names(writer: str, tmp_path: Path) -> None:
    """The message is one line of limited length, whatever the names are."""
    names = ["a\nb\x1b[31m\u202e.pt", "k" * 90 + "\t.pt", *("x" * 80 + f"{i}.pt" for i in range(30))]
    WRITERS[writer](tmp_path / "a", dict.fromkeys(names, b"content"))
    text = message(tmp_path / "a")
    assert r"a\nb\x1b[31m\u202e.pt" in text
    assert len(text) < 1200


@pytest.mark.filterwarnings("ignore")  # warnings of torch.export about its own attributes
def test_files_of_keras_and_torch_export_are_named(tmp_path: Path) -> None:
    WRITERS["zip"](tmp_path / "a.keras", {"config.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"})
    assert message(tmp_path / "a.keras").startswith("a zip archive around an HDF5 file (Keras)")
    program = torch.export.export(nn.LSTM(2, 3).eval(), (torch.ones(4, 1, 2),))
    torch.export.save(program, tmp_path / "a.pt2")
    assert "a program of torch.export" in message(tmp_path / "a.pt2")
    assert "save the state_dict() of the module" in message(tmp_path / "a.pt2")


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated
def test_other_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(weights()))
    assert message(tmp_path / "a.gz").startswith("a gzip file: unpack it")
    (tmp_path / "a.bz2").write_bytes(bz2.compress(weights()))
    assert message(tmp_path / "a.bz2").startswith("a bzip2 file: unpack it")
    (tmp_path / "a.xz").write_bytes(lzma.compress(weights()))
    assert message(tmp_path / "a.xz").startswith("an xz file: unpack it")
    script = torch.jit.script(nn.Linear(2, 2))
    script._save_for_lite_interpreter(str(tmp_path / "a.ptl"), _use_flatbuffer=True)
    assert "a mobile file of TorchScript in FlatBuffers" in message(tmp_path / "a.ptl")
    script._save_for_lite_interpreter(str(tmp_path / "b.ptl"), _use_flatbuffer=False)
    assert list(gatecell.load(tmp_path / "b.ptl")) == ["weight", "bias"]


def test_damaged_archives_are_errors(tmp_path: Path) -> None:
    """Archives that are cut off or changed, at every 211th byte. The error names the kind of archive.

    If an archive is cut off, the error may also say that the file has no known format.
    """
    members = {"a.pt": weights(), "b.pt": weights()}
    for mode in ("w", "w:gz"):
        write_tar(mode)(tmp_path / "whole", members)
        content = (tmp_path / "whole").read_bytes()
        for at in range(20, len(content), 211):
            (tmp_path / "a").write_bytes(content[:at])
            assert re.match("a (damaged )?tar file|a gzip file|no format", message(tmp_path / "a"))
            (tmp_path / "a").write_bytes(content[:at] + b"\xff\x80" + content[at + 2 :])
            assert re.match("a (damaged )?tar file|a gzip file", message(tmp_path / "a"))
    for size in (b"\x80" + b"\xff" * 11, b"77777777777\0", b"\x80" + bytes(7) + b"\x10\0\0\0"):
        for kind in b"0Lxg5":
            header = bytearray(tarfile.TarInfo("a.pt").tobuf(tarfile.USTAR_FORMAT))
            header[124:136], header[156] = size, kind
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
            for content in (bytes(header), gzip.compress(bytes(header) + b"content")):
                (tmp_path / "a").write_bytes(content)
                assert re.match("a tar file|a damaged tar file|a gzip file", message(tmp_path / "a"))


def test_bombs_take_little_memory(tmp_path: Path) -> None:
    """A few MB that unpack to GB, and headers that claim such a size.

    The process may use 50 MB more than it has at the start.
    """
    zeros = bytes(1 << 24)
    bomb = gzip.compress(zeros) * 128  # 2 GB in 2 MB
    assert len(bomb) < 3 << 20
    header = tarfile.TarInfo("a.pt")
    header.size = 1 << 40
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    sparse = {"long.tar": long_name.tobuf(tarfile.GNU_FORMAT), "large.tar": header.tobuf(tarfile.GNU_FORMAT)}
    (tmp_path / "bomb.gz").write_bytes(bomb)
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT)) + bomb)
    for name, content in sparse.items():
        with (tmp_path / name).open("wb") as file:
            file.write(content)
            file.truncate(1 << 40)
    output = run_script(f"""
        import pathlib, resource, gatecell
        folder = pathlib.Path({str(tmp_path)!r})
        def show(name):
            try:
                gatecell.load(folder / name)
            except ValueError as error:
                print(error)
        (folder / "small.gz").write_bytes({gzip.compress(b"content")!r})
        show("small.gz")
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + (50 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for name in ("bomb.gz", "bomb.tar.gz", "long.tar", "large.tar"):
            show(name)
    """)
    lines = [line.partition("this is ")[2].partition("; expected")[0] for line in output.splitlines()]
    around = "a tar file around 'a.pt': extract and load that"
    assert lines == ["a gzip file: unpack it", "a gzip file: unpack it", around, "a damaged tar file", around]
