"""Finds speech in a recording: Silero VAD (Silero Team, MIT), run chunk by chunk as audio would arrive live.

    pip install --no-deps silero-vad==6.2.3
    python -m gatecell.examples.silero_vad [speech.wav]

The input of a step is a frame of 32 ms and the last 4 ms of the frame before. It goes through a short-time Fourier
transform, four convolutions and an LSTM. The LSTM's output gives a probability of speech. Only the LSTM has a state, so
the other layers take the frames of a chunk or of several streams as one batch.
"""

from __future__ import annotations

import argparse
import wave
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import IO, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import gatecell
from gatecell import nn
from gatecell.examples._start import package_file, start

Floats = NDArray[np.floating[Any]]

REQUIREMENT = "silero-vad==6.2.3"
FILE = "silero_vad/data/silero_vad.jit"
RATE = 16_000
FRAME, CONTEXT = 512, 64  # samples
CHUNK = 8  # frames in a call
MOST_FRAMES = 34  # in one array. For larger arrays, getting memory from the system can take a third of the run
SPEECH = 0.5  # a frame with this probability or more counts as speech
PAUSE = 4  # frames: a shorter silence counts as part of the speech around it
BARS = " ▁▂▃▄▅▆▇█"
WANTED = "a WAV file of 16000 Hz with 8 or 16 bits (ffmpeg -i FILE -ar 16000 -c:a pcm_s16le speech.wav makes one)"


class STFT(nn.Module):
    """Magnitudes of a short-time Fourier transform.

    The package multiplies by the matrix of the transform. The FFT here takes half as long.
    """

    forward_basis_buffer: Floats

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("forward_basis_buffer", np.zeros((258, 1, 256), np.float32))  # windowed cos, then -sin

    def forward(self, x: Floats) -> Floats:
        """The magnitudes (B, 129, 4) of samples (B, 576)."""
        x = nn.functional.pad(x, (0, 64), "reflect")
        halves = x.reshape(-1, 5, 128)  # each window consists of two adjacent halves
        windows = np.concatenate([halves[:, :-1], halves[:, 1:]], axis=2)
        windows *= self.forward_basis_buffer[0, 0]  # Hann's window, as cos(0) is 1
        spectrum = np.fft.rfft(windows)
        power = spectrum.real**2
        power += spectrum.imag**2
        return np.sqrt(power, out=power).swapaxes(1, 2)


class Block(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.reparam_conv = nn.Conv1d(in_channels, out_channels, 3, stride, padding=1)

    def forward(self, x: Floats) -> Floats:
        return nn.functional.relu(self.reparam_conv(x))


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(128, 128)
        self.decoder = nn.Sequential(nn.Dropout(0.1), nn.ReLU(), nn.Conv1d(128, 1, 1), nn.Sigmoid())

    def probabilities(self, y: Floats) -> Any:
        """The probabilities (B) from the LSTM's outputs (B, 128)."""
        return self.decoder(y[:, :, None])[:, 0, 0]


class SileroVAD(nn.Module):
    """The network for 16 kHz, with the module names of its TorchScript file."""

    def __init__(self) -> None:
        super().__init__()
        self.stft = STFT()
        self.encoder = nn.Sequential(Block(129, 128, 1), Block(128, 64, 2), Block(64, 64, 2), Block(64, 128, 1))
        self.decoder = Decoder()

    def features(self, frames: Floats) -> Any:
        """The LSTM's inputs (B, 128) from frames (B, 576) of samples from -1 to 1."""
        if len(frames) > MOST_FRAMES:
            blocks = [frames[first : first + MOST_FRAMES] for first in range(0, len(frames), MOST_FRAMES)]
            return np.concatenate([self.features(block) for block in blocks])
        return self.encoder(self.stft(frames))[:, :, 0]

    def forward(self, frames: Floats, state: Any = None) -> tuple[Floats, Any]:
        """The probabilities (T) of frames (T, 576) of one stream, and the state for its next call."""
        y, state = self.decoder.rnn(self.features(frames), state)
        return self.decoder.probabilities(y), state


class Streams:
    """Several streams, each with its own state. A step takes one frame of each of the given streams."""

    def __init__(self, model: SileroVAD, capacity: int) -> None:
        self.model = model
        self.pool = gatecell.StreamPool(model.decoder.rnn, capacity)

    def step(self, ids: Any, frames: Floats) -> Any:
        """The probabilities (n) of the next frames (n, 576) of the streams `ids`, (n) numbers of streams."""
        return self.model.decoder.probabilities(self.pool.step(ids, self.model.features(frames)))


def load() -> SileroVAD:
    """The network with the package's weights. The package's LSTMCell is an LSTM here, for several frames in a call."""
    weights = gatecell.load(package_file(REQUIREMENT, FILE), prefix="_model")
    named = {name + "_l0" * (".rnn." in name): array for name, array in weights.items()}
    model = SileroVAD()
    model.load_state_dict(named, prefix="_model")
    return model


def framed(audio: Floats) -> Any:
    """All frames (T, 576) of a recording, with zeros before its beginning and behind its end."""
    padded = np.pad(audio, (CONTEXT, -len(audio) % FRAME))
    return sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]


