// Blackjack-v1.
#include "plain_loop.h"

typedef int64_t Action;
typedef int64_t Obs;
enum { WIDTH = 3, LIMIT = INT32_MAX };

struct hand {
    int64_t sum, ace;
};

struct state {
    struct hand player, dealer;
    int64_t shown, suit, face;
};

static int64_t take(struct hand *hand, Random *random) {
    int64_t drawn = below(random, 13), card = drawn < 9 ? drawn + 1 : 10;
    hand->sum += card;
    hand->ace |= card == 1;
    return card;
}

static int64_t value(const struct hand *hand) { return hand->ace && hand->sum <= 11 ? hand->sum + 10 : hand->sum; }

static int64_t score(const struct hand *hand) { return value(hand) > 21 ? 0 : value(hand); }

static void begin(struct state *state, Random *random, const void *table) {
    (void)table;
    state->player = state->dealer = (struct hand){0, 0};
    state->shown = take(&state->dealer, random);
    take(&state->dealer, random);
    take(&state->player, random);
    take(&state->player, random);
    state->suit = below(random, 4);
    state->face = state->shown == 10 ? below(random, 3) : -1;
}

static int move(struct state *state, Random *random, const void *table, Action action, double *reward) {
    (void)table;
    if (action) {
        take(&state->player, random);
        int bust = value(&state->player) > 21;
        *reward = bust ? -1.0 : 0.0;
        return bust;
    }
    while (value(&state->dealer) < 17) take(&state->dealer, random);
    int64_t mine = score(&state->player), theirs = score(&state->dealer);
    *reward = (double)(mine > theirs) - (double)(mine < theirs);
    return 1;
}

static void observe(const struct state *state, Obs *obs) {
    obs[0] = value(&state->player), obs[1] = state->shown, obs[2] = state->player.ace && state->player.sum <= 11;
}

#include "plain_loop_run.h"
