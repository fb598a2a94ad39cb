"""The mathematics, one file a topic; every ``Kernel(...)`` made here is found by the registry."""
