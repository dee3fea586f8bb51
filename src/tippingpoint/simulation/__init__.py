"""What a policy would add, how sure, and which of two is better. Arrays in, arrays out."""
