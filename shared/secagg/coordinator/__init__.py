"""The coordinator's side: one class per stage, no I/O, no secrets of its own.

::

    CollectingAdverts -> CollectingShares -> CollectingUploads -> CollectingSignatures
                                                    -> CollectingReveals -> Aggregate

`receive` takes one partner's message. It raises a `Refusal` that names the culprit and leaves the
stage as it was, so the round goes on without that partner. `close` ends the stage and returns the
next one and what to send to whom, or a `Refusal` if too few are left. A stage holds nothing but
received messages, so a restarted coordinator replays them from its journal.
"""
