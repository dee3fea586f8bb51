"""What studies are kept in may be torn, away, or never have been there: it goes on, or is said."""

from pathlib import Path

import optuna
import pytest

from tests.tuning.forests import FAMILY, complete, go_on, opened
from tippingpoint.core.errors import OutsideError
from tippingpoint.tuning import storages, studies


def test_a_storage_that_does_not_answer_is_said() -> None:
    with pytest.raises(OutsideError, match=r"tune\.storage"):
        storages.open_storage("postgresql://nobody:secret@127.0.0.1:1/none")
    with pytest.raises(OutsideError) as caught:
        storages.open_storage("postgresql://nobody:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


def test_a_trial_of_a_study_in_a_database_is_asked_for_without_a_warning(
    postgres: str, recwarn: pytest.WarningsRecorder
) -> None:
    study = optuna.create_study(storage=storages.open_storage(postgres))
    assert studies.claim(study, 1, ("here", "lease"), FAMILY) is not None
    assert not [str(one.message) for one in recwarn if "Heartbeat" in str(one.message)]


@pytest.mark.parametrize("tail", [b'{"op_code":4,"worker_id":"x', b"\0\0\0\0", b'{"op_code":\n'])
def test_a_journal_whose_last_line_is_torn_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture, tail: bytes) -> None:
    go_on(opened(tmp_path), 3)
    journal = tmp_path / "study.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + tail)
    study = opened(tmp_path)
    assert "its last line was torn; it is set aside in study.torn" in capsys.readouterr().err
    assert journal.read_bytes().startswith(whole)
    assert (tmp_path / "study.torn").read_bytes() == tail + b"\n"
    go_on(study, 5)
    assert len(complete(opened(tmp_path))) == 5
    assert not capsys.readouterr().err


def test_a_storage_that_goes_away_is_said_too() -> None:
    with (
        pytest.raises(OutsideError, match=r"tune\.storage here: cannot be used \(gone\)"),
        storages.storage_errors("here"),
    ):
        raise optuna.exceptions.StorageInternalError("gone")


def test_a_journal_waits_for_the_disk_when_a_trial_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(storages.os, "fsync", waited.append)
    go_on(opened(tmp_path), 3)
    assert len(waited) == 3
