"""Modules that all rooms use: arrays, checks of arguments, defaults of constructors, and the Spec of a network."""
