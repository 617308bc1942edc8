"""What is needed to read pickles of earlier versions."""

# The values of a Spec in the order in which gatecell 0.1 pickled them.
FIELDS_OF_0_1 = [
    "cell",
    "input_size",
    "hidden_size",
    "num_layers",
    "bias",
    "bidirectional",
    "proj_size",
    "peepholes",
    "reset",
    "coupled_gates",
    "gate_clip",
    "cell_clip",
]
