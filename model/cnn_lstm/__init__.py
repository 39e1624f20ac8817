"""The network of this project, whole: ResNet-50 encoder, attention LSTM decoder, vocabulary, checkpoint."""
