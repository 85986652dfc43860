"""RandAugment: two random distortions of every training image.

Cubuk et al. 2019 (arXiv:1909.13719), with its distortions but for "equalize",
in ranges as torchvision has them. Each is one setting of a general map of
positions or colours, so that a batch in which every image has its own is one
graph with static shapes, and what is drawn is an argument of the training step
(`crops`).
"""

import numpy as np
import tensorflow as tf

LAYERS = 2  # distortions of an image, one after the other
STRONGEST = 10

# What a layer's map is made of, and the value at which it changes nothing.
_NOTHING = {
    "angle": 0.0,        # radians
    "shear_x": 0.0, "shear_y": 0.0,
    "move_x": 0.0, "move_y": 0.0,  # shares of the image's side
    "brightness": 1.0, "contrast": 1.0, "colour": 1.0, "sharpness": 1.0,
    "step": 1.0,         # of the levels that are left (posterize)
    "solarize": 256.0,   # inverts what is at least as bright
    "stretch": 0.0,      # 1: to the full range (autocontrast)
}
_COLUMNS = tuple(_NOTHING)

# Distortions: what they set, as a function of the strength m in [0, 1] and a
# random sign.
_DISTORTIONS = (
    (None, None),
    ("stretch", lambda m, sign: 1.0),
    ("angle", lambda m, sign: sign * m * np.pi / 6),
    ("shear_x", lambda m, sign: 0.3 * sign * m),
    ("shear_y", lambda m, sign: 0.3 * sign * m),
    ("move_x", lambda m, sign: 0.45 * sign * m),
    ("move_y", lambda m, sign: 0.45 * sign * m),
    ("brightness", lambda m, sign: 1 + 0.9 * sign * m),
    ("contrast", lambda m, sign: 1 + 0.9 * sign * m),
    ("colour", lambda m, sign: 1 + 0.9 * sign * m),
    ("sharpness", lambda m, sign: 1 + 0.9 * sign * m),
    ("step", lambda m, sign: 2.0 ** round(4 * m)),
    ("solarize", lambda m, sign: 256 * (1 - m)),
)

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
# Pillow's SMOOTH filter, away from which "sharpness" goes.
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13


class RandAugment:
    """Another crop, then distortions.

    Args:
        crop: `crops.Shift` or `crops.Zoom`.
        strength: of the distortions, in [0, STRONGEST].
        colour: (red, green, blue), 0 to 255, of what comes into the image.
    """

    dtype = np.float32

    def __init__(self, crop, strength, colour):
        self._crop, self._strength = crop, strength / STRONGEST
        self._colour = tf.constant(colour, tf.float32)
        self.name, self.stored_size = crop.name, crop.stored_size

    def draw(self, noise, count):
        """[count, D + LAYERS * P] float32: of the crop, then each layer's P."""
        drawn = np.tile(np.array(list(_NOTHING.values()), np.float32),
                        [count, LAYERS, 1])
        kinds = noise.integers(len(_DISTORTIONS), size=[count, LAYERS])
        signs = 2 * noise.integers(2, size=[count, LAYERS]) - 1
        for image, layer in np.ndindex(count, LAYERS):
            column, value = _DISTORTIONS[kinds[image, layer]]
            if column is not None:
                drawn[image, layer, _COLUMNS.index(column)] = value(
                    self._strength, signs[image, layer])
        crops = self._crop.draw(noise, count).astype(np.float32)
        return np.concatenate([crops, drawn.reshape(count, -1)], axis=1)

    def cut(self, images, drawn, flips):
        """The distorted crops.

        Args:
            images: [B, H, W, 3] uint8.
            drawn: [B, D + LAYERS * P] float32, as drawn.
            flips: [B] bool: which images are mirrored.

        Returns:
            [B, height, width, 3] float32 in [0, 255].
        """
        own = LAYERS * len(_COLUMNS)
        crops = tf.cast(drawn[:, :-own], self._crop.dtype)
        images = tf.cast(self._crop.cut(images, crops, flips), tf.float32)
        for layer in tf.split(drawn[:, -own:], LAYERS, axis=1):
            columns = dict(zip(_COLUMNS, tf.split(
                layer[:, :, None, None], len(_COLUMNS), axis=1)))
            images = _recolour(_move(images, columns, self._colour), columns)
        return images


def _move(images, columns, colour):
    """Rotated, sheared and shifted round the middle, bilinear.

    Args:
        images: [B, H, W, 3] float32.
        columns: name -> [B, 1, 1, 1] float32.
        colour: [3] of what comes in from outside.
    """
    height, width = images.shape[1:3]
    c = {name: column[:, :, :, 0] for name, column in columns.items()}
    y, x = tf.meshgrid(*(tf.range(side, dtype=tf.float32) - (side - 1) / 2
                         for side in (height, width)), indexing="ij")
    x, y = (x + c["shear_x"] * y, y + c["shear_y"] * x)  # [B, H, W]
    x, y = (tf.cos(c["angle"]) * x - tf.sin(c["angle"]) * y,
            tf.sin(c["angle"]) * x + tf.cos(c["angle"]) * y)
    x += c["move_x"] * width + (width - 1) / 2
    y += c["move_y"] * height + (height - 1) / 2
    flat = tf.reshape(images - colour, [-1, height * width, 3])
    left, top = tf.floor(x), tf.floor(y)
    total = tf.zeros_like(images)
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = left + dx, top + dy
            weight = (1 - tf.abs(x - column)) * (1 - tf.abs(y - row))
            inside = ((column >= 0) & (column < width)
                      & (row >= 0) & (row < height))
            places = tf.cast(tf.where(inside, row * width + column, 0), tf.int32)
            found = tf.gather(
                flat, tf.reshape(places, [-1, height * width]), batch_dims=1)
            total += tf.reshape(found, [-1, height, width, 3]) * tf.where(
                inside, weight, 0)[..., None]
    return total + colour


def _recolour(images, columns):
    """Brightness and the like, each clipped to [0, 255]; shapes as `_move`."""
    def towards(other, share):
        return tf.clip_by_value(other + share * (images - other), 0.0, 255.0)

    images = towards(0.0, columns["brightness"])
    grey = tf.reduce_sum(images * _LUMA, axis=3, keepdims=True)
    images = towards(tf.reduce_mean(grey, axis=[1, 2], keepdims=True),
                     columns["contrast"])
    grey = tf.reduce_sum(images * _LUMA, axis=3, keepdims=True)
    images = towards(grey, columns["colour"])
    edged = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    images = towards(tf.nn.depthwise_conv2d(
        edged, tf.tile(tf.constant(_SMOOTH)[:, :, None, None], [1, 1, 3, 1]),
        [1, 1, 1, 1], "VALID"), columns["sharpness"])
    step = columns["step"]
    images = tf.where(step > 1, tf.floor(images / step) * step, images)
    images = tf.where(images >= columns["solarize"], 255.0 - images, images)
    low, high = (reduce(images, axis=[1, 2], keepdims=True)
                 for reduce in (tf.reduce_min, tf.reduce_max))
    stretched = (images - low) * 255 / tf.maximum(high - low, 1.0)
    return tf.where(columns["stretch"] > 0.5, stretched, images)
