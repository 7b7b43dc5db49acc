"""ONNX: networks for other programs to run, and for ONNX Runtime to judge."""

from cnndsl.formats.onnx.export import export_onnx

__all__ = ["export_onnx"]
