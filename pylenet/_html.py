"""Tables for notebooks. Imported when one is shown."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 0) -> str:
    """An HTML table under a title. texts: how many columns come first that are no numbers."""
    lines = [_row("th", head, texts), *(_row("td", row, texts) for row in rows)]
    return "\n".join(["<table>", f"<caption>{escape(title)}</caption>", *lines, "</table>"])


def _row(tag: str, cells: Sequence[str], texts: int) -> str:
    sides = ["left"] * texts + ["right"] * (len(cells) - texts)
    aligned = zip(cells, sides, strict=True)
    inner = (f'<{tag} style="text-align: {side}">{escape(text)}</{tag}>' for text, side in aligned)
    return f"<tr>{''.join(inner)}</tr>"
