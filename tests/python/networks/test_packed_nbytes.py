"""The memory that `Spec.packed_nbytes` says before there are weights is the memory that a network then has."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import gatecell
from helpers.cells import KINDS, kind_ids, make_case


@pytest.mark.parametrize("kind", KINDS, ids=kind_ids)
def test_packed_size_is_the_size_of_a_network(kind: dict[str, Any], isa: str, dtype: str) -> None:
    for hidden, layers, bidirectional, bias in itertools.product((4, 7, 33, 64), (1, 3), (False, True), (False, True)):
        sizes: dict[str, Any] = {"input_size": 19, "hidden_size": hidden, "num_layers": layers}
        case = make_case(**kind, **sizes, bidirectional=bidirectional, bias=bias, dtype=dtype)
        expected = getattr(gatecell, case.class_name)(**case.options).spec.packed_nbytes(dtype, isa)
        assert expected == case.network(gatecell, isa=isa)._core.nbytes, (hidden, layers, bidirectional, bias)
