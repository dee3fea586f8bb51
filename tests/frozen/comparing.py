"""What of an answer stays the same from run to run, and all differences between two answers at once."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""Largest difference of two equal numbers: sums in another order differ by less."""
LONGEST, LARGEST = 16, 1000
"""Lists of more entries, or characters where they hold more than three, are kept as their length, ends and sums."""
WIDTH = 110
"""Characters of a line of JSON."""
VOLATILE = re.compile(r"(^|_|/)(seconds|milliseconds|megabytes|started|ended)$|^(since|when|days)$")
"""Keys of durations, sizes on disk and moments: only whether there is a value is kept."""
DIFFERS = "<differs>"
MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?)?")
IDS = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])|(?<=-[0-9a-f]{12}-)[0-9a-f]{8}$")
"""Of runs and models; and what follows the digest in the name of a study, which no other study has."""
STUDIES = re.compile(r"(?<=\w-)[0-9a-f]{12}(?=-<id>|\.log)")
"""Digests in the names of studies, which change with the code."""
RATES = re.compile(r"\d[\d,.]*(?= (ms|MB|s)\b)")


@dataclass(frozen=True)
class Allowed:
    """An intended difference.

    Parameters
    ----------
    where
        Regular expression that the whole path of the place must match.
    before, after
        A text and what it may have become, anywhere in a value, a key or a name. Without `before` the place is new,
        without `after` it is gone, and without both its value is another.
    why
        The issue or decision that says so.
    """

    where: str
    before: str | None
    after: str | None
    why: str

    def became(self, path: str, text: str) -> str:
        """Return what a text at a path may have become."""
        if self.before is None or self.after is None or not re.fullmatch(self.where, path):
            return text
        return text.replace(self.before, self.after)

    def covers(self, difference: "Difference") -> bool:
        """Return whether it allows that a place is new, gone or another."""
        kind = (self.before is None, self.after is None)
        found = {
            (True, False): difference.before is ABSENT,
            (False, True): difference.now is ABSENT,
            (True, True): ABSENT not in (difference.before, difference.now),
        }
        return found.get(kind, False) and bool(re.fullmatch(self.where, difference.path))


@dataclass(frozen=True)
class Difference:
    """A place where two answers differ."""

    path: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.path}: {_short(self.before)} -> {_short(self.now)}"


class _Absent:
    def __repr__(self) -> str:
        return "(not there)"


ABSENT = _Absent()


def unintended(before: Any, now: Any, allowed: Sequence[Allowed] = ()) -> list[Difference]:
    """Return all places where two JSON documents differ and no rule allows it."""
    found = _differences(before, now, "", allowed)
    return [one for one in found if not any(rule.covers(one) for rule in allowed)]


