"""Inputs made wrong: bytes and text of any kind, tables, YAML, JSON and command lines, all from one generator."""

import gzip
import io
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

NUMBERS = (
    *("NaN", "-inf", "1e999", "-0", "0x1F", "1_000", "1,5", "1.568,43 €", "12 %", "٣", "9" * 400, "1e-400", "+", "."),
    *("007", "9223372036854775808", "1.0000000000000000001", "TRUE", "null", "~", "2**64"),
)
TIMES = ("2026-02-30", "0000-00-00", "9999-12-31T23:59:60Z", "31.12.2026", "12/31/26", "1e9", "-0001-01-01", "24:00:01")
ODD = (
    *(
        "",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\0",
        "\x1b[31m",
        "\ufeff",
        "\u2028",
        "é",
        "ß" * 50,
        "𝒳",
        "\u202e",
        "'",
        '"',
        '""',
    ),
    *("=cmd|'/C calc'!A0", "a" * 5000, "${oc.env:HOME}", "${x", "???", "{{x}}", "%s%n", "../../etc/passwd", "<script>"),
    *("none", "None", "NA", "_duplicated_0", "user_id", "converted", "models:/x/1", "duckdb:///:memory:?table=x", "`"),
)
YAMLS = (
    *(
        "&a [*a]",
        "*nowhere",
        "!!python/object/apply:os.getcwd []",
        "!!binary aGk=",
        "!!timestamp 2026-02-30",
        "? [a, b]",
    ),
    *(
        "<<: *a",
        "<<: 3",
        "[" * 400,
        "{a: " * 300,
        "- " * 200,
        "!!set {a}",
        "!<tag:yaml.org,2002:int> x",
        "%YAML 9.9\n---",
    ),
    *(
        "\n---\n",
        "key: 'open",
        "a: b: c",
        "\tx: 1",
        "1: 2",
        "null: 3",
        "[1]: 2",
        ".inf",
        ".nan",
        "2026-13-40",
        "0o17",
        "1:30",
    ),
    *(
        "!!float x",
        "!!int ''",
        "=",
        "'': ''",
        "true: 1",
        "_target_: os.getcwd",
        "_target_: []",
        "_target_: {}",
        "on: on",
    ),
    *(
        "${oc.env:NOT_SET}",
        "${data.path}",
        "${now:}",
        "${hydra:x}",
        "defaults: [x]",
        "defaults: 3",
        "- override /data: x",
    ),
)
JSONS = (
    *("1e999", "-0", "NaN", "[" * 600, '{"a":' * 300, '"\\ud800"', '"\\u0000"', "9" * 5000, "null", "[[]]", "{}", '""'),
    *("true", '{"users": 3}', '{"users": [null]}', '{"__proto__": {}}', "1.0000000000000000000001", '"NaN"', "'x'"),
)
WORDS = (
    *("seed=", "seed=-1", "seed=1e99", "seed=[1]", "seed={a:1}", "++x.y=1", "~seed", "+seed=2", "seed=${x}", "a.b.c=d"),
    *(
        "data=nothing",
        "data=[csv]",
        "model=[]",
        "policy.cuts=[1,0]",
        "policy.cuts=[a]",
        "policy={}",
        "economics.price=x",
    ),
    *(
        "--cfg",
        "-c",
        "--config-name=x",
        "--config-dir",
        "--config-path=/",
        "-m",
        "--info",
        "--nonsense",
        "-x",
        "=",
        "a=",
        "=a",
    ),
    *(
        "hydra.mode=X",
        "hydra/launcher=x",
        "hydra.sweeper.params.x=1",
        "hydra.run.dir=",
        "hydra.nothing=1",
        "@x=y",
        "data@x=csv",
    ),
    *(
        "seed=range(0,3)",
        "seed=1,2",
        "seed=glob(*)",
        "seed=choice(",
        "seed=interval(0,1)",
        "seed=int(a)",
        "x:=1",
        "é=1",
        "'",
    ),
    *(
        "data.users=nan",
        "data.users=-1",
        "data.users=1e1",
        "split.train=2",
        "split=3",
        "tracking=x",
        "tracking.log=maybe",
    ),
    *(
        "data._target_=os.system",
        "data._target_=",
        "model.logistic.C=inf",
        "data.noise=nan",
        "clusters=[a,b]",
        "data.seed=-3",
    ),
)
KEEP = ("data.users=",)
"""Words that bound how long a job takes stay as they are."""


