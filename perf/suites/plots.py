# SPDX-License-Identifier: BSD-3-Clause
"""Plots as SVG, with nothing from outside: bars, stacked bars, lines. Colours are classes of the page's style."""

import math
from html import escape

WIDTH, LEFT, RIGHT, ROW = 760, 190, 90, 30


def number(value):
    """A number as people read it."""
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    if value >= 10000:
        return f"{value / 1000:.0f} k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(str(words))}</text>'


def figure(title, height, body, caption=""):
    words = f"<figcaption>{caption}</figcaption>" if caption else ""
    return (f'<figure><h3>{escape(title)}</h3><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
            f"{''.join(body)}</svg>{words}</figure>")


def bars(title, rows, unit, caption="", log=False):
    """Rows of (name, value, aim or None, class): an aim is a mark across the bar."""
    rows = [row for row in rows if row[1] is not None]
    most = max([value for _, value, _, _ in rows] + [aim for _, _, aim, _ in rows if aim] or [1])
    least = min(value for _, value, _, _ in rows) / 2 if log else 0
    room = WIDTH - LEFT - RIGHT

    def at(value):
        part = math.log(value / least) / math.log(most / least) if log else value / most
        return room * max(0.004, part)

    body = []
    for i, (name, value, aim, kind) in enumerate(rows):
        y = i * ROW + 6
        body.append(text(LEFT - 10, y + 14, name, anchor="end"))
        body.append(f'<rect x="{LEFT}" y="{y}" width="{at(value):.1f}" height="18" rx="3" class="{kind}"/>')
        body.append(text(LEFT + max(at(value), at(aim) if aim else 0) + 8, y + 14, f"{number(value)} {unit}", "value"))
        if aim:
            body.append(f'<path d="M{LEFT + at(aim):.1f} {y - 3}v24" class="aim"/>')
    return figure(title, len(rows) * ROW + 8, body, caption)


def stacked(title, rows, unit, caption=""):
    """Rows of (name, {part: value}); parts have the same colour in all rows."""
    parts = list(dict.fromkeys(part for _, values in rows for part in values))
    most = max(sum(values.values()) for _, values in rows)
    room, body = WIDTH - LEFT - RIGHT, []
    for i, (name, values) in enumerate(rows):
        x, y = LEFT, i * (ROW + 6) + 6
        body.append(text(LEFT - 10, y + 17, name, anchor="end"))
        for part, value in values.items():
            width = room * value / most
            body.append(f'<rect x="{x:.1f}" y="{y}" width="{max(width, 0.5):.1f}" height="24" class="c{parts.index(part) % 10}">'
                        f"<title>{escape(part)}: {number(value)} {unit}</title></rect>")
            if width > 44:
                body.append(text(x + width / 2, y + 16, number(value), "inside", "middle"))
            x += width
        body.append(text(x + 8, y + 17, f"{number(sum(values.values()))} {unit}", "value"))
    height = len(rows) * (ROW + 6) + 10
    for i, part in enumerate(parts):
        x, y = LEFT + (i % 4) * 130, height + (i // 4) * 20
        body.append(f'<rect x="{x}" y="{y}" width="12" height="12" rx="2" class="c{i % 10}"/>' + text(x + 18, y + 11, part, "key"))
    return figure(title, height + (len(parts) + 3) // 4 * 20 + 6, body, caption)


def ticks(least, most):
    """Powers of ten, and halves of them, between two numbers."""
    found, power = [], 10 ** math.floor(math.log10(least))
    while power <= most * 1.001:
        found += [power * step for step in (1, 2, 5) if least * 0.999 <= power * step <= most * 1.001]
        power *= 10
    return found


def lines(title, series, x_name, y_name, caption=""):
    """Series of (name, [(x, y)]), both axes logarithmic."""
    points = [point for _, some in series for point in some if point[0] > 0 and point[1] > 0]
    x0, x1 = min(x for x, _ in points), max(x for x, _ in points)
    y0, y1 = min(y for _, y in points) / 1.3, max(y for _, y in points) * 1.3
    x0, x1 = (x0 / 1.5, x1 * 1.5) if x0 == x1 else (x0, x1)
    left, top, width, height = 70, 10, WIDTH - 220, 250

    def place(x, y):
        return (left + width * math.log(x / x0) / math.log(x1 / x0), top + height * (1 - math.log(y / y0) / math.log(y1 / y0)))

    body = []
    for tick in ticks(y0, y1):
        _, y = place(x0, tick)
        body.append(f'<path d="M{left} {y:.1f}h{width}" class="grid"/>' + text(left - 8, y + 4, number(tick), "key", "end"))
    for tick in ticks(x0, x1):
        x, _ = place(tick, y0)
        body.append(f'<path d="M{x:.1f} {top}v{height}" class="grid"/>' + text(x, top + height + 18, number(tick), "key", "middle"))
    for i, (name, some) in enumerate(series):
        dots = [place(x, y) for x, y in some if x > 0 and y > 0]
        body.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in dots)}" class="line l{i % 10}"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="c{i % 10}"/>' for x, y in dots]
        body.append(f'<rect x="{left + width + 20}" y="{top + i * 22}" width="12" height="12" rx="2" class="c{i % 10}"/>'
                    + text(left + width + 38, top + i * 22 + 11, name, "key"))
    body.append(text(left + width / 2, top + height + 38, x_name, "key", "middle"))
    body.append(text(left + width + 20, top + height, y_name, "key"))
    return figure(title, height + 60, body, caption)
