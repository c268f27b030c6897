"""Pictures, resized."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from srnn.tasks.images import resize


class TestResize:
    def test_a_uniform_picture_stays_uniform(self) -> None:
        images = np.stack([np.zeros((28, 28)), np.full((28, 28), 51), np.full((28, 28), 255)]).astype(np.uint8)
        rows = resize(images, 15, white=255)
        torch.testing.assert_close(rows, torch.tensor([[0.0], [0.2], [1.0]]).expand(3, 225))

    def test_antialiasing_sees_every_pixel(self) -> None:
        """Plain bilinear interpolation from 28 to 4 would look at 2 × 2 of each 7 × 7 pixels."""
        for row, column in ((0, 0), (3, 17), (13, 13), (27, 27)):
            image = np.zeros((1, 28, 28), dtype=np.uint8)
            image[0, row, column] = 255
            assert resize(image, 4, white=255).sum() > 0

    def test_rows_and_columns_keep_their_places(self) -> None:
        image = np.zeros((1, 28, 28), dtype=np.uint8)
        image[0, :14, 14:] = 255  # the upper right quarter
        assert resize(image, 2, white=255).view(2, 2).argmax() == 1

    def test_chunks_do_not_show(self) -> None:
        images = np.random.default_rng(0).integers(0, 256, (4_100, 4, 4)).astype(np.uint8)
        torch.testing.assert_close(resize(images, 3, 255)[4_090:], resize(images[4_090:], 3, 255))

    def test_rounding_makes_nothing_whiter_than_white(self) -> None:
        assert resize(np.full((1, 28, 28), 255, dtype=np.uint8), 15, white=255).max() == 1

    @settings(max_examples=50, deadline=None)
    @given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))), st.integers(1, 12))
    def test_values_stay_between_black_and_white(self, images: np.ndarray, size: int) -> None:
        rows = resize(images, size, white=255)
        assert rows.shape == (len(images), size**2)
        assert rows.dtype == torch.float32
        assert 0 <= rows.min() <= rows.max() <= 1
