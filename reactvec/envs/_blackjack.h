// One step of a range of games of blackjack, in the order of operations of gymnasium.envs.toy_text.BlackjackEnv.step.
#ifndef REACTVEC_BLACKJACK_H
#define REACTVEC_BLACKJACK_H

#include "kernel_bank.h"

// A hand that is not bust has 21 aces at most, or what somebody gave it; one more card is drawn to it.
enum { LONGEST_HAND = 22, HAND = 24 };

typedef struct {
    uint8_t card[HAND];
    int64_t count, sum, ace;  // the sum with aces as 1, and whether there is one
} Hand;

typedef struct {
    Hand player, dealer;
    int64_t natural, sab;     // the rules
    int64_t redrawn;          // the two below were, since the row was loaded
    int64_t suit, face;       // of the dealer's card: a place among C D H S, and among J Q K where it counts 10
} Game;

typedef struct {
    Rows rows;
    Game *game;
} BlackjackBank;

typedef struct {
    int64_t player_sum, dealer_card, usable_ace;
} BlackjackObs;

static inline int64_t usable_ace(const Hand *hand) {
    return hand->ace & (hand->sum <= 11);
}

static inline int64_t hand_value(const Hand *hand) {
    return hand->sum + 10 * usable_ace(hand);
}

// 0 for a hand that is bust.
static inline int64_t hand_score(const Hand *hand) {
    const int64_t value = hand_value(hand);
    return value > 21 ? 0 : value;
}

static inline int hand_is_natural(const Hand *hand) {
    return hand->count == 2 && hand->card[0] + hand->card[1] == 11 && (hand->card[0] == 1 || hand->card[1] == 1);
}

static inline void hand_add(Hand *hand, int64_t card) {
    hand->card[hand->count++] = (uint8_t)card;
    hand->sum += card;
    hand->ace |= card == 1;
}

static inline void hand_clear(Hand *hand) {
    hand->count = hand->sum = hand->ace = 0;
}

// One of thirteen cards; jack, queen and king count ten.
static inline void hand_draw(const Rows *rows, int64_t i, Hand *hand) {
    const int64_t drawn = draw_below(rows, i, 13);
    hand_add(hand, drawn < 9 ? drawn + 1 : 10);
}

static inline void blackjack_observe(const Game *game, const Ports *ports, int64_t i) {
    BlackjackObs *obs = (BlackjackObs *)ports->obs + i;
    obs->player_sum = hand_value(&game->player);
    obs->usable_ace = usable_ace(&game->player);
    obs->dealer_card = game->dealer.card[0];
}

static void blackjack_reset(void *self, const Ports *ports, int64_t i) {
    BlackjackBank *bank = self;
    Game *game = bank->game + i;
    hand_clear(&game->player);
    hand_clear(&game->dealer);
    hand_draw(&bank->rows, i, &game->dealer);
    hand_draw(&bank->rows, i, &game->dealer);
    hand_draw(&bank->rows, i, &game->player);
    hand_draw(&bank->rows, i, &game->player);
    game->redrawn = 1;
    game->suit = draw_below(&bank->rows, i, 4);
    game->face = game->dealer.card[0] == 10 ? draw_below(&bank->rows, i, 3) : -1;
    blackjack_observe(game, ports, i);
}

static inline double blackjack_stick(const Rows *rows, int64_t i, Game *game) {
    while (hand_value(&game->dealer) < 17) hand_draw(rows, i, &game->dealer);
    const int64_t mine = hand_score(&game->player), theirs = hand_score(&game->dealer);
    const double reward = (double)(mine > theirs) - (double)(mine < theirs);
    const int natural = hand_is_natural(&game->player);
    if (game->sab) return natural && !hand_is_natural(&game->dealer) ? 1.0 : reward;
    return game->natural && natural && reward == 1.0 ? 1.5 : reward;
}

static void blackjack_block(void *self, const Ports *ports, int64_t first, int64_t n) {
    BlackjackBank *bank = self;
    for (int64_t i = first; i < first + n; i++) {
        if (bank->rows.phase[i] != LIVE) continue;
        Game *game = bank->game + i;
        if (((const int64_t *)ports->action)[i]) {
            hand_draw(&bank->rows, i, &game->player);
            ports->terminated[i] = hand_value(&game->player) > 21;
            ports->reward[i] = ports->terminated[i] ? -1.0 : 0.0;
        } else {
            ports->terminated[i] = 1;
            ports->reward[i] = blackjack_stick(&bank->rows, i, game);
        }
        blackjack_observe(game, ports, i);
    }
}

static int blackjack_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag) {
    static const Law law = {0, 1, blackjack_block, blackjack_reset};
    (void)tag;
    return rows_step(&law, self, ports, lo, hi);
}

#endif
