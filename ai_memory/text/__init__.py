"""How texts come in and how they are shown: strict JSON, times, amounts, addresses; cleaned and masked."""
