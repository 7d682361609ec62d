"""A small network from a TFLite file, for any number of threads."""

import threading

import numpy as np

from ugatit_tf.system import assets


class Network:
    """A network of one input and of some outputs. An interpreter serves one thread only, so each thread has its own.

    Args:
        name: the asset, a key of `assets.ASSETS`.
        folder: the folder that `assets.read` takes.

    Raises:
        RunError: The asset cannot be fetched or read.
    """

    def __init__(self, name: str, folder: str = "") -> None:
        self._content = assets.read(name, folder)
        self._own = threading.local()

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Returns the outputs, float32 `[1, ...]`, for float32 inputs `[1, H, W, 3]`."""
        interpreter = self._interpreter()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
        interpreter.invoke()
        return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]

    def _interpreter(self) -> "object":
        if not hasattr(self._own, "interpreter"):
            from ai_edge_litert.interpreter import Interpreter  # not at the top, as it is only needed here

            self._own.interpreter = Interpreter(model_content=self._content, num_threads=1)
            self._own.interpreter.allocate_tensors()
        return self._own.interpreter
