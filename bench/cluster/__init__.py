"""A run over several machines: cut into blocks, sent where there is room, kept by kind of machine."""
