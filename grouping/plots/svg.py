"""SVG elements as text, with everything that comes from outside escaped.

Colours are presentation attributes, which any style sheet overrides by class: a file looks right by itself,
and a page that shows it inline gives it its own light and dark colours. There are no ``style`` attributes
or elements, which a strict Content-Security-Policy would block.
"""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

INK = "#1c2430"
MUTED = "#5c6675"
RULE = "#dde2e9"
BLUE = "#1f5fbf"
ORANGE = "#b4540a"
GROUND = "#ffffff"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

SHORT_MINUS, MINUS = "-", "\u2212"


def element(name: str, *children: str, **attributes: str | float | None) -> str:
    """Return an element. An underscore in an attribute's name becomes a hyphen; ``class_`` is ``class``.

    Args:
        name: the element's name.
        children: markup, already escaped.
        attributes: attributes by name; None leaves one out.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_value(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    body = "".join(children)
    return f"<{name}{written}>{body}</{name}>" if body else f"<{name}{written}/>"


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def text(content: str, x: float, y: float, **attributes: str | float | None) -> str:
    """Return a line of text, escaped."""
    return element("text", escaped(content), x=x, y=y, **attributes)


def escaped(content: str) -> str:
    """Return text content: escaped, and without the characters that XML forbids."""
    return escape("".join(c for c in content if c.isprintable() or c in "\t\n"))


def shortened(content: str, most: int) -> str:
    """Cut the text to `most` characters with an ellipsis."""
    return content if len(content) <= most else content[: most - 1].rstrip() + "…"


def document(*children: str, width: float, height: float, title: str, description: str, name: str) -> str:
    """Return a whole picture.

    Args:
        children: markup, already escaped.
        width: width of the drawing, in its own units; it scales to the place it is given.
        height: height of the drawing, in the same units.
        title: title of the picture; read out by screen readers.
        description: what the picture shows, in a sentence or two; read out after the title.
        name: prefix of the identifiers inside; unique within a page.
    """
    ground = element("rect", width=width, height=height, fill=GROUND, class_="plot-ground")
    return element(
        "svg",
        element("title", escaped(title), id=f"{name}-title"),
        element("desc", escaped(description), id=f"{name}-desc"),
        ground,
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_="plot",
        color=INK,
        fill="currentColor",
        font_family=FONT,
        font_size=13.0,
    )
