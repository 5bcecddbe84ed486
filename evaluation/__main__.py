"""`make evaluate`: every evaluation in turn, one JSON object a line. Needs recorded data (DOTHI_DATA, or beside us)."""

import sys

from dothi.app import with_found_data
from dothi.settings import Settings
from evaluation import air_forecast, air_interpolation


def main() -> int:
    """Run them all; without recorded data there is nothing to measure against, and that is said."""
    data = with_found_data(Settings()).data
    if data is None:
        print("No recorded data: set DOTHI_DATA to a folder of them.", file=sys.stderr)
        return 2
    air_interpolation.main(data)
    air_forecast.main(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