def _differences(before: Any, now: Any, path: str, allowed: Sequence[Allowed]) -> Iterator[Difference]:
    """Yield differences; lists of texts are compared as names, other lists place by place."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = _same_names(list(before), list(now), path, allowed)
        for key, value in before.items():
            place = f"{path}.{key}" if path else str(key)
            if key in names:
                yield from _differences(value, now[names[key]], place, allowed)
            else:
                yield Difference(place, value, ABSENT)
        for key in [key for key in now if key not in names.values()]:
            yield Difference(f"{path}.{key}" if path else str(key), ABSENT, now[key])
    elif isinstance(before, list) and isinstance(now, list):
        if all(isinstance(value, str) for value in [*before, *now]):
            names = _same_names(before, now, path, allowed)
            yield from (Difference(f"{path}[]", name, ABSENT) for name in before if name not in names)
            yield from (Difference(f"{path}[]", ABSENT, name) for name in now if name not in names.values())
            if sorted(before) == sorted(now) and before != now:
                yield Difference(f"{path} (order)", before, now)
            return
        if len(before) != len(now):
            yield Difference(f"{path}.length", len(before), len(now))
        for k, (one, other) in enumerate(zip(before, now, strict=False)):
            yield from _differences(one, other, f"{path}[{k}]", allowed)
    elif isinstance(before, str) and isinstance(now, str):
        if now not in _spellings(before, path, allowed):
            yield Difference(path, before, now)
    elif not _equal(before, now):
        yield Difference(path, before, now)


def _same_names(before: list[str], now: list[str], path: str, allowed: Sequence[Allowed]) -> dict[str, str]:
    """Return the names of before, and as what each is there now."""
    found = {}
    for name in before:
        for spelling in _spellings(name, f"{path}.{name}", allowed):
            if spelling in now:
                found[name] = spelling
    return found


def _spellings(text: str, path: str, allowed: Sequence[Allowed]) -> list[str]:
    """Return a text as it was, and as rules let it be by now."""
    found = [text]
    for rule in allowed:
        found += [new for old in list(found) if (new := rule.became(path, old)) not in found]
    return found


def normalised(value: Any, places: dict[str, Path | str], key: str = "") -> Any:
    """Return a JSON document without what differs from run to run: ids, folders, moments, durations.

    Parameters
    ----------
    places
        What stands for a folder or another text that differs, and that text.
    """
    if isinstance(value, dict):
        return {str(k): normalised(v, places, key if VOLATILE.search(key) else str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return shortened([normalised(v, places, key) for v in value])
    if VOLATILE.search(key) and value is not None:
        return DIFFERS
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return rounded(value)
    if not isinstance(value, str):
        return value
    for name, text in places.items():
        value = value.replace(str(text), f"<{name}>")
    value = MOMENT.sub(_unless_now, STUDIES.sub("<study>", IDS.sub("<id>", value)))
    return RATES.sub("<number>", value)


def shortened(values: list[Any]) -> Any:
    """Return a list; of things with names the things by name; of a long one its length, ends and sums."""
    named = [value.get("name") for value in values if isinstance(value, dict) and isinstance(value.get("name"), str)]
    if 1 < len(values) <= LONGEST and len(set(named)) == len(values):
        return dict(zip(named, values, strict=True))
    few = len(values) <= LONGEST and (len(values) <= 3 or len(json.dumps(values)) <= LARGEST)
    if few or all(isinstance(value, str) for value in values):
        return values
    return {"length": len(values), "first": values[0], "last": values[-1], "sums": _sums(values)}


def written(value: Any, depth: int = 0) -> str:
    """Return JSON of which what fits into a line stands in one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + depth <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    if isinstance(value, list) and all(isinstance(inner, str) for inner in value):
        parts, ends = _in_lines([json.dumps(inner, ensure_ascii=False) for inner in value], WIDTH - depth), "[]"
    elif isinstance(value, list):
        parts, ends = [written(inner, depth + 1) for inner in value], "[]"
    else:
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {written(inner, depth + 1)}" for key, inner in value.items()]
        ends = "{}"
    indent = "\n" + " " * depth
    return ends[0] + ",".join(f"{indent} {part}" for part in parts) + indent + ends[1]


def _in_lines(texts: list[str], width: int) -> list[str]:
    """Return texts joined by commas, as many as fit into a line."""
    lines = [texts[0]]
    for text in texts[1:]:
        if len(lines[-1]) + len(text) + 2 <= width:
            lines[-1] += f", {text}"
        else:
            lines.append(text)
    return lines


def rounded(value: float) -> float | None:
    """Return a number with 11 significant digits; what is not finite is none."""
    if not math.isfinite(value):
        return None
    return float(f"{value:.11g}")


def _sums(values: list[Any]) -> Any:
    """Return sums of numbers, place by place or key by key; of texts and the like how often there is each."""
    if all(isinstance(value, dict) for value in values):
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: _sums([value.get(key) for value in values]) for key in keys}
    if all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        return [_sums(list(column)) for column in zip(*values, strict=True)]
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) == sum(value is not None for value in values):
        return rounded(math.fsum(numbers)) if any(isinstance(n, float) for n in numbers) else sum(numbers)
    counted = Counter(value if isinstance(value, str) else json.dumps(value) for value in values if value is not None)
    texts = all(isinstance(value, str | bool | None) for value in values)
    return dict(sorted(counted.items())) if texts and len(counted) <= 6 else f"{len(counted)} different"


def _unless_now(found: re.Match[str]) -> str:
    text = found[0]
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "T"))
    except ValueError:
        return text
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return "<time>" if abs(moment - datetime.now(UTC)) < timedelta(days=2) else text


def _equal(before: Any, now: Any) -> bool:
    numbers = (int, float)
    if isinstance(before, bool) or isinstance(now, bool) or not isinstance(before, numbers):
        return type(before) is type(now) and before == now
    return isinstance(now, numbers) and math.isclose(before, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
