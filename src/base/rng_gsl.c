/* Base room: the gsl_rng_type over lt_rng. */
#include "lathe/rng_gsl.h"

static void set(void *state, unsigned long seed) { lt_rng_at(state, seed, LT_RNG_TEST, 0, 0); }
static unsigned long get(void *state) { return lt_rng_u32(state); }
static double get_double(void *state) { return lt_rng_u01(state); }
static const gsl_rng_type type = {"philox4x32-10", 0xffffffffUL, 0, sizeof(struct lt_rng), set, get, get_double};
const gsl_rng_type *const lt_rng_gsl_type = &type;

void lt_rng_gsl_at(gsl_rng *g, uint64_t seed, enum lt_rng_purpose purpose, uint64_t round, uint64_t item) {
    lt_rng_at(g->state, seed, purpose, round, item);
}
