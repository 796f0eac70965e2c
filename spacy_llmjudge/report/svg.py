"""A figure as a picture that stands inside a page: no styles, no dates, no identifier that stands twice."""

import io
from typing import TYPE_CHECKING, Any, Dict
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# the colour of lines and letters, which the page makes its own, so that dark pages have light ones
INK = "#1a1a1a"
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
SETTINGS: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
}


def draw_svg(figure: "Figure", name: str, description: str) -> str:
    """Draw a figure as SVG.

    figure (Figure): The figure.
    name (str): Goes before every identifier.
    description (str): What it shows, for those who do not see it.
    RETURNS (str): An element `svg`.
    """
    import matplotlib

    drawn = io.StringIO()
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(drawn.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
        _rewrite(parent.attrib, name)
    for size in ("width", "height"):
        root.attrib.pop(size)
    root.attrib.update(
        {"role": "img", "aria-label": description, "stroke-linejoin": "round", "class": "plot"}
    )
    return ElementTree.tostring(root, encoding="unicode")


def draw_png(figure: "Figure") -> bytes:
    """RETURNS (bytes): The same as a PNG file, on white, for a paper."""
    import matplotlib

    drawn = io.BytesIO()
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(drawn, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return drawn.getvalue()


def _rewrite(attributes: Dict[str, str], name: str) -> None:
    """Styles become attributes, as the page allows no style that it does not know."""
    for declaration in attributes.pop("style", "").split(";"):
        key, colon, value = declaration.partition(":")
        if colon and key.strip() == "font":
            # such as 10px 'DejaVu Sans', sans-serif
            words = [word for word in value.split() if word.endswith("px")]
            attributes["font-size"] = words[0]
        elif colon:
            attributes[key.strip()] = value.strip()
    for key, value in list(attributes.items()):
        if key == "id":
            attributes[key] = f"{name}-{value}"
        elif value.startswith("#") and key.endswith("href"):
            attributes[key] = f"#{name}-{value[1:]}"
        elif value.startswith("url(#"):
            attributes[key] = f"url(#{name}-{value[5:]}"
        elif value == INK:
            attributes[key] = "currentColor"
