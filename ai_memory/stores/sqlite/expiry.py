"""When a memory expires, whatever form its `expires_at` was written in.

The Rust program compares `expires_at` as text with the present in RFC 3339, UTC. Other programs left other forms: what
can be read as an instant is compared as one here, everything else as text, as it does. An instant is a date of the
calendar, alone or with a time, in ISO 8601's extended or basic form: `T`, `t` or a blank between, a fraction behind
point or comma, a zone of `Z`, `z`, ` UTC`, `±HH:MM`, `±HHMM`, `±HH` or none (UTC). A number is none: nothing says of
which unit it is.
"""

from __future__ import annotations

DATE = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
BASIC_DATE = "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]"
IN_UTC = f"""
    (typeof(expires_at) = 'text' AND (expires_at GLOB '{DATE}T*Z' OR expires_at GLOB '{DATE}T*+00:00')
     AND julianday(expires_at) IS NOT NULL)
"""
"""Whether it is as every program of ours and theirs writes it."""

# Step by step: the text in capitals; its date and what follows it; time and zone apart; each in SQLite's own form.
CAPITALS = "SELECT replace(replace(upper(trim(expires_at)), ',', '.'), ' UTC', 'Z') AS whole"
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
UNEXPIRED = f"""
    CASE WHEN expires_at IS NULL THEN 1
    WHEN {IN_UTC} THEN julianday(expires_at) > julianday('now')
    ELSE coalesce({JULIAN} > julianday('now'), expires_at > strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')) END
"""
"""Whether a row of `memories` has not expired: 1 or 0, never NULL."""
