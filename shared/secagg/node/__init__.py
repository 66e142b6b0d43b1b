"""A node's side of the protocol: one class per stage, each with one transition, no I/O.

::

    Advertising -> Sharing -> Receiving -> Masking -> Surviving -> Unmasking -> Verifying
        |            |           |            |           |            |            |
      advert      envelopes      -         upload     signature      shares     checked sum

Bytes go in, the next stage and bytes come out, or a `Refusal` is raised and nothing leaves. A stage
can be used once. Durable locks stand outside, in `Participant`.
"""
