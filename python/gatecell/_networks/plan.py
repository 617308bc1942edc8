"""What a call of one shape will do, for people to read."""

from __future__ import annotations

from dataclasses import dataclass

_LIMITS = {
    "multiply-adds": "the rate of multiply-adds",
    "L1": "reading weights from the L1 cache",
    "L2": "reading weights from the L2 cache",
    "L3": "reading weights from the L3 cache",
    "memory": "reading weights from memory",
    "meetings": "threads waiting for each other",
    "calls": "the calls themselves",
}


@dataclass(frozen=True)
class Plan:
    """What a call of one shape will do; printed, it explains itself.

    A call that begins while the other threads sleep runs its first steps alone, until they have woken; one that finds
    them busy with another call runs with fewer.
    """

    steps: int  # T
    rows: int  # B
    isa: str
    threads: int
    row_parts: int  # threads that share the rows of the batch
    direction_parts: int  # threads that share the directions of a layer
    layer_parts: int  # threads that share the layers, each a chunk behind the layer below
    hidden_parts: int  # threads that share the hidden units of a step, and meet after each
    kernel: str  # "fused": input products in the step itself; "projected": before it, for all steps of a chunk
    chunk: int  # time steps a layer takes before the next one
    group_rows: int  # rows of the batch that go through time together in a thread
    step_bytes: int  # weights that all threads together read in a time step
    limit: str  # what takes most of the time: "multiply-adds", "L1", "L2", "L3", "memory", "meetings" or "calls"
    seconds: float  # predicted duration

    @property
    def split(self) -> str:
        """What the threads share: "rows", "directions", "layers", "hidden units", joined by " and "; "" for one."""
        parts = {
            "rows": self.row_parts,
            "directions": self.direction_parts,
            "layers": self.layer_parts,
            "hidden units": self.hidden_parts,
        }
        return " and ".join(name for name, count in parts.items() if count > 1)

    def __str__(self) -> str:
        threads = f"{self.threads} share the {self.split}" if self.split else "1"
        kernel = "fused: input and recurrent products together, step by step"
        if self.kernel == "projected":
            kernel = f"projected: input products of {self.chunk} steps at once, then step by step"
        return (
            f"T={self.steps}, B={self.rows} on {self.isa}: about {_duration(self.seconds)}, "
            f"most of it {_LIMITS[self.limit]}\n"
            f"  threads  {threads}\n"
            f"  kernel   {kernel}\n"
            f"  rows     {self.group_rows} at a time in a thread\n"
            f"  weights  {self.step_bytes / 1e6:.3g} MB read in a step of the network"
        )


def _duration(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
