# SPDX-License-Identifier: BSD-3-Clause
"""Medians, spreads, and what they say of an aim."""
import statistics
from collections import namedtuple

Spread = namedtuple('Spread', 'median least greatest')
# `reached`: whether the median reaches it; `by`: how far the median is on its right (or wrong) side, never negative;
# `certain`: no pair says otherwise.
Verdict = namedtuple('Verdict', 'reached by certain')


def spread_of(values):
    """At least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def shows_no_difference(spread):
    """Whether equal speed lies within the spread of the ratios."""
    return spread.least <= 1 <= spread.greatest


def judge(spread, aim, at_most=False):
    """`at_most`: the ratio must not exceed the aim; otherwise it must not fall below it."""
    def reaches(value):
        return value <= aim if at_most else value >= aim
    return Verdict(reaches(spread.median), abs(spread.median - aim), reaches(spread.least) == reaches(spread.greatest))
