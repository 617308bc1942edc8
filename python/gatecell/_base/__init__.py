"""What all rooms use: arrays, checks of arguments, defaults of the machine, and the Spec of a network."""
