"""The base of all layers and cells: Module, its parameters, and how it takes a state dict."""
