"""LSTM, GRU and RNN, their cells, and the arguments and results of their calls."""