def chosen(rng: random.Random, of: Sequence[Any]) -> Any:
    return of[rng.randrange(len(of))]


def wrong_bytes(rng: random.Random, content: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    """Content with one to four faults: bits flipped, cut off, doubled, spliced with others, words put in."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, to = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        kind = rng.randrange(7)
        if kind == 0 and content:
            flipped = bytearray(content)
            for _ in range(rng.choice((1, 8))):
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            content = bytes(flipped)
        elif kind == 1:
            content = content[:at]
        elif kind == 2:
            content = content[:to] + content[at:]
        elif kind == 3:
            other = chosen(rng, others)
            content = content[:at] + other[rng.randrange(len(other) + 1) :]
        elif kind == 4:
            content = content[:at] + content[at + rng.choice((1, 3, 40)) :]
        else:
            content = content[:at] + chosen(rng, words).encode("utf-8", "surrogatepass") + content[at:]
    return content


def wrong_table(rng: random.Random, table: pl.DataFrame) -> pl.DataFrame:
    """A table with faults in its columns: odd types and values, names, rows; of Parquet's types, any."""
    for _ in range(rng.choice((1, 2, 4))):
        if not table.width:
            break
        name = chosen(rng, table.columns)
        column = table[name]
        kind = rng.randrange(9)
        if kind == 0:
            table = table.with_columns(_retyped(rng, column).alias(name))
        elif kind in (1, 2):
            text = [None if value is None else str(value) for value in column.to_list()]
            for _ in range(rng.choice((1, 5, len(text))) if text else 0):
                text[rng.randrange(len(text))] = chosen(rng, (*NUMBERS, *TIMES, *ODD, None))
            table = table.with_columns(pl.Series(name, text, pl.String))
        elif kind == 3:
            new = chosen(rng, (*ODD, *NUMBERS, chosen(rng, table.columns)))
            table = table if new in table.columns else table.rename({name: new})
        elif kind == 4:
            table = table.drop(name)
        elif kind == 5:
            table = table.with_columns(column.alias(f"{name}{chosen(rng, ODD)}"))
        elif kind == 6:
            table = pl.concat([table, table.sample(min(len(table), 5), seed=rng.randrange(99))])
        elif kind == 7:
            table = table.head(rng.choice((0, 1, 2, 3)))
        else:
            table = table.with_columns(pl.lit(chosen(rng, (None, 0, "", "x"))).alias(name))
    return table


def _retyped(rng: random.Random, column: pl.Series) -> pl.Series:
    kinds: list[Callable[[], pl.Series]] = [
        lambda: column.cast(pl.String).cast(pl.Categorical),
        lambda: column.cast(pl.String).cast(pl.Binary),
        lambda: pl.Series([[v] for v in column.to_list()]),
        lambda: pl.Series([{"a": v} for v in column.to_list()]),
        lambda: pl.Series([None] * len(column)),
        lambda: column.cast(pl.Float64, strict=False).cast(pl.Int8, strict=False),
        lambda: column.cast(pl.Float64, strict=False).cast(pl.UInt64, strict=False),
        lambda: column.cast(pl.Float64, strict=False).cast(pl.Decimal(30, 6), strict=False),
        lambda: column.cast(pl.Float64, strict=False).cast(pl.Float32),
        lambda: (
            column.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False).cast(pl.Datetime("ns", "Asia/Tokyo"))
        ),
        lambda: column.cast(pl.Float64, strict=False).cast(pl.Int32, strict=False).cast(pl.Date),
        lambda: column.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False).cast(pl.Duration),
        lambda: column.cast(pl.Float64, strict=False).abs().cast(pl.Int64, strict=False).cast(pl.Time, strict=False),
        lambda: column.cast(pl.Float64, strict=False) > 1,
    ]
    return chosen(rng, kinds)()


