"""A layout for drawings, for machines without Graphviz: boxes in ranks, along the arrows.

After Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system structures (1981): ranks by the longest
way, an order within each that follows the neighbours, and places as near to these as the order allows. A frame is laid out by
itself, and is then one large box in what surrounds it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from lamina.inspect.drawing import PAD, Arrow, Box, Drawing

Point = tuple[float, float]
_BETWEEN_RANKS, _BETWEEN_BOXES = 36.0, 24.0
_SWEEPS = 12


@dataclass
class Placed:
    """A drawing that is laid out.

    Attributes:
        size: how wide and how high it is.
        boxes: for each box, and each frame, its left upper corner, its width and its height.
        lines: for each arrow a line of Bézier curves: where it starts, then three points for each curve.
    """

    size: Point
    boxes: dict[Box, tuple[float, float, float, float]] = field(default_factory=dict)
    lines: list[Sequence[Point]] = field(default_factory=list)


@dataclass(eq=False)
class _Spot:
    """A place in a rank: of a box, or of an arrow that passes by. Sizes and places are across the ranks and along the arrows."""

    across: float
    along: float
    rank: int = 0
    center: float = 0.0
    start: float = 0.0
    above: "list[_Spot]" = field(default_factory=list)
    below: "list[_Spot]" = field(default_factory=list)


def box_size(box: Box) -> Point:
    """Returns how large a box has to be for its text."""
    width, height = box.text_size
    return width + 2 * PAD, height + 1.4 * PAD


def layered(drawing: Drawing) -> Placed:
    """Returns a drawing laid out."""
    places: dict[Box, tuple[float, float, float, float]] = {}
    ways: dict[Arrow, tuple[Box, list[Point]]] = {}
    placed = Placed(_lay_out(drawing.root, drawing, places, ways))
    corners: dict[Box, Point] = {drawing.root: (0.0, 0.0)}
    for frame in (drawing.root, *drawing.root):
        for box in frame.inside:
            x, y, width, height = places[box]
            corners[box] = corners[frame][0] + x, corners[frame][1] + y
            placed.boxes[box] = (*corners[box], width, height)
    if drawing.root.lines:
        placed.boxes = {drawing.root: (0.0, 0.0, *placed.size), **placed.boxes}
    for arrow in drawing.arrows:
        if arrow.drawn:
            frame, via = ways.get(arrow, (drawing.root, []))
            x, y = corners[frame]
            points = [(x + dx, y + dy) for dx, dy in via]
            placed.lines.append(_line(placed.boxes[arrow.tail], placed.boxes[arrow.head], points, drawing.sideways))
    widest = max((x for line in placed.lines for x, _ in line), default=0.0)
    placed.size = max(placed.size[0], widest), placed.size[1]
    return placed


def _lay_out(frame: Box, drawing: Drawing, places: dict[Box, tuple[float, float, float, float]], ways: dict) -> Point:
    """Places what a frame holds, from its corner on; returns its size. Notes on which points arrows pass ranks."""

    def turned(point: Point) -> Point:
        return point[::-1] if drawing.sideways else point

    spots, sizes = {}, {}
    for box in frame.inside:
        sizes[box] = _lay_out(box, drawing, places, ways) if box.inside else box_size(box)
        spots[box] = _Spot(*turned(sizes[box]))
    member = {inner: box for box in frame.inside for inner in (box, *box)}
    between = {
        arrow: (spots[member[arrow.tail]], spots[member[arrow.head]])
        for arrow in drawing.arrows
        if arrow.tail in member and arrow.head in member and member[arrow.tail] is not member[arrow.head]
    }
    rows, passed = _rows(list(spots.values()), list(between.values()))
    _order(rows)
    _settle(rows)
    left, top = (PAD * 1.4, PAD * 1.4 + frame.text_size[1]) if frame.lines else (0.0, 0.0)
    left, top = turned((left, top))
    nearest = min(spot.center - spot.across / 2 for row in rows for spot in row)
    heights = [max(spot.along for spot in row) for row in rows]
    starts = [top + sum(heights[:rank]) + rank * _BETWEEN_RANKS for rank in range(len(rows))]
    for row, height, start in zip(rows, heights, starts, strict=True):
        for spot in row:
            spot.center += left - nearest
            spot.start = start + (height - spot.along) / 2
    for box, spot in spots.items():
        places[box] = (*turned((spot.center - spot.across / 2, spot.start)), *sizes[box])
    for arrow, (tail, head) in between.items():
        via = [
            (spot.center, starts[spot.rank] + edge) for spot in passed.get((tail, head), ()) for edge in (0.0, heights[spot.rank])
        ]
        room = (heights[tail.rank] - tail.along) / 2, (heights[head.rank] - head.along) / 2
        if room[0] > 1 and not member[arrow.tail].inside:  # beside a higher box, an arrow leaves and enters the rank straight
            via.insert(0, (tail.center, starts[tail.rank] + heights[tail.rank]))
        if room[1] > 1 and not member[arrow.head].inside:
            via.append((head.center, starts[head.rank]))
        ways[arrow] = frame, [turned(point) for point in via]
    far = max(x + width for x, _, width, _ in map(places.__getitem__, frame.inside))
    low = max(y + height for _, y, _, height in map(places.__getitem__, frame.inside))
    if not frame.lines:
        return far, low
    return max(far, frame.text_size[0] + PAD) + PAD * 1.4, low + PAD * 1.4


def _rows(spots: list[_Spot], edges: list[tuple[_Spot, _Spot]]) -> tuple[list[list[_Spot]], dict]:
    """Ranks the spots; returns the ranks, and for each edge the spots on which it passes ranks.

    Edges that lead back, as where a layer is called on what comes of it, rank nothing.
    """
    edges = _forward(spots, list(dict.fromkeys(edges)))
    for tail, head in edges:
        tail.below.append(head)
        head.above.append(tail)
    waiting = {spot: len(spot.above) for spot in spots}
    ready = [spot for spot in spots if not spot.above]
    for spot in ready:
        for head in spot.below:
            head.rank = max(head.rank, spot.rank + 1)
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    for spot in spots:
        if not spot.above and spot.below:
            spot.rank = min(head.rank for head in spot.below) - 1
    rows: list[list[_Spot]] = [[] for _ in range(1 + max(spot.rank for spot in spots))]
    for spot in spots:
        rows[spot.rank].append(spot)
        spot.above, spot.below = [], []
    passed = {}
    for tail, head in edges:
        passed[tail, head] = [_Spot(0.0, 0.0, rank) for rank in range(tail.rank + 1, head.rank)]
        for spot in passed[tail, head]:
            rows[spot.rank].append(spot)
        for before, after in itertools.pairwise([tail, *passed[tail, head], head]):
            before.below.append(after)
            after.above.append(before)
    return rows, passed


def _forward(spots: list[_Spot], edges: list[tuple[_Spot, _Spot]]) -> list[tuple[_Spot, _Spot]]:
    """Returns the edges without those that close a circle, found by a walk in depth."""
    heads: dict[_Spot, list[_Spot]] = {spot: [] for spot in spots}
    for tail, head in edges:
        heads[tail].append(head)
    number: dict[_Spot, int] = {}
    stack = [(spot, False) for spot in reversed(spots)]
    left: set[_Spot] = set()
    while stack:
        spot, done = stack.pop()
        if done:
            number[spot] = len(spots) - len(number)
        elif spot not in left:
            left.add(spot)
            stack.append((spot, True))
            stack.extend((head, False) for head in reversed(heads[spot]))
    return [(tail, head) for tail, head in edges if number[tail] < number[head]]


def _order(rows: list[list[_Spot]]) -> None:
    """Orders each rank by where the neighbours stand in the ranks beside it."""
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            beside = {spot: i for other in rows for i, spot in enumerate(other)}
            wanted = {}
            for spot in row:
                near = spot.above if down else spot.below
                wanted[spot] = sum(beside[other] for other in near) / len(near) if near else beside[spot]
            row.sort(key=wanted.__getitem__)


def _settle(rows: list[list[_Spot]]) -> None:
    """Gives each spot its center: near the mean of its neighbours, in order, and with room between."""
    for row in rows:
        _spread(row, [0.0] * len(row))
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = []
            for spot in row:
                near = spot.above if sweep % 2 == 0 else spot.below
                near = near or (spot.below if sweep >= _SWEEPS - 2 else near)
                wanted.append(sum(other.center for other in near) / len(near) if near else spot.center)
            _spread(row, wanted)


def _spread(row: list[_Spot], wanted: list[float]) -> None:
    """Puts the centers of a rank as near to the wanted ones as order and room allow, by least squares (pooling violators)."""
    room = [0.0, *((a.across + b.across) / 2 + _BETWEEN_BOXES for a, b in itertools.pairwise(row))]
    offsets = list(itertools.accumulate(room))
    pools: list[list[float]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        pools.append([want - offset])
        while len(pools) > 1 and _mean(pools[-2]) >= _mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    means = [_mean(pool) for pool in pools for _ in pool]
    for spot, mean, offset in zip(row, means, offsets, strict=True):
        spot.center = mean + offset


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _line(
    tail: tuple[float, float, float, float], head: tuple[float, float, float, float], via: list[Point], sideways: bool
) -> list[Point]:
    """Returns an arrow's line, from the edge of one box to the edge of another; around them where it leads back."""
    (x, y, width, height), (to_x, to_y, to_width, to_height) = tail, head
    if (to_x < x + width) if sideways else (to_y < y + height):
        start, end = (x + width, y + height / 2), (to_x + to_width, to_y + to_height / 2)
        far = max(start[0], end[0]) + _BETWEEN_BOXES * 1.5
        return [start, (far, start[1]), (far, end[1]), end]
    start = (x + width, y + height / 2) if sideways else (x + width / 2, y + height)
    end = (to_x, to_y + to_height / 2) if sideways else (to_x + to_width / 2, to_y)
    points = [start]
    for before, after in itertools.pairwise([start, *via, end]):
        middle = ((before[0] + after[0]) / 2, (before[1] + after[1]) / 2)
        points += (
            [(middle[0], before[1]), (middle[0], after[1]), after]
            if sideways
            else [(before[0], middle[1]), (after[0], middle[1]), after]
        )
    return points