def read_wav(file: str | IO[bytes]) -> Floats:
    """The samples of a WAV file, from -1 to 1, the mean of its channels. Raises ValueError for a file unlike WANTED."""
    try:
        with wave.open(file) as recording:
            rate, width, channels = recording.getframerate(), recording.getsampwidth(), recording.getnchannels()
            data = recording.readframes(recording.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{file}: expected {WANTED}: {str(error) or 'it is cut off'}") from None
    if rate != RATE or width not in (1, 2):
        raise ValueError(f"{file}: expected {WANTED}, got {rate} Hz of {8 * width} bits")
    data = data[: len(data) // (width * channels) * (width * channels)]
    if not data:
        raise ValueError(f"{file}: expected a recording, got one without samples")
    kind, zero = ("<i2", 0) if width == 2 else ("u1", 128)
    samples = (np.frombuffer(data, kind).astype(np.float32) - zero) / 2 ** (8 * width - 1)
    mono: Floats = samples.reshape(-1, channels).mean(axis=1)
    return mono


def listen(model: SileroVAD, frames: Floats) -> Iterator[float]:
    """The probability of each frame, computed chunk by chunk."""
    state = None
    for first in range(0, len(frames), CHUNK):
        probabilities, state = model(frames[first : first + CHUNK], state)
        yield from probabilities.tolist()


def segments(probabilities: Iterable[float]) -> list[tuple[int, int]]:
    """The first frame of each part of the recording with speech, and the frame after its last."""
    found: list[tuple[int, int]] = []
    for frame in (frame for frame, value in enumerate(probabilities) if value >= SPEECH):
        if found and frame - found[-1][1] < PAUSE:
            found[-1] = found[-1][0], frame + 1
        else:
            found.append((frame, frame + 1))
    return found


def main() -> None:
    about = "Finds speech in a recording."
    parser = argparse.ArgumentParser(prog="python -m gatecell.examples.silero_vad", description=about)
    parser.add_argument("audio", nargs="?", help="WAV file of 16 kHz (default: two sentences spoken by a machine)")
    audio = parser.parse_args().audio
    if audio is None:
        with (files("gatecell") / "data" / "speech.wav").open("rb") as file:
            samples = read_wav(file)
    else:
        samples = read_wav(audio)
    seconds = FRAME / RATE
    probabilities = []
    for frame, value in enumerate(listen(load(), framed(samples))):
        if frame % 50 == 0:
            print(f"{chr(10) * (frame > 0)}{frame * seconds:6.1f} s  ", end="")
        print(BARS[round(value * 8)], end="", flush=True)
        probabilities.append(value)
    print()
    found = segments(probabilities)
    for first, end in found:
        print(f"speech from {first * seconds:.2f} s to {end * seconds:.2f} s")
    if not found:
        print("no speech")


if __name__ == "__main__":
    start(main)
