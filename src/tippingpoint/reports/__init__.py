"""What people read: figures, cards, tables."""
