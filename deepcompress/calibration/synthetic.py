"""Images that are made up, where none are at hand."""

from typing import Any

import keras
import numpy as np
from scipy.ndimage import gaussian_filter

from deepcompress.network.internals import flatten_layers

#: Says instead of data that images are to be made up.
SYNTHETIC = "synthetic"
# Neighbours are alike over about so many pixels; images are dark or bright, of little
# or much contrast, and some of their parts have no light at all.
_BLUR = 1.5
_BRIGHTNESS = (-0.3, 1.0)
_CONTRAST = (0.1, 0.6)


def synthetic_inputs(model: keras.Model, n_samples: int, *, seed: int = 0) -> Any:
    """Returns images for a model: blurred noise of many brightnesses and contrasts.

    What such images have in common with those of a camera, that neighbours are alike
    and light is never negative, is most of what layers have to be held to.

    Args:
        model: A built model whose inputs are images.
        n_samples: How many.
        seed: Seed of the noise. Defaults to `0`.

    Returns:
        An array, or a list of one for each input.

    Raises:
        ValueError: An input is no image of a known size.

    References:
        Baradad et al. 2021, "Learning to see by looking at noise", section 3.

    Example:

    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    >>> images = synthetic_inputs(model, 100)
    >>> images.shape, float(images.min()), float(images.max())
    ((100, 8, 8, 1), 0.0, 1.0)
    """
    random = np.random.default_rng(seed)
    layers = list(flatten_layers(model))
    formats = [getattr(layer, "data_format", None) for layer in layers]
    is_first = "channels_first" in formats
    made = []
    for given in getattr(model, "inputs", None) or [None]:
        why_not = _why_not(given)
        if why_not:
            raise ValueError(
                f"The inputs of {model.name!r} cannot be made up: {why_not}, and not "
                "an image of a known size. Give some real inputs as `data`."
            )
        shape = tuple(given.shape[1:])
        images = _images(random, n_samples, shape, channels=0 if is_first else 2)
        made.append(_as_expected(images, layers).astype("float32"))
    return made[0] if len(made) == 1 else made


def _why_not(given: Any) -> str | None:
    """Returns what an input is, if it is no image of a known size."""
    if given is None:
        return "they are of a shape that the model does not tell"
    if not keras.backend.is_float_dtype(given.dtype):
        return f"{given.name!r} takes integers"
    shape = tuple(given.shape[1:])
    if len(shape) != 3 or None in shape:
        return f"{given.name!r} is of shape {shape}"
    return None


def _images(
    random: np.random.Generator, n: int, shape: tuple[int, ...], *, channels: int
) -> np.ndarray:
    """Returns images between 0 and 1."""
    sigma = [0.0 if axis == channels else _BLUR for axis in range(3)]
    noise = random.normal(size=(n, *shape)).astype("float32")
    smooth = gaussian_filter(noise, (0.0, *sigma))
    smooth /= max(float(smooth.std()), 1e-6)
    brightness = random.uniform(*_BRIGHTNESS, size=(n, 1, 1, 1))
    contrast = random.uniform(*_CONTRAST, size=(n, 1, 1, 1))
    found: np.ndarray = np.clip(brightness + contrast * smooth, 0.0, 1.0)
    return found


def _as_expected(images: np.ndarray, layers: list[Any]) -> np.ndarray:
    """Returns images such as a model expects that rescales or normalizes them."""
    for layer in layers:
        if isinstance(layer, keras.layers.Rescaling):
            scale, offset = (np.asarray(v, float) for v in (layer.scale, layer.offset))
            return np.asarray(images * ((1 - offset) / scale))
        if isinstance(layer, keras.layers.Normalization) and layer.built:
            mean, variance = (
                np.asarray(keras.ops.convert_to_numpy(v), float)
                for v in (layer.mean, layer.variance)
            )
            alike = (images - images.mean()) / images.std()
            return np.asarray(mean + np.sqrt(variance) * alike)
    return images
