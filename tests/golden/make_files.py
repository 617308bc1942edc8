"""Writes files/: the same weights in every format that gatecell.load reads. It needs torch 2.13.0 and safetensors.

The weights are in files.py, so that tests can compare them with the files without torch.
"""

from __future__ import annotations

import json
import sys
import warnings
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import safetensors.torch
import torch

from files import FOLDER, SHARDED, WEIGHTS

warnings.simplefilter("ignore")  # torch.jit is deprecated
# A file of CUDA tensors differs from others only in the location tag.
ON_CUDA = mock.patch("torch.serialization.location_tag", return_value="cuda:0")


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.GRU(2, 3)
        self.register_buffer("steps", torch.tensor(0))
        self.load_state_dict(tensors())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rnn(x)[0] + self.steps


def tensors() -> dict[str, torch.Tensor]:
    return {name: torch.tensor(array) for name, array in WEIGHTS.items()}


def views() -> dict[str, torch.Tensor]:
    """The tensors as views: all floats are in one storage, and the matrices are transposed."""
    floats = {name: tensor for name, tensor in tensors().items() if tensor.dtype == torch.float32}
    storage = torch.cat([tensor.t().reshape(-1) for tensor in floats.values()])
    parts = storage.split([tensor.numel() for tensor in floats.values()])
    shapes = {name: part.view(floats[name].t().shape).t() for name, part in zip(floats, parts, strict=True)}
    return tensors() | shapes


def swap_bytes(source: Path, target: Path) -> None:
    """Writes the file that a big-endian machine would write."""
    widths = {f"data/{i}": "u4" for i in range(4)} | {"data/4": "u8"}
    with zipfile.ZipFile(source) as little, zipfile.ZipFile(target, "w") as big:
        for name in little.namelist():
            record = name.partition("/")[2]
            content = b"big" if record == "byteorder" else little.read(name)
            info = zipfile.ZipInfo(name)
            big.writestr(info, np.frombuffer(content, widths.get(record, "u1")).byteswap().tobytes())


def strip_paths(path: Path) -> None:
    """Removes TorchScript's debug records, because they contain paths of the machine that wrote the file."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if not name.endswith(".debug_pkl")}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    deeper = {"model": tensors(), "epoch": 3, "options": {"path": Path("x")}, "nested": [{"model": views()}]}
    torch.save(tensors(), FOLDER / "zip.pt")
    torch.save(tensors(), FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(views(), FOLDER / "views.pt")
    torch.save(deeper, FOLDER / "deeper.pt", pickle_protocol=4)
    torch.save(deeper, FOLDER / "deeper_legacy", _use_new_zipfile_serialization=False)
    torch.save(Model(), FOLDER / "module.pt")
    torch.jit.save(torch.jit.script(Model().eval()), FOLDER / "torchscript.pt")
    strip_paths(FOLDER / "torchscript.pt")
    with ON_CUDA:
        torch.save(tensors(), FOLDER / "cuda.pt")
        torch.save(tensors(), FOLDER / "cuda_legacy.pt", _use_new_zipfile_serialization=False)
    half = {name: t.bfloat16() if t.is_floating_point() else t for name, t in tensors().items()}
    torch.save(half, FOLDER / "bfloat16.pt")
    safetensors.torch.save_file(half, FOLDER / "bfloat16.safetensors")
    swap_bytes(FOLDER / "zip.pt", FOLDER / "big_endian.pt")
    safetensors.torch.save_file(tensors(), FOLDER / "whole.safetensors")
    np.savez(FOLDER / "stored.npz", **WEIGHTS)
    np.savez_compressed(FOLDER / "compressed.npz", **WEIGHTS)
    places = {}
    for i, shard in enumerate(SHARDED):
        names = list(WEIGHTS)[i::2]
        safetensors.torch.save_file({name: tensors()[name] for name in names}, FOLDER / shard)
        places |= dict.fromkeys(names, shard)
    (FOLDER / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
