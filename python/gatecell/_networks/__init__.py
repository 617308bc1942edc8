"""LSTM, GRU and RNN, their cells, and what a call of them takes and gives."""
