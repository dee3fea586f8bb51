"""A Dockerfile, read as far as ours goes: stages, and their instructions in order."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One `FROM … AS name` and what follows it."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def of(self, kind: str) -> list[str]:
        return [text for instruction, text in self.instructions if instruction == kind]


def stages(path: Path) -> dict[str, Stage]:
    """The stages by name; arguments that stand before the first are put in."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    arguments: dict[str, str] = {}
    found: dict[str, Stage] = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        kind, _, text = line.strip().partition(" ")
        for name, value in arguments.items():
            text = text.replace(f"${{{name}}}", value)
        if kind == "ARG":
            arguments |= [tuple(text.split("=", 1))]  # type: ignore[arg-type]  # a name and its value
        elif kind == "FROM":
            base, _, name = text.split()
            found[name] = Stage(base, name)
        else:
            found[[*found][-1]].instructions.append((kind, text))
    return found


def lineage(all_stages: dict[str, Stage], name: str) -> list[Stage]:
    """A stage after those it is made from, the first of which is from elsewhere."""
    stage = all_stages[name]
    return [*(lineage(all_stages, stage.base) if stage.base in all_stages else []), stage]


def words(all_stages: dict[str, Stage], name: str, kind: str) -> list[str]:
    """The last of an instruction such as CMD that holds for a stage, as its list of words; [] where there is none."""
    given = [text for stage in lineage(all_stages, name) for text in stage.of(kind)]
    return list(json.loads(given[-1].partition("CMD ")[2] or given[-1])) if given else []
