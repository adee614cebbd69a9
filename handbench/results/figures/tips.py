"""An SVG and the words for its artists go in; an SVG whose points say on hover what they are, with ids of its own, comes out."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence

TIPS = "_handbench_tips"  # where a figure keeps them
SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def with_tips(content: bytes, tips: Mapping[str, Sequence[str]], name: str) -> bytes:
    """Put a <title> into each point or artist that has a text, and the figure's name before every id.

    Several figures stand in one page: equal ids would let one take the other's clip paths.

    Args:
        content: the SVG as matplotlib wrote it.
        tips: the id of an artist's group -> one text for the whole, or one for each of its points in their order.
        name: of the figure, unique in the page.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", LINK)
    root = ElementTree.fromstring(content)
    for group in root.iter(f"{{{SVG}}}g"):
        texts = tips.get(group.get("id", ""), ())
        points = list(group.iter(f"{{{SVG}}}use")) if len(texts) > 1 else []
        if points and len(points) == len(texts):
            for point, text in zip(points, texts, strict=True):
                _entitle(point, text)
        elif texts:
            _entitle(group, "; ".join(texts) if len(texts) < 4 else texts[0])
    _share_styles(root)
    _own_ids(root, name)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _entitle(element: ElementTree.Element, text: str) -> None:
    title = ElementTree.Element(f"{{{SVG}}}title")
    title.text = text
    element.insert(0, title)
    element.set("class", "tip")


def _share_styles(root: ElementTree.Element) -> None:
    """Say once what all points of a group repeat, which makes scatter plots half as large."""
    for group in root.iter(f"{{{SVG}}}g"):
        points = list(group)
        styles = {point.get("style", "") for point in points}
        if (
            len(points) > 1
            and len(styles) == 1
            and all(point.tag == f"{{{SVG}}}use" for point in points)
            and "style" not in group.attrib
        ):
            group.set("style", styles.pop())
            for point in points:
                point.attrib.pop("style", None)


def _own_ids(root: ElementTree.Element, name: str) -> None:
    for element in root.iter():
        if "id" in element.attrib:
            element.set("id", f"{name}-{element.get('id')}")
        for attribute, value in element.attrib.items():
            if attribute.endswith("href") and value.startswith("#"):
                element.set(attribute, f"#{name}-{value[1:]}")
            elif "url(#" in value:
                element.set(attribute, re.sub(r"url\(#", f"url(#{name}-", value))
