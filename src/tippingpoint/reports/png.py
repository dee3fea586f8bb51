"""What all PNG figures share: empty ones, text on them, and where they are written."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def blank(width: float, height: float, dpi: int = 100, constrained: bool = False) -> Figure:
    """A figure of so many inches without axes; a constrained layout takes longer than all the rest."""
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def new_figure(width: float = 5.0, height: float = 4.5) -> tuple[Figure, Axes]:
    """An empty figure of so many inches with its axes, laid out by itself."""
    figure = blank(width, height, 110, constrained=True)
    return figure, open_axes(figure.add_subplot())


def open_axes(axes: Axes) -> Axes:
    """The axes without a frame on top and right."""
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PNG, in a folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def words(name: str) -> str:
    """A family or a metric as people write it.

    >>> words("random_forest")
    'random forest'
    """
    return name.replace("_", " ")


def label(text: str, most: int = 28) -> str:
    """The beginning of a text, as it stands.

    >>> label("costs_in_$_a_month", 9)
    'costs_in…'
    """
    return literal(text if len(text) <= most else f"{text[: most - 1]}…")


def literal(text: str) -> str:
    """Text in which a dollar sign starts no formula."""
    return text.replace("$", r"\$")
