"""What a version must show before it is promoted: checks as pure functions, and what they come to together."""

from tippingpoint.gates.judgement import Check, Judgement, Word

__all__ = ["Check", "Judgement", "Word"]
