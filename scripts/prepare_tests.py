"""Gives the tests what they can use and may install here: Debian's Chromium for the browser tests. Says what is skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Install Chromium where that is allowed; otherwise name what will be skipped and why."""
    if shutil.which("chromium"):
        return 0
    if hasattr(os, "geteuid") and os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get"):
        print("Installing Debian's chromium for the browser tests …", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
            if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
                break
        if shutil.which("chromium"):
            return 0
    print("SKIPPED: the browser tests, because there is no `chromium` here. On Debian: apt-get install chromium")
    return 0


if __name__ == "__main__":
    sys.exit(main())
