# SPDX-License-Identifier: BSD-3-Clause
"""The files that the checks look at."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def files(root=ROOT):
    """Paths below `root`, sorted: those in git and new ones, or every file where git knows nothing."""
    listing = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=root,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if listing.returncode == 0 and os.path.exists(os.path.join(root, '.git')):
        paths = os.fsdecode(listing.stdout).split('\0')
    else:
        paths = [os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names]
    # A file that is deleted and not yet committed is still listed.
    return sorted({path for path in paths if os.path.isfile(os.path.join(root, path))})


def is_cpp(path):
    return path.endswith(('.cc', '.h'))


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='replace') as file:
        return file.read()
