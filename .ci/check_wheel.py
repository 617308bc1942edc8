"""Checks a wheel: it has only the package, all notices, and a small stripped extension module."""

import subprocess
import sys
import tempfile
import zipfile

LARGEST_EXTENSION = 1_700_000
REQUIRED = {"gatecell/py.typed", "gatecell/_core.pyi", "gatecell/data/README.md", "gatecell/data/digits.safetensors"}
REQUIRED |= {"gatecell/data/speech.wav", "gatecell/examples/silero_vad.py"}
NOTICES = ("Eigen", "Mozilla Public License 2.0", "pybind11", "CC BY 4.0", "Mauna Loa")

with zipfile.ZipFile(sys.argv[1]) as wheel:
    names = {i.filename for i in wheel.infolist() if not i.is_dir()}
    foreign = {n for n in names if not n.startswith("gatecell/") and ".dist-info/" not in n}
    assert not foreign, f"files outside the package: {foreign}"
    assert names >= REQUIRED, f"missing: {REQUIRED - names}"
    licences = "".join(wheel.read(n).decode() for n in names if ".dist-info/licenses/" in n)
    for text in ("BSD 3-Clause License", *NOTICES):
        assert text in licences, f"the licence files do not mention {text}"
    metadata = next(wheel.read(n).decode() for n in names if n.endswith(".dist-info/METADATA"))
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert required == ["Requires-Dist: numpy>=1.24"], f"run-time requirements: {required}"

    (extension,) = (n for n in names if n.endswith(".so"))
    size = wheel.getinfo(extension).file_size
    assert size < LARGEST_EXTENSION, f"{extension} has {size} bytes"
    with tempfile.TemporaryDirectory() as folder:
        path = wheel.extract(extension, folder)
        symbols = subprocess.run(["nm", path], capture_output=True, text=True, check=False)
        assert "no symbols" in symbols.stderr, "the extension is not stripped"
print(f"{sys.argv[1]}: {len(names)} files, extension {size} bytes")
