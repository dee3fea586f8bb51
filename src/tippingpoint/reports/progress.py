"""What a job is doing: a bar on a terminal, plain lines elsewhere; always on stderr."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from tippingpoint.core import stopping

BAR = 20
"""Columns of a search's bar."""
LINES, LINE_SECONDS = 10, 30
"""Elsewhere a search says how far it is each so many-th part of its target, at most once in so many seconds."""


class Steps:
    """Which step of a job is worked on: called with the name of each as it starts.

    A process that was told to stop starts no further one.
    """

    def __init__(self, console: Console, bar: Progress | None = None, task: TaskID | None = None) -> None:
        self.console, self.bar, self.task = console, bar, task
        self.started = False

    def __call__(self, name: str) -> None:
        """Begin a step."""
        stopping.check()
        if self.bar is None or self.task is None:
            self.console.print(name, highlight=False, markup=False)
            return
        self.bar.update(self.task, description=name, advance=1 if self.started else 0)
        self.started = True

    def decided(self, lines: Sequence[str]) -> None:
        """Say what was decided as soon as it is; the answer says it again when all is filed."""
        self.console.print(f"decided: {' '.join(lines)}", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def progress(steps: int) -> Iterator[Steps]:
    """Show `steps` steps; call what is given with the name of each as it starts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Steps(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield Steps(console, bar, bar.add_task("", total=steps))


class Counting:
    """How many rows are done: a live line on a terminal; elsewhere only the names of steps."""

    def __init__(self, console: Console, bar: Progress | None, task: TaskID | None) -> None:
        self.console, self.bar, self.task = console, bar, task
        self.total: int | None = None
        self.what = ""

    def say(self, what: str) -> None:
        """Name what is done now."""
        stopping.check()
        self.what = what
        if self.bar is None or self.task is None:
            self.console.print(what, highlight=False, markup=False)
        else:
            self.bar.update(self.task, description=what, total=None, completed=0)

    def update(self, rows: int) -> None:
        """Show the rows done, of how many where that is known."""
        stopping.check()
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, description=f"{self.what}: {rows:,} rows", completed=rows, total=self.total)


@contextmanager
def counting() -> Iterator[Counting]:
    """A live line for work on rows."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Counting(console, None, None)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield Counting(console, bar, bar.add_task("", total=None))


class Searching:
    """How far a search is: a live line on a terminal; elsewhere one at its start, now and then, and at its end."""

    def __init__(self, console: Console, bar: Progress | None, task: TaskID | None) -> None:
        self.console, self.bar, self.task = console, bar, task
        self.had: int | None = None
        self.began: tuple[float, int] | None = None
        """When the first trial of this process was seen complete, and how many were then."""
        self.warned: set[str] = set()
        self.told = 0.0, 0
        """Where there is no terminal: when the last line was printed, and at which tenth of the target."""

    def say(self, what: str) -> None:
        """Name what is done now."""
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, description=what)

    def warn(self, what: str) -> None:
        """Say something once, on a line of its own that stays."""
        if what not in self.warned:
            self.warned.add(what)
            self.console.print(what, highlight=False, markup=False)

    def begin(self, complete: int, target: int) -> None:
        """Say that it starts; on a terminal the live line does."""
        self._tell(f"searching: {complete}/{target} trials", LINES * complete // target)

    def update(
        self, complete: int, target: int, summaries: Sequence[str], at_once: int = 1, ended: bool = False
    ) -> None:
        """Show the trials done of how many, the time left, the best so far.

        `summaries` are the best so far in several lengths, longest first; the longest that fits is shown. The pace is
        that since the first trial ended, told when as many more have ended as are worked on `at_once`.
        """
        self.had = complete if self.had is None else self.had
        if self.began is None and complete > self.had:
            self.began = time.monotonic(), complete
        since, first = self.began or (0.0, complete)
        left = ""
        if complete - first >= at_once and complete < target:
            seconds = (time.monotonic() - since) / (complete - first) * (target - complete)
            left = f", {int(seconds // 60)}:{int(seconds % 60):02d} left"
        lines = [f"{complete}/{target} trials{left}, {said}" for said in summaries]
        if self.bar is None or self.task is None:
            (at, before), tenth = self.told, LINES * complete // target
            if ended or (before < tenth < LINES and time.monotonic() - at >= LINE_SECONDS):
                self._tell(lines[0], tenth)
            return
        shown = next((line for line in lines if len(line) < self.console.width - BAR), lines[-1])
        self.bar.update(self.task, completed=complete, total=target, description=shown)

    def _tell(self, line: str, tenth: int) -> None:
        if self.bar is None:
            self.told = time.monotonic(), tenth
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def searching() -> Iterator[Searching]:
    """A live line for a search."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Searching(console, None, None)
        return
    with Progress(BarColumn(bar_width=BAR), TextColumn("{task.description}"), console=console, transient=True) as bar:
        yield Searching(console, bar, bar.add_task("", total=None))
