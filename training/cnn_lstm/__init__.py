"""The training of the CNN-LSTM."""
