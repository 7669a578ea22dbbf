// The second half of plain_loop.h: the loop over the rows, and its threads.
struct row {
    struct state state;
    Random random;
    int32_t elapsed, ended;
};

struct range {
    int64_t lo, hi, envs, steps, done;
    const Action *actions; // [steps, envs]
    const void *table;
    struct row *rows;      // from here on [hi - lo, ...]
    Obs *observations;
    double *rewards;
    uint8_t *terminations, *truncations;
    int core;
};

static void step(struct range *range, int64_t index, Action action) {
    struct row *row = &range->rows[index];
    int terminated = 0, truncated = 0, resets = row->ended;
    double reward = 0.0;
    if (resets) {
        begin(&row->state, &row->random, range->table);
        row->elapsed = row->ended = 0;
    } else {
        terminated = move(&row->state, &row->random, range->table, action, &reward);
        truncated = ++row->elapsed >= LIMIT;
        row->ended = terminated || truncated;
        range->done++;
    }
    observe(&row->state, &range->observations[WIDTH * index]);
    range->rewards[index] = reward;
    range->terminations[index] = (uint8_t)terminated;
    range->truncations[index] = (uint8_t)truncated;
}

// Memory of its own: no two threads write to one cache line.
static int allocate(struct range *range) {
    size_t rows = (size_t)(range->hi - range->lo) + 128;
    range->rows = calloc(rows, sizeof *range->rows);
    range->observations = calloc(rows, WIDTH * sizeof(Obs));
    range->rewards = calloc(rows, sizeof(double));
    range->terminations = calloc(rows, 1);
    range->truncations = calloc(rows, 1);
    return range->rows && range->observations && range->rewards && range->terminations && range->truncations;
}

static void *roll(void *argument) {
    struct range range = *(struct range *)argument;
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(range.core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
#endif
    int64_t rows = range.hi - range.lo;
    int usable = allocate(&range);
    for (int64_t row = 0; usable && row < rows; row++) {
        range.rows[row].random = 88172645463325252ULL + 0x9E3779B97F4A7C15ULL * (uint64_t)(range.lo + row + 1);
        begin(&range.rows[row].state, &range.rows[row].random, range.table);
    }
    for (int64_t t = 0; usable && t < range.steps; t++) {
        const Action *actions = &range.actions[t * range.envs + range.lo];
        for (int64_t row = 0; row < rows; row++) step(&range, row, actions[row]);
    }
    free(range.rows), free(range.observations), free(range.rewards);
    free(range.terminations), free(range.truncations);
    ((struct range *)argument)->done = usable ? range.done : -1;
    return 0;
}

// Steps done (reset rows not counted) by `threads` threads, thread i pinned to cores[i]; -1 where it cannot run.
int64_t plain_loop(
        int64_t envs, int64_t steps, const Action *actions, const void *table, int64_t threads, const int *cores) {
    struct range ranges[16];
    pthread_t started[16];
    if (threads < 1 || threads > 16) return -1;
    int64_t done = 0, running = 0, failed = 0;
    for (; running < threads; running++) {
        ranges[running] = (struct range){
            .envs = envs, .steps = steps, .actions = actions, .table = table, .core = cores[running]};
        ranges[running].lo = envs * running / threads;
        ranges[running].hi = envs * (running + 1) / threads;
        if (pthread_create(&started[running], 0, roll, &ranges[running])) break;
    }
    for (int64_t i = 0; i < running; i++) {
        pthread_join(started[i], 0);
        failed += ranges[i].done < 0;
        done += ranges[i].done;
    }
    return running == threads && !failed ? done : -1;
}
