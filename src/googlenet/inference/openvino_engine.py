"""OpenVINO, from the extra `engines`; in bfloat16 where the processor has units for it."""

from functools import cache
from typing import Any, ClassVar

import numpy as np

from googlenet.inference.graph_engine import Compiled, GraphEngine
from googlenet.network.module import Network

__all__ = ["OpenVINOEngine"]

HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}


class OpenVINOEngine(GraphEngine):
    """The graph compiled by OpenVINO for each number of pictures."""

    package: ClassVar[str] = "openvino"
    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16", "int8")
    is_for_a_size: ClassVar[bool] = True

    @classmethod
    def lacks(cls, network: Network, precision: str) -> str:
        if reason := super().lacks(network, precision):
            return reason
        if precision == "bfloat16" and "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            return "computes in bfloat16 on processors with units for it alone (AVX-512 BF16, AMX)"
        return ""

    def compile(self, graph: bytes, images: int | None, threads: int) -> Compiled:
        model = _core().read_model(graph)
        if images is not None:
            model.reshape({0: [images, *self._network.specification.input]})
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[self._precision],  # by itself it takes less than float32 where it can
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        request = _core().compile_model(model, "CPU", settings).create_infer_request()

        def run(x: np.ndarray) -> list[np.ndarray]:
            return list(request.infer({0: x}, share_inputs=True).to_tuple())

        return run


@cache
def _core() -> Any:
    import openvino

    return openvino.Core()
