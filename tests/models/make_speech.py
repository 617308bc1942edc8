"""Writes python/gatecell/data/speech.wav: two sentences spoken by espeak-ng (`apt install espeak-ng`), 16 kHz, 8 bits.

It adds a little noise, like that of a microphone, so that the samples of silence are not all zero.
"""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import numpy as np

RATE = 16_000
SENTENCES = ("Is anybody there?", "Yes. The network hears me.")
PAUSE = 0.6  # seconds


def speak(text: str) -> np.ndarray:
    wav = subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "--stdout", text], capture_output=True, check=True)
    rate = int.from_bytes(wav.stdout[24:28], "little")  # the header's sizes are wrong, as it writes to a pipe
    samples = np.frombuffer(wav.stdout[44 : len(wav.stdout) // 2 * 2], "<i2") / 32768
    length = round(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * length / len(samples)


def main() -> None:
    pause = np.zeros(round(PAUSE * RATE))
    audio = np.concatenate([part for text in SENTENCES for part in (pause, speak(text))] + [pause])
    audio += np.random.default_rng(0).normal(0, 0.004, len(audio))
    path = Path(__file__).parents[2] / "python" / "gatecell" / "data" / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, RATE, 0, "NONE", ""))
        file.writeframes(np.clip(np.round(audio * 128 + 128), 0, 255).astype(np.uint8).tobytes())


if __name__ == "__main__":
    main()
