"""The native kernel of Gymnasium's Blackjack (Sutton and Barto, 2018, example 5.1)."""

from typing import final

from reactvec.envs.kernel_bank import KernelBank

@final
class BlackjackTables(KernelBank):
    """A bank of games.

    Action int64[n], obs three int64 per row: the sum of the hand, the card of the dealer, a usable ace.
    """
