"""Plan: how a call of one shape is computed, for people to read."""

from __future__ import annotations

from dataclasses import dataclass

_LIMITS = {  # the words that a printed plan uses for each value of `limit`
    "multiply-adds": "the rate of multiply-adds",
    "L1": "reading weights from the L1 cache",
    "L2": "reading weights from the L2 cache",
    "L3": "reading weights from the L3 cache",
    "memory": "reading weights from memory",
    "meetings": "threads waiting for each other",  # the core's name of time at barriers
    "calls": "the calls themselves",
}


@dataclass(frozen=True)
class Plan:
    """How a call of one shape is computed. print(plan) shows it in words.

    A call may differ from its plan. In a loop of calls of 5 to 100 us, it may use more threads. If the other threads
    sleep when a call of one direction begins, the calling thread may compute the first steps alone until they are
    awake. If they are busy with another call, the call runs with fewer threads.
    """

    steps: int  # T
    rows: int  # B
    isa: str
    threads: int
    row_parts: int  # number of threads among which the rows of the batch are split
    direction_parts: int  # number of threads among which the directions of a layer are split
    layer_parts: int  # the same for layers; each layer is a chunk behind the layer below
    hidden_parts: int  # the same for the hidden units of a step; a barrier follows each step
    kernel: str  # "fused": input products in each step; "projected": before the steps of a chunk, for all of them
    chunk: int  # number of time steps that a layer computes before the next layer does
    group_rows: int  # number of rows that one thread takes through time together
    step_bytes: int  # bytes of weights that all threads together read in a time step
    limit: str  # what takes most of the time: "multiply-adds", "L1", "L2", "L3", "memory", "meetings" or "calls"
    seconds: float  # predicted duration

    @property
    def split(self) -> str:
        """What is split among the threads: "rows", "directions", "layers", "hidden units", joined by " and ".

        It is the empty string if one thread computes all.
        """
        threads = {
            "rows": self.row_parts,
            "directions": self.direction_parts,
            "layers": self.layer_parts,
            "hidden units": self.hidden_parts,
        }
        return " and ".join(name for name, count in threads.items() if count > 1)

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
