"""ONNX Runtime, from the extra `engines`."""

from typing import ClassVar

import numpy as np

from googlenet.inference.graph_engine import Compiled, GraphEngine

__all__ = ["OnnxRuntimeEngine"]


class OnnxRuntimeEngine(GraphEngine):
    """The graph as a session of ONNX Runtime, for any number of pictures."""

    package: ClassVar[str] = "onnxruntime"
    precisions: ClassVar[tuple[str, ...]] = ("float32", "int8")

    def compile(self, graph: bytes, images: int | None, threads: int) -> Compiled:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])

        def run(x: np.ndarray) -> list[np.ndarray]:
            return session.run(None, {"input": x})

        return run