def as_csv(rng: random.Random, table: pl.DataFrame) -> bytes:
    """A table as a CSV, written in one of many ways."""
    flat = table.with_columns(
        pl.Series(c.name, [None if v is None else str(v) for v in c.to_list()], pl.String) for c in table
    )
    text = flat.write_csv(separator=rng.choice(",,,;\t|"), line_terminator=rng.choice(("\n", "\n", "\r\n", "\r")))
    text = rng.choice(("", "", "", "# a note\n", "sep=;\n", "\n\n", "A title\n\n")) + text
    encoding = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-16-be", "shift_jis"))
    content = text.encode(encoding, "replace")
    if rng.randrange(6) == 0:
        packed = gzip.compress(content)
        content = rng.choice((packed, packed, packed[: len(packed) // 2], packed + b"more"))
    return content


def as_parquet(rng: random.Random, table: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    table.write_parquet(file, compression=rng.choice(("zstd", "snappy", "uncompressed", "gzip")))
    return file.getvalue()


def wrong_json(rng: random.Random, value: Any) -> bytes:
    """A JSON document with values, keys and levels exchanged; or with faults in its bytes."""
    for _ in range(rng.choice((1, 2, 4))):
        value = _exchanged(rng, value)
    content = json.dumps(value).encode()
    return wrong_bytes(rng, content, [content], JSONS) if rng.randrange(3) == 0 else content


def _exchanged(rng: random.Random, value: Any) -> Any:
    odd = (None, True, 0, -1, 1.5, 1e308, 10**30, "", "x", [], {}, [None], {"a": {}}, *NUMBERS, *TIMES, *ODD)
    if isinstance(value, dict) and value and rng.randrange(5):
        key = chosen(rng, list(value))
        kind = rng.randrange(6)
        if kind == 0:
            return {k: v for k, v in value.items() if k != key}
        if kind == 1:
            return {**value, chosen(rng, ODD): value[key]}
        return {**value, key: _exchanged(rng, value[key])}
    if isinstance(value, list) and value and rng.randrange(5):
        at = rng.randrange(len(value))
        return [*value[:at], _exchanged(rng, value[at]), *value[at + rng.randrange(2) :]]
    return chosen(rng, odd)


def wrong_yaml(rng: random.Random, text: str, others: Sequence[str]) -> bytes:
    """YAML with a line exchanged, a value replaced, or faults in its bytes."""
    lines = text.splitlines()
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(lines) or 1)
        kind = rng.randrange(6)
        if not lines or kind == 0:
            lines.insert(at, chosen(rng, YAMLS))
        elif kind == 1:
            lines[at] = lines[at].partition(":")[0] + ": " + chosen(rng, (*YAMLS, *NUMBERS, *TIMES, *ODD))
        elif kind == 2:
            lines.pop(at)
        elif kind == 3:
            lines[at] = " " * rng.randrange(5) + lines[at].lstrip()
        elif kind == 4:
            lines[at] = chosen(rng, YAMLS) + ": " + lines[at].partition(":")[2]
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    if rng.randrange(60) == 0:  # a bomb of aliases
        bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 9)
        )
        return bomb.encode() + content
    return wrong_bytes(rng, content, [o.encode() for o in others], YAMLS) if rng.randrange(3) == 0 else content


def wrong_words(rng: random.Random, words: Sequence[str]) -> list[str]:
    """A command line with words exchanged, doubled, left out or misspelled."""
    line = list(words)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(1, len(line) + 1)
        kind = rng.randrange(6)
        if kind < 2 or at >= len(line):
            line.insert(at, chosen(rng, WORDS))
        elif line[at].startswith(KEEP):
            continue
        elif kind == 2:
            line.pop(at)
        elif kind == 3:
            key = line[at].partition("=")[0]
            line[at] = f"{key}={chosen(rng, (*NUMBERS, *TIMES, *ODD, *YAMLS))}"
        else:
            line[at] = wrong_bytes(rng, line[at].encode(), [b"x=[1,2]", b"a.b"], (*ODD, *WORDS)).decode(
                "utf-8", "replace"
            )
    return [word.replace("\0", "") for word in line]  # the system hands on no word with a zero byte
