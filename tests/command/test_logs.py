"""`keras-lr compare` prints the content of a file as plain text."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from keras_lr.command import app as cli

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", ["[/x]", "[red]loss[/red]", "\x1b[31mloss\x1b[0m", "loss\\"])
def test_names_of_columns_are_printed_as_plain_text(tmp_path, name):
    path = tmp_path / "[bold]log.csv"
    frame = pd.DataFrame(
        {"step": [0, 1], "epoch": [0, 0], "batch": [0, 1], "learning_rate": [0.1, 0.2], name: [1.0, 2.0]}
    )
    frame.to_csv(path, index=False)
    result = CliRunner().invoke(cli.app, ["compare", str(path), str(path)], env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    assert name.replace("\x1b", "\\x1b") in result.output
    assert "[bold]log.csv" in result.output
