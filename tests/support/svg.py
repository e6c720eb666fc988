"""Values are read back from a chart of `keras_lr.core.svg` by the labels of its axes."""

import re
from xml.etree import ElementTree

import numpy as np


def root(html):
    return ElementTree.fromstring(html.replace('xmlns="http://www.w3.org/2000/svg"', ""))


def points(html, place=0):
    """Pixels of a line."""
    paths = [path for path in root(html).iter("path") if path.get("stroke-width") == "1.8"]
    return np.array([pair.split() for pair in re.split("[ML]", paths[place].get("d"))[1:]], float)


def ticks(html, anchor):
    """(pixel, value) of the labels of one axis."""
    place = {"middle": "x", "end": "y"}[anchor]
    found = [text for text in root(html).iter("text") if text.get("text-anchor") == anchor]
    numbers = [text for text in found if re.fullmatch(r"[-\d,.e+]+", text.text)]
    shift = 4 if anchor == "end" else 0
    return [(float(text.get(place)) - shift, float(text.text.replace(",", ""))) for text in numbers]


def read_back(pixels, labels, log=False):
    """Values of pixels, by the first and the last label of the axis."""
    (a, first), (b, last) = labels[0], labels[-1]
    if log:
        first, last = np.log10(first), np.log10(last)
    values = first + (pixels - a) * (last - first) / (b - a)
    return 10**values if log else values


def legend(html):
    """The names of the lines."""
    return [span.find("b").tail.strip() for span in root(html).iter("span")]


def sentence(html):
    """The sentence above the chart."""
    return root(html).find("div").text
