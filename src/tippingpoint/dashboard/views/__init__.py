"""Marketing's pages, one file a page, and `filtering` and `figures`, which several of them use."""
