"""The modules that the programs of bench/ share: cases, processes, limits, results."""
