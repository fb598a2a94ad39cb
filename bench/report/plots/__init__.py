"""Pictures of stored runs, drawn by matplotlib, which is imported nowhere else."""
