"""How good the answers are, against yardsticks nobody here wrote. Speed lives in bench/."""

import os

# One thread, as the city's runs have it: the same sums on every machine. It must be said before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
