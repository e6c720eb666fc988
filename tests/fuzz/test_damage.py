"""The checks of `fuzz_files.py` on some hundred damaged files."""

import random

import damage
import pytest
from support.needs import needs

SEED = "suite"


@pytest.mark.once
@needs("pyarrow")
def test_damaged_logs(tmp_path):
    done = [damage.check_log(random.Random(f"{SEED}-{number}"), tmp_path) for number in range(150)]
    assert set(done) == {"went on", "refused"}


@pytest.mark.once
def test_damaged_backups(tmp_path):
    backups = damage.Backups(tmp_path)
    done = [backups.check(random.Random(f"{SEED}-{number}")) for number in range(80)]
    assert {"whole", "the one before", "refused", "another's"} <= set(done)
