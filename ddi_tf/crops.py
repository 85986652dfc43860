"""Random crops of a whole batch: how they are drawn, and how they are cut.

The randomness is an argument, so that a training step is a function of its
inputs (and can be replayed, resumed, or run on another host). A crop is drawn
with numpy from (seed, step) and cut in the graph, with static shapes.
"""

import numpy as np
import tensorflow as tf

SHIFT_PADDING = 4  # pixels on each side, He et al. 2016, Section 4.2

# Random resized crops of Szegedy et al. 2015 (arXiv:1409.4842), Section 6.
ZOOM_AREA = (0.08, 1.0)       # of the stored image
ZOOM_ASPECT = (3 / 4, 4 / 3)  # width / height

# Up to here a shift of 4 pixels is a change; above, images are zoomed.
_LARGEST_SHIFTED = 64  # pixels

NAMES = ("auto", "shift", "zoom")


def make(name, size):
    """The crop called `name`, one of NAMES, for images of `size` pixels.

    "auto" shifts images of up to 64 pixels and zooms into larger ones.
    """
    if name == "auto":
        name = "shift" if size <= _LARGEST_SHIFTED else "zoom"
    return {"shift": Shift, "zoom": Zoom}[name]()


def centre(images, size):
    """The middle [N, size, size, 3] of images [N, H, W, 3]; a view."""
    top, left = ((side - size) // 2 for side in images.shape[1:3])
    return images[:, top:top + size, left:left + size]


class Shift:
    """Pads with black, crops to the same size (He et al. 2016, Section 4.2)."""

    name = "shift"
    dtype = np.int32  # of what is drawn

    def stored_size(self, size):
        """Side of the squares to store for a network that receives `size`."""
        return size

    def draw(self, noise, count):
        """[count, 2] int32 in [0, 2 * SHIFT_PADDING]: top and left."""
        return noise.integers(0, 2 * SHIFT_PADDING + 1, [count, 2],
                              dtype=np.int32)

    def cut(self, images, offsets, flips):
        """The crops, some of them mirrored.

        Args:
            images: [B, H, W, 3] any dtype.
            offsets: [B, 2] int32, as drawn.
            flips: [B] bool: which images are mirrored.

        Returns:
            [B, H, W, 3], the dtype of `images`.
        """
        height, width = images.shape[1:3]
        pad = [SHIFT_PADDING, SHIFT_PADDING]
        padded = tf.pad(images, [[0, 0], pad, pad, [0, 0]])
        columns = tf.range(width)
        columns = tf.where(flips[:, None], columns[::-1], columns[None])
        rows = tf.range(height) + offsets[:, :1]      # [B, H]
        columns = columns + offsets[:, 1:]            # [B, W]
        cropped = tf.gather(padded, rows, axis=1, batch_dims=1)
        return tf.gather(cropped, columns, axis=2, batch_dims=1)


class Zoom:
    """Crops of random area and shape, resized: ImageNet's training crops.

    Images are stored as squares of 8/7 of the network's size (256 for 224),
    whose middle is what evaluation sees.
    """

    name = "zoom"
    dtype = np.float32

    def stored_size(self, size):
        """Side of the squares to store for a network that receives `size`."""
        return round(size * 8 / 7)

    def draw(self, noise, count):
        """[count, 4] float32: top, left, height, width, of the stored image's.

        Area and logarithm of the aspect are uniform in ZOOM_AREA and
        ZOOM_ASPECT; sides are cut to the image where they would leave it
        (torchvision draws again instead). top + height <= 1, and so on.
        """
        area = noise.uniform(*ZOOM_AREA, count)
        aspect = np.exp(noise.uniform(*np.log(ZOOM_ASPECT), count))
        height = np.minimum(np.sqrt(area / aspect), 1)
        width = np.minimum(np.sqrt(area * aspect), 1)
        top, left = noise.random([2, count]) * (1 - np.stack([height, width]))
        return np.stack([top, left, height, width], axis=1).astype(np.float32)

    def cut(self, images, boxes, flips):
        """The crops, resized bilinearly, some of them mirrored.

        Args:
            images: [B, stored, stored, 3] uint8.
            boxes: [B, 4] float32, as drawn.
            flips: [B] bool: which images are mirrored.

        Returns:
            [B, size, size, 3] float32 in [0, 255].
        """
        size = round(images.shape[1] * 7 / 8)  # undoes `stored_size` exactly
        # Middles of the output's pixels, as a share of the box.
        middles = (tf.range(size, dtype=tf.float32) + 0.5) / size
        rows = boxes[:, 0:1] + middles * boxes[:, 2:3]
        columns = tf.where(flips[:, None], middles[::-1], middles[None])
        columns = boxes[:, 1:2] + columns * boxes[:, 3:4]
        return _sample(_sample(images, rows, axis=1), columns, axis=2)


class Cutout:
    """Another crop, then a square of one colour over it (arXiv:1708.04552).

    Args:
        crop: `Shift`, `Zoom` or `rand_augment.RandAugment`.
        side: of the square, in pixels; its middle lies anywhere in the image,
            so part of it may lie outside.
        colour: (red, green, blue) on the images' 0..255 scale.
    """

    dtype = np.float32

    def __init__(self, crop, side, colour):
        self._crop, self._side, self._colour = crop, side, colour
        self.name, self.stored_size = crop.name, crop.stored_size

    def draw(self, noise, count):
        """[count, D + 2] float32: D numbers of the crop, the square's middle.

        The middle is in shares of the image, in [0, 1).
        """
        return np.concatenate(
            [self._crop.draw(noise, count).astype(np.float32),
             noise.random([count, 2], np.float32)], axis=1)

    def cut(self, images, drawn, flips):
        """The crops with their squares.

        Args:
            images: [B, H, W, 3] uint8.
            drawn: [B, D + 2] float32, as drawn.
            flips: [B] bool: which images are mirrored.

        Returns:
            [B, height, width, 3] float32 in [0, 255].
        """
        crops = tf.cast(drawn[:, :-2], self._crop.dtype)
        images = tf.cast(self._crop.cut(images, crops, flips), tf.float32)
        height, width = images.shape[1:3]
        hidden = (self._covered(height, drawn[:, -2])[:, :, None]
                  & self._covered(width, drawn[:, -1])[:, None, :])
        return tf.where(hidden[..., None], tf.constant(self._colour), images)

    def _covered(self, size, middles):
        """[B, size] bool: which rows or columns the squares cover."""
        starts = tf.floor(middles * size) - self._side // 2
        places = tf.range(size, dtype=tf.float32) - starts[:, None]
        return (places >= 0) & (places < self._side)


def _sample(images, places, axis):
    """Linear interpolation along an axis at places [B, S], 0..1 of its side."""
    side = images.shape[axis]
    places = tf.clip_by_value(places * side - 0.5, 0.0, side - 1.0)
    before = tf.minimum(tf.cast(places, tf.int32), side - 2)
    share = places - tf.cast(before, tf.float32)
    share = share[:, :, None, None] if axis == 1 else share[:, None, :, None]
    first, second = (
        tf.cast(tf.gather(images, index, axis=axis, batch_dims=1), tf.float32)
        for index in (before, before + 1))
    return first + share * (second - first)
