"""Says where a policy acts on almost nobody."""

LEAST_ACTED = 0.01
"""Share of users acted on below which a policy is called idle."""
TO_TYPE = "policy.cuts='[…]' policy.version=…, or policy=top_fraction policy.share=0.1"
"""What makes it act on more."""


def idle(acted: int, users: int, which: str = "users") -> str:
    """A sentence where too few are acted on; empty elsewhere."""
    if acted >= LEAST_ACTED * users:
        return ""
    return f"The policy acts on {acted:,} of {users:,} {which}: it hardly meets these scores."
