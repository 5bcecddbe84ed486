"""How good the answers are, against yardsticks nobody here wrote. Speed lives in bench/."""
