"""How fast generated worlds are streamed, and that the memory it takes does not grow with the users.

    python -P benchmarks/generate.py [--small 1000000] [--large 5000000] [world ...]

Every run is a process of its own, so that its peak memory is its own too.
"""

import argparse
import json
import subprocess
import sys
from time import perf_counter

from rich.console import Console
from rich.table import Table

TARGET = 5.0
"""Million users a minute asked of every world of one table."""


def main() -> None:
    """Print users a minute and peak memory, by world and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", nargs="*", default=["case_study", "streamzone", "retention"])
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=5_000_000)
    parser.add_argument("--stream", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stream:
        print(json.dumps(stream(asked.worlds[0], asked.stream)))
        return
    table = Table("world", "users", "seconds", "million users a minute", f"≥ {TARGET:g}", "peak memory, MiB")
    for world in asked.worlds:
        for users in (asked.small, asked.large):
            command = [sys.executable, __file__, world, "--stream", str(users)]
            seconds, peak = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            speed = users / seconds * 60 / 1e6
            said = "yes" if speed >= TARGET else "no"
            table.add_row(world, f"{users:,}", f"{seconds:.1f}", f"{speed:.1f}", said, f"{peak:.0f}")
    Console().print(table)


def stream(name: str, users: int) -> tuple[float, float]:
    """Draw all blocks of a world and keep none: seconds, and peak memory of the process in MiB."""
    import resource

    from tippingpoint.config.compose import compose
    from tippingpoint.config.settings import Settings
    from tippingpoint.data.generators.world import World

    settings = Settings.from_config(compose("run", [f"data={name}", f"data.users={users}"]))
    world = settings.data.build(World, "data")
    start = perf_counter()
    drawn = sum(len(block) for block in world.blocks())
    seconds = perf_counter() - start
    assert drawn == users
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
