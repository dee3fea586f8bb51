"""Something long on a thread of its own."""

import threading

import pytest

from tippingpoint.dashboard.working import EndedError, Work


def test_who_waits_anew_finds_the_same_work():
    started, go = [], threading.Event()

    def make(told):
        started.append(1)
        told(7)
        go.wait(10)
        return "done"

    work = Work(make)

    class Clicked(Exception):
        """As Streamlit stops a page that somebody left."""

    def leave(rows):
        if rows == 7:
            raise Clicked

    with pytest.raises(Clicked):
        work.wait(leave)
    go.set()
    assert work.wait(lambda rows: None) == "done"
    assert started == [1]


def test_work_that_nobody_waits_for_stops_at_its_next_report():
    go, reports = threading.Event(), []

    def make(told):
        go.wait(10)
        told(1)
        reports.append("went on")

    work = Work(make)
    work.end()
    go.set()
    with pytest.raises(EndedError):
        work.wait(lambda rows: None)
    assert reports == []


def test_what_went_wrong_is_said_to_who_waits():
    def make(told):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Work(make).wait(lambda rows: None)
