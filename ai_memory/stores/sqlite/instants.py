"""Reads a time that stands in a column, whatever form it was written in.

An instant is a date of the calendar, alone or with a time, in ISO 8601's extended or basic form: `T`, `t` or a blank
between, a fraction behind point or comma, a zone of `Z`, `z`, ` UTC`, `±HH:MM`, `±HHMM`, `±HH` or none (UTC). A number
is none: nothing says of which unit it is.
"""

from __future__ import annotations

DATE = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
BASIC_DATE = "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]"

# Step by step: the text in capitals; its date and what follows it; time and zone apart; each in SQLite's own form.
CAPITALS = "SELECT replace(replace(upper(trim({column})), ',', '.'), ' UTC', 'Z') AS whole"
DATED = f"""
    SELECT CASE WHEN whole GLOB '{BASIC_DATE}*'
           THEN substr(whole, 1, 4) || '-' || substr(whole, 5, 2) || '-' || substr(whole, 7, 2)
           ELSE substr(whole, 1, 10) END AS day,
           substr(whole, CASE WHEN whole GLOB '{BASIC_DATE}*' THEN 9 ELSE 11 END) AS rest
    FROM ({CAPITALS})
"""
ZONED = f"""
    SELECT day, substr(rest, 1, coalesce(nullif(instr(rest, '+') + instr(rest, '-'), 0) - 1, length(rest))) AS clock,
           substr(rest, coalesce(nullif(instr(rest, '+') + instr(rest, '-'), 0), length(rest) + 1)) AS zone
    FROM ({DATED})
"""
JULIAN = f"""
    (SELECT CASE WHEN day GLOB '{DATE}' AND (clock = '' OR clock GLOB '[T ][0-9]*') THEN julianday(
        day || CASE WHEN clock GLOB '?[0-9][0-9][0-9][0-9]*'
               THEN substr(clock, 1, 3) || ':' || substr(clock, 4, 2)
                    || CASE WHEN clock GLOB '?[0-9][0-9][0-9][0-9][0-9][0-9]*' THEN ':' ELSE '' END || substr(clock, 6)
               ELSE clock END
            || CASE WHEN zone GLOB '?[0-9][0-9]' THEN zone || ':00'
               WHEN zone GLOB '?[0-9][0-9][0-9][0-9]' THEN substr(zone, 1, 3) || ':' || substr(zone, 4)
               ELSE zone END) END
     FROM ({ZONED}))
"""


def julian(column: str) -> str:
    """Return SQL for the Julian day of the instant in a column, NULL where no instant can be read there."""
    return JULIAN.format(column=column)
