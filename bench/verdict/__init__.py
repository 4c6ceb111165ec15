"""How good the verdict on a canary is: ``python -m bench.verdict``.

Rule 1. Requests are made up one by one: when each arrives, what chance decides on where it goes, how either version would answer it. Every
        rule that is compared sees the same requests, and the same chance.
Rule 2. shifter's rule is the one that is shipped: `release.judge` looks at the seconds that `observe.comparison` would have counted, and
        whole releases are led by the state machine.
Rule 3. The rules of others are written from what their documentation and sources say they do, and are favoured where that leaves a choice:
        their metrics arrive at once and are exact.
Rule 4. A run is made of its seed, its scenario, its rate and its weight, and of nothing else. The seeds here are not those on which
        anything was tuned.

A *cell* is a scenario at a rate and at a weight that stays the same for half an hour. The *whole release* goes through 1, 5, 10, 25 and
50 per cent, each rule by its own lights. ``--keep FILE`` remembers what was found, and goes on from there another time.
"""
