"""Compares the example silero_vad, on its recording, with the package's ONNX model in ONNX Runtime."""

from __future__ import annotations

import io
import sys
import wave
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from gatecell.examples._start import package_file
from packages import load_example

example = load_example("silero_vad")
RECORDING = files("gatecell") / "data" / "speech.wav"
LARGEST_DIFFERENCE = 1e-5  # of a probability; both compute in float32


@cache
def recording() -> np.ndarray:
    with RECORDING.open("rb") as file:
        return example.framed(example.read_wav(file))


def onnx_probabilities(frames: np.ndarray) -> np.ndarray:
    """Runs the ONNX model frame by frame, like the package."""
    session = onnxruntime.InferenceSession(package_file(example.REQUIREMENT, "silero_vad/data/silero_vad.onnx"))
    state, rate, found = np.zeros((2, 1, 128), np.float32), np.array(16_000), []
    for frame in frames:
        probability, state = session.run(None, {"input": frame[None], "state": state, "sr": rate})
        found.append(probability[0, 0])
    return np.array(found)


@cache
def expected() -> np.ndarray:
    return onnx_probabilities(recording())


def test_the_recording_has_speech_and_silence() -> None:
    """If the recording had only speech or only silence, agreement would prove little."""
    assert np.mean(expected() > 0.9) > 0.3
    assert np.mean(expected() < 0.1) > 0.2


def test_frames_begin_with_the_end_of_the_one_before() -> None:
    audio = np.arange(1, 1027, dtype=np.float32)
    frames = example.framed(audio)
    assert frames.shape == (3, 576)
    np.testing.assert_array_equal(frames[0], [*[0] * 64, *audio[:512]])
    np.testing.assert_array_equal(frames[1], audio[448:1024])
    np.testing.assert_array_equal(frames[2], [*audio[960:], *[0] * 510])


@pytest.mark.parametrize("chunk", [1, 8, 35, 1000])
def test_frames_in_chunks_agree_with_onnx_runtime(chunk: int) -> None:
    model, frames, state, found = example.load(), recording(), None, []
    for first in range(0, len(frames), chunk):
        probabilities, state = model(frames[first : first + chunk], state)
        found.append(probabilities)
    np.testing.assert_allclose(np.concatenate(found), expected(), rtol=0, atol=LARGEST_DIFFERENCE)


def test_listening_agrees_with_onnx_runtime() -> None:
    found = list(example.listen(example.load(), recording()))
    np.testing.assert_allclose(found, expected(), rtol=0, atol=LARGEST_DIFFERENCE)


def test_a_short_silence_is_part_of_the_speech_around_it() -> None:
    speech, silence = [0.5], [0.49]
    probabilities = silence + speech + silence * 3 + speech * 2 + silence * 4 + speech
    assert example.segments(probabilities) == [(1, 7), (11, 12)]
    assert example.segments(silence) == []


def test_streams_that_skip_steps_agree_with_onnx_runtime() -> None:
    """100 streams start at different frames. Every third stream skips every second step."""
    streams = example.Streams(example.load(), capacity=100)
    ids = np.array([streams.pool.open() for _ in range(100)])
    heard: list[list[int]] = [[] for _ in ids]
    found: list[list[float]] = [[] for _ in ids]
    for step in range(40):
        active = [row for row in range(100) if step % 2 or row % 3]
        for row in active:
            heard[row].append((row + len(heard[row])) % len(recording()))
        frames = recording()[[heard[row][-1] for row in active]]
        for row, probability in zip(active, streams.step(ids[active], frames), strict=True):
            found[row].append(probability)
    for row in (0, 1, 2, 3, 50, 98, 99):
        reference = onnx_probabilities(recording()[heard[row]])
        np.testing.assert_allclose(found[row], reference, rtol=0, atol=LARGEST_DIFFERENCE)


def test_speech_is_found_where_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """make_speech.py puts the sentences at 0.60 s to 2.14 s and 2.74 s to 5.31 s; each ends with some silence."""
    monkeypatch.setattr(sys, "argv", ["silero_vad"])
    example.main()
    lines = capsys.readouterr().out.splitlines()
    spoken = [(float(words[2]), float(words[5])) for words in map(str.split, lines) if words[0] == "speech"]
    first, *_, last = spoken
    assert first[0] == pytest.approx(0.60, abs=0.1)
    assert 1.5 < first[1] < 2.2
    assert spoken[1][0] == pytest.approx(2.74, abs=0.1)
    assert 4.7 < last[1] < 5.4
    bars = "".join(line.partition(" s  ")[2] for line in lines if not line.startswith("speech"))
    assert len(bars) == len(expected())


def test_silence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    path.write_bytes(wav(channels=2, data=bytes(4 * 16_000)).getvalue())
    monkeypatch.setattr(sys, "argv", ["silero_vad", str(path)])
    example.main()
    assert capsys.readouterr().out == f"   0.0 s  {' ' * 32}\nno speech\n"


def wav(rate: int = 16_000, width: int = 2, channels: int = 1, data: bytes = bytes(2000)) -> io.BytesIO:
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setparams((channels, width, rate, 0, "NONE", ""))
        recording.writeframes(data)
    file.seek(0)
    return file


def test_samples_of_wav_files() -> None:
    stereo = np.array([[0, 16384], [-32768, -32768], [32767, 32767]], "<i2")
    samples = example.read_wav(wav(channels=2, data=stereo.tobytes()))
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, [0.25, -1, 32767 / 32768], rtol=1e-7)
    np.testing.assert_array_equal(example.read_wav(wav(width=1, data=bytes([0, 128, 192]))), np.float32([-1, 0, 0.5]))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (wav(rate=44_100), r"a WAV file of 16000 Hz with 8 or 16 bits \(ffmpeg .*\), got 44100 Hz of 16 bits"),
        (wav(width=4), r"a WAV file of 16000 Hz with 8 or 16 bits \(ffmpeg .*\), got 16000 Hz of 32 bits"),
        (io.BytesIO(b"no sound at all"), r"expected a WAV file .*\): file does not start with RIFF id"),
        (io.BytesIO(), r"expected a WAV file .*\): it is cut off"),
        (wav(data=b""), "expected a recording, got one without samples"),
    ],
)
def test_unsuitable_files(file: io.BytesIO, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        example.read_wav(file)
