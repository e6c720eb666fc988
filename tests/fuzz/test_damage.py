"""The checks of `fuzz_files.py` on some hundred damaged files."""

import random

import damage
import pytest
from support.needs import needs

SEED = "suite"


@pytest.mark.once
@needs("pyarrow")
def test_a_damaged_log_is_continued_or_refused(tmp_path):
    done = [damage.check_log(random.Random(f"{SEED}-{number}"), tmp_path) for number in range(150)]
    assert set(done) == {"continued", "refused"}


@pytest.mark.once
def test_a_damaged_backup_is_never_used(tmp_path):
    backups = damage.Backups(tmp_path)
    done = [backups.check(random.Random(f"{SEED}-{number}")) for number in range(80)]
    assert {"latest", "previous", "refused", "of another training"} <= set(done)
