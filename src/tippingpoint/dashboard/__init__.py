"""Marketing's pages: thin, over the same functions as the jobs; nothing here computes a figure of its own."""
