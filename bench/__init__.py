"""Speed and size of a real city on this machine, each figure beside the raw limit measured in the same run."""
