"""Marketing's pages, one file a page, and `filtering`, which several of them use."""
