"""The instrument: plans a run, measures it in fresh processes, judges it and shows it."""
