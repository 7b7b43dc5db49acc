"""Other programs that run the same network, to compare with: PyTorch and ONNX Runtime. Imported only when asked for."""
