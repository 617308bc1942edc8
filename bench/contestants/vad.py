"""Silero VAD for bench/silero_vad.py: frames of speech, and the ONNX files of its package, which is never imported.

A case has B streams and T frames of each stream per call, for example lstm,B=1,T=8,H=128,streams.
"""

from __future__ import annotations

import wave
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from suite.cases import Case

from . import UnsupportedError

PACKAGE = "silero-vad"
FRAME, CONTEXT = 512, 64


def model(name: str) -> str:
    """The path of an ONNX model of the package. Raises UnsupportedError if the package is not installed."""
    try:
        return str(distribution(PACKAGE).locate_file(f"silero_vad/data/{name}.onnx"))
    except PackageNotFoundError:
        raise UnsupportedError(f"{PACKAGE} is not installed") from None


def frames(case: Case) -> np.ndarray:
    """Frames (T, B, 576) of gatecell's recording. Each stream starts at a different sample."""
    if (case.cell, case.hidden_size, case.num_layers, case.streams) != ("lstm", 128, 1, True):
        raise UnsupportedError("only for lstm,H=128,streams")
    spec = find_spec("gatecell")
    assert spec
    assert spec.origin
    with wave.open(str(Path(spec.origin).parent / "data" / "speech.wav")) as file:
        audio = np.frombuffer(file.readframes(file.getnframes()), np.uint8).astype(np.float32) / 128 - 1
    steps, streams = np.ogrid[: case.steps, : case.batch]
    starts = (steps * FRAME + streams * 997) % (len(audio) - FRAME - CONTEXT)
    return audio[starts[..., None] + np.arange(FRAME + CONTEXT)]
