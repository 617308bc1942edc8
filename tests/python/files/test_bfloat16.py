"""bfloat16 in files becomes float32, exactly and with little extra memory."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

import gatecell
from helpers.fresh_process import run_script


def test_a_bfloat16_scalar_is_an_array(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.tensor(1.5).bfloat16()}, tmp_path / "a.safetensors")
    array = gatecell.load(tmp_path / "a.safetensors")["a"]
    assert (type(array), array.shape, array.dtype, array.item()) == (np.ndarray, (), np.float32, 1.5)


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(5, 3).bfloat16(), "b": torch.tensor([math.inf, -0.0, 1e-40, 3e38]).bfloat16()}
    safetensors.torch.save_file(tensors, tmp_path / "a.safetensors")
    for name, array in gatecell.load(tmp_path / "a.safetensors").items():
        assert array.dtype == np.float32
        assert not array.flags.writeable
        assert array.tobytes() == tensors[name].float().numpy().tobytes()


def test_widening_keeps_little_of_the_file_in_memory(tmp_path: Path) -> None:
    torch.save({"w": torch.arange(1 << 24, dtype=torch.bfloat16)}, tmp_path / "w.pt")
    grown = run_script(f"""
        import pathlib, gatecell, gatecell._files.torch_files
        def peak():
            return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
        before = peak()
        w = gatecell.load({str(tmp_path / "w.pt")!r})["w"]
        print((peak() - before) / 1024, w[-1])
    """)
    megabytes, last = map(float, grown.split())
    assert last == float(torch.tensor((1 << 24) - 1, dtype=torch.bfloat16))
    assert megabytes < 1.3 * 64
