"""Draw the hands of a synthetic action: as in real videos, how they hold an object tells what they do with it."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import ImageDraw

SKIN = (224, 172, 140)
ARM = 0.055  # of the side: half an arm's width
PALM = 0.07  # of the side: half a hand's length


@dataclass(frozen=True)
class Hand:
    """One hand: where it holds the object, in its sizes from the center, and where the arm enters, in sides."""

    hold: tuple[float, float]
    enters: tuple[float, float]


ANY = (Hand((0.0, 0.8), (0.62, 1.0)),)
"""The grip that tells nothing: for motions that must be told by the order of pictures alone."""
GRIPS: dict[str, tuple[Hand, ...]] = {
    "lift": (Hand((-0.9, 0.6), (0.2, 1.0)), Hand((0.9, 0.6), (0.8, 1.0))),
    "lower": (Hand((0.0, -0.9), (0.5, 0.0)),),
    "pull": (Hand((0.0, 0.9), (0.5, 1.0)),),
    "push": (Hand((-0.9, 0.0), (0.0, 0.6)), Hand((0.9, 0.0), (1.0, 0.6))),
    "rotate": (Hand((-0.8, -0.7), (0.0, 0.2)), Hand((0.8, 0.7), (1.0, 0.9))),
    "shake": (Hand((0.9, 0.0), (1.0, 0.6)),),
    "stir": (Hand((0.4, -0.9), (0.95, 0.0)),),
    "tap": (Hand((-0.4, -0.9), (0.1, 0.0)), Hand((0.4, -0.9), (0.9, 0.0))),
}
"""Verb -> its hands, in the mirror too. The arms enter from all edges, as a table of this world is seen from above."""


def draw_arms(
    draw: ImageDraw.ImageDraw, hands: tuple[Hand, ...], center: tuple[float, float], size: float, side: int
) -> None:
    """Draw the arms, which lie below the object, from the edges of the picture (`side` pixels) to the holds."""
    for hand in hands:
        start = (hand.enters[0] * side, hand.enters[1] * side)
        draw.line([start, _held(hand, center, size)], fill=SKIN, width=max(1, round(2 * ARM * side)))


def draw_palms(
    draw: ImageDraw.ImageDraw, hands: tuple[Hand, ...], center: tuple[float, float], size: float, side: int
) -> None:
    """Draw the hands, which lie on the object."""
    for hand in hands:
        x, y = _held(hand, center, size)
        draw.ellipse((x - PALM * side, y - PALM * side, x + PALM * side, y + PALM * side), fill=SKIN)


def _held(hand: Hand, center: tuple[float, float], size: float) -> tuple[float, float]:
    return center[0] + hand.hold[0] * size, center[1] + hand.hold[1] * size
