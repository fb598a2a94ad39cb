"""Principal components and least squares of a matrix that does not fit into the memory allowed."""
