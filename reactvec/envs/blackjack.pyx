# The native kernel of gymnasium's Blackjack: bit for bit what the Python environments give for the same seeds.
cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t

from reactvec.envs.kernel_bank cimport KernelBank, Rows

from functools import partial

import numpy as np
from gymnasium import spaces
from gymnasium.envs.toy_text.blackjack import BlackjackEnv

cnp.import_array()

cdef extern from "_blackjack.h" nogil:
    const int LONGEST_HAND
    ctypedef struct Hand:
        uint8_t *card
        int64_t count
    ctypedef struct Game:
        Hand player
        Hand dealer
        int64_t natural
        int64_t sab
        int64_t redrawn
        int64_t suit
        int64_t face
    ctypedef struct BlackjackBank:
        Rows rows
        Game *game
    void hand_add(Hand *hand, int64_t card)
    void hand_clear(Hand *hand)
    int blackjack_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)

# NumPy's strings, as Generator.choice gives them.
cdef object SUITS = np.array(["C", "D", "H", "S"])
cdef object FACES = np.array(["J", "Q", "K"])


cdef class BlackjackTables(KernelBank):
    environment = BlackjackEnv

    cdef BlackjackBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind(&self.bank.rows, blackjack_step, &self.bank)
        games = np.zeros((self.num_envs, sizeof(Game)), np.uint8)
        self.memory.append(games)
        self.bank.game = <Game *>cnp.PyArray_DATA(<cnp.ndarray>games)

    cdef int read_state(self, int64_t i, core) except -1:
        cdef Game *game = &self.bank.game[i]
        hands = getattr(core, "player", None), getattr(core, "dealer", None)
        if not all(map(is_hand, hands)):
            raise ValueError("a game needs hands of a few cards from 1 to 10; call reset() first")
        take(&game.player, hands[0])
        take(&game.dealer, hands[1])
        game.redrawn = False
        return 0

    cdef int write_state(self, int64_t i, core) except -1:
        cdef Game *game = &self.bank.game[i]
        core.player, core.dealer = cards(&game.player), cards(&game.dealer)
        if game.redrawn:
            card = core.dealer[0]
            core.dealer_top_card_suit = SUITS[game.suit]
            core.dealer_top_card_value_str = FACES[game.face] if card == 10 else "A" if card == 1 else str(card)
        return 0

    cdef int read_parameters(self, int64_t i, core) except -1:
        self.bank.game[i].natural, self.bank.game[i].sab = bool(core.natural), bool(core.sab)
        return 0

    def refusal(self, action):
        return AssertionError()

    def observation(self, row):
        return row.tolist()

    @classmethod
    def spaces(cls, core):
        return spaces.Discrete(2), spaces.Tuple((spaces.Discrete(32), spaces.Discrete(11), spaces.Discrete(2)))

    @classmethod
    def trials(cls):
        actions = [t % 3 % 2 for t in range(200)]
        rules = {}, {"natural": True}, {"sab": True}
        return [(partial(BlackjackEnv, **chosen), actions) for chosen in rules]


cdef bint is_hand(hand) except -1:
    if type(hand) is not list or not 0 < len(hand) <= LONGEST_HAND:
        return False
    return all(type(card) is int and 1 <= card <= 10 for card in hand)


cdef int take(Hand *hand, list cards) except -1:
    hand_clear(hand)
    for card in cards:
        hand_add(hand, card)
    return 0


cdef list cards(const Hand *hand):
    return [hand.card[k] for k in range(hand.count)]
