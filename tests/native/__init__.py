"""What an expert of each library would write: the versions that `xpbench cost` holds ours against.

A file a topic, in it a function for each library that returns the versions by kernel: functions of the
kernel's arrays, and of its static sizes by name. The algorithm is the kernel's; where the library has
the operation, its call is the version. NumPy's work in place where that saves memory, torch's use
``torch.func`` and fused calls, JAX's are jitted as a whole.
"""
