"""Where a function of positive numbers is tabulated, whoever looks it up: by the bits of a float32.

A table has a line for each piece, ``a + b x``: one from 0 to the smallest power of two, then 64 between each power and
the next, of which the last goes on. So a function that is smooth between powers of two is known to a relative 1e-4 over
thirty of them, and no logarithm is taken, which two libraries round in two ways.
"""

from __future__ import annotations

#: The powers of two at the first and the last end of a piece, and how many bits of a float32 tell no pieces apart.
SMALLEST, LARGEST, LEFT_OUT = -20, 10, 17
#: Pieces from one power to the next, and in all.
TO_A_POWER = 1 << (23 - LEFT_OUT)
PIECES = 1 + (LARGEST - SMALLEST) * TO_A_POWER
#: The bits of the smallest power.
FIRST = (127 + SMALLEST) << 23
