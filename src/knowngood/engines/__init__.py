"""Graphs in ONNX: how one is made from a torch module, and the engines that run it."""
