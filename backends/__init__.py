"""The array libraries, one file each; every file here is found by the registry."""
