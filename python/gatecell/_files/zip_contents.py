"""Reads a zip archive in the format that its members show: .npz, or what torch.save or torch.jit.save writes."""

from __future__ import annotations

from .content import Content, Source
from .formats import KINDS, SUFFIXES
from .zip import Archive


def read(source: Source) -> Content:
    archive = Archive(source.content)
    if source.check:
        archive.check()
    pickled = any(name.endswith("/data.pkl") for name in archive.members)
    if not pickled and (source.suffix == ".npz" or all(name.endswith(".npy") for name in archive.members)):
        from .npz import load_npz

        return Content(load_npz(archive, source.prefix), {}, {}, {}, "npz", has_checksums=True)
    if not pickled:
        from .archives import describe_zip

        names = [name for name, member in archive.members.items() if member.size]
        raise ValueError(f"this is {describe_zip(names, SUFFIXES)}; expected {KINDS}")
    from .torch_files import load_zip

    is_script = any(name.endswith("/constants.pkl") for name in archive.members)
    format = "TorchScript" if is_script else "torch.save"
    return load_zip(archive, source.prefix)._replace(format=format, has_checksums=True)
