"""A Keras model of images that exports itself as soon as it is built."""

from typing import Any

import keras


class ImageModel(keras.Model):
    """A model of one batch of images, `[B, H, W, C]`. Keras' `export` needs a call first, or the shape from `build`."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Remembers the shape of the images, `[B, H, W, C]`."""
        self._image_shape = tuple(input_shape)

    def export(self, filepath: str, *args: Any, input_signature: Any = None, **kwargs: Any) -> None:
        """Exports the network as `keras.Model.export` does.

        Args:
            filepath: the folder to write.
            *args: see `keras.Model.export`.
            input_signature: unset: float32 images of any batch size, as large as the network was built for.
            **kwargs: see `keras.Model.export`.
        """
        if input_signature is None and self.built:
            input_signature = [keras.InputSpec(dtype="float32", shape=(None, *self._image_shape[1:]), name="images")]
        super().export(filepath, *args, input_signature=input_signature, **kwargs)
