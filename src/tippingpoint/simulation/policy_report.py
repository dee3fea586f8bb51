"""What the terminal shows of policies: what is to be answered, and what changes."""

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.policies.clusters import Clusters
from tippingpoint.policies.lint import Difference, Lint
from tippingpoint.policies.policy import Policy
from tippingpoint.reports.console import plain_table


def lint_summary(policy: Policy, found: Lint, clusters: Clusters | None = None) -> RenderableType:
    """What is to be answered about a policy."""
    remarks = plain_table(f"{policy.name} version {policy.version} ({policy.digest})", ["remark", "users", "what"])
    remarks.columns[2].justify, remarks.columns[2].no_wrap = "left", False
    for remark in found.remarks:
        remarks.add_row(remark.kind, f"{remark.users:,}" if remark.users else "–", remark.what)
    nothing = [] if found.remarks else [Text("Nothing to answer.")]
    if not len(found.segments):
        return Group(remarks, *nothing)
    sizes = plain_table("Segments", ["segment", "action", "users", "share"])
    for row in found.segments.to_dict("records"):
        sizes.add_row(row["segment"], row["action"], f"{row['users']:,}", f"{row['share']:.1%}")
    return Group(remarks, *nothing, sizes, *([] if clusters is None else _clusters(clusters)))


def _clusters(clusters: Clusters) -> list[RenderableType]:
    k, columns = len(clusters.table), list(clusters.columns)
    segments = [str(c) for c in clusters.table.columns]
    heads = [head.replace("_", "_\n") for head in ("cluster", *(f"mean_{c}" for c in columns), *segments)]
    table = plain_table(f"K-means on {' and '.join(columns)}: users", heads)
    rows = zip(clusters.table.index, clusters.centres.to_numpy(), clusters.table.to_numpy(), strict=True)
    for label, centre, counts in rows:
        table.add_row(str(label), *(f"{mean:.1f}" for mean in centre), *(f"{n:,}" for n in counts))
    best = clusters.silhouettes[k]
    words = (
        f"k = {k} by the largest silhouette ({best:.2f}); agreement with the segments {clusters.agreement:.2f}"
        " (adjusted Rand index: 1 the same groups, 0 as by chance)."
    )
    return [table, Text(words)]


def diff_summary(first: str, second: str, found: Difference) -> RenderableType:
    """What changes from one policy to another."""
    changed = [Text(line) for line in found.written] or [Text("They are written alike.")]
    table = plain_table(f"From {first} to {second}", ["from", "to", "users", "share", "action"])
    for row in found.movement.to_dict("records"):
        same = row["from_action"] == row["to_action"]
        action = row["to_action"] if same else f"{row['from_action']} → {row['to_action']}"
        table.add_row(row["from"], row["to"], f"{row['users']:,}", f"{row['share']:.1%}", action)
    total = int(found.movement["users"].sum())
    return Group(*changed, table, Text(f"{found.users:,} of {total:,} users get another action."))
