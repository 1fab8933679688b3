"""Plots as small SVG files: a dot with a line from least to most for each target, in rows, on a logarithmic scale."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LABELS, RIGHT = 860, 190, 70
TOP, BOTTOM, STEP, GAP = 64, 34, 18, 12
COLOURS = ("#1f5fa8", "#c2570c", "#2f7d32", "#7b3fa0", "#666666")  # apart for colour-blind readers too
INK, FAINT = "#222222", "#d8d8d8"
STEPS_OF_A_DECADE = (1, 2, 5)


@dataclass(frozen=True)
class Mark:
    """What one target reached."""

    target: str
    least: float
    value: float
    most: float


@dataclass(frozen=True)
class Row:
    """One thing that is compared."""

    name: str
    marks: Sequence[Mark]
    goal: float | None = None


@dataclass(frozen=True)
class _Scale:
    """Places values between two powers on the picture."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float]) -> "_Scale":
        good = [value for value in values if value > 0] or [1.0]
        return cls(math.log10(min(good) / 1.15), math.log10(max(good) * 1.15))

    def x(self, value: float) -> float:
        share = (math.log10(max(value, 10**self.low)) - self.low) / (self.high - self.low)
        return LABELS + share * (WIDTH - LABELS - RIGHT)

    def ticks(self) -> Iterator[float]:
        for decade in range(math.floor(self.low), math.ceil(self.high) + 1):
            for step in STEPS_OF_A_DECADE:
                value = step * 10.0**decade
                if self.low <= math.log10(value) <= self.high:
                    yield value


def draw(title: str, rows: Sequence[Row], *, line_at: float | None = None) -> str:
    """Draw the rows; `line_at` marks a value through all of them."""
    targets = list(dict.fromkeys(mark.target for row in rows for mark in row.marks))
    colours = {target: COLOURS[number % len(COLOURS)] for number, target in enumerate(targets)}
    goals = [row.goal for row in rows if row.goal is not None]
    values = [value for row in rows for mark in row.marks for value in (mark.least, mark.most)]
    scale = _Scale.around([*values, *goals, *([line_at] if line_at else [])])
    height = TOP + BOTTOM + sum(_height(row) for row in rows)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="system-ui, sans-serif" font-size="12" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="14" font-weight="600">{escape(title)}</text>',
        *_legend(colours),
        *_axis(scale, height, line_at),
        *_marks(rows, scale, colours),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _height(row: Row) -> int:
    return len(row.marks) * STEP + GAP


def _legend(colours: dict[str, str]) -> Iterator[str]:
    x = 12
    for target, colour in colours.items():
        yield f'<circle cx="{x + 5}" cy="40" r="5" fill="{colour}"/><text x="{x + 15}" y="44">{escape(target)}</text>'
        x += 40 + 7 * len(target)


def _axis(scale: _Scale, height: int, line_at: float | None) -> Iterator[str]:
    bottom = height - BOTTOM
    for value in scale.ticks():
        x = scale.x(value)
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="{FAINT}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{_number(value)}</text>'
    if line_at is not None:
        x = scale.x(line_at)
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="{INK}" stroke-width="1.5"/>'


def _marks(rows: Sequence[Row], scale: _Scale, colours: dict[str, str]) -> Iterator[str]:
    top = TOP
    for row in rows:
        middle = top + len(row.marks) * STEP / 2
        yield f'<text x="{LABELS - 12}" y="{middle + 4:.1f}" text-anchor="end">{escape(row.name)}</text>'
        for number, mark in enumerate(row.marks):
            yield from _mark(mark, scale, colours[mark.target], top + number * STEP + STEP / 2)
        if row.goal is not None:
            x = scale.x(row.goal)
            yield f'<rect x="{x - 4:.1f}" y="{middle - 4:.1f}" width="8" height="8" fill="none" stroke="{INK}" stroke-width="1.5"/>'
        top += _height(row)


def _mark(mark: Mark, scale: _Scale, colour: str, y: float) -> Iterator[str]:
    least, value, most = (scale.x(one) for one in (mark.least, mark.value, mark.most))
    yield f'<line x1="{least:.1f}" y1="{y:.1f}" x2="{most:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3" stroke-opacity="0.45"/>'
    told = f"{escape(mark.target)}: {_number(mark.value)}"
    yield f'<circle cx="{value:.1f}" cy="{y:.1f}" r="5" fill="{colour}"><title>{told}</title></circle>'
    yield f'<text x="{most + 8:.1f}" y="{y + 4:.1f}" font-size="11">{_number(mark.value)}</text>'


def _number(value: float) -> str:
    """Write a value with as many digits as tell something."""
    if value >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.3g}"
