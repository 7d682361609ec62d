"""Several devices, several machines. Here are the strategies' names, which a command line is read with."""

NONE, MIRRORED, MULTI_WORKER = STRATEGIES = ("none", "mirrored", "multi_worker")
