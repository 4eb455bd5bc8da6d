"""Whatever dies, stops or fills up, at whatever step: the job ends as an undisturbed one does."""
