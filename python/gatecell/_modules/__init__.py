"""Module, the base of all layers and cells: its parameters, its errors, and loading of its weights."""
