"""What a memory is: its fields, rules, formats and document; no SQL, no network."""
