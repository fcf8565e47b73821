/*
 * Philox (lathe/rng.h) as a gsl_rng_type, so that every gsl_ran_* draws from a keyed stream. A
 * header of its own: who does not use it needs no GSL headers.
 *
 *   gsl_rng *g = gsl_rng_alloc(lt_rng_gsl_type);
 *   lt_rng_gsl_at(g, seed, LT_RNG_SEARCH, round, item);      the same numbers as lt_rng_at of these
 *   double x = gsl_ran_beta(g, 2, 5);
 *   gsl_rng_free(g);
 *
 * gsl_rng_set(g, s) alone gives the stream (s, LT_RNG_TEST, 0, 0). A gsl_rng is used by one thread at a time.
 */
#ifndef LATHE_RNG_GSL_H
#define LATHE_RNG_GSL_H
#include <gsl/gsl_rng.h>
#include "lathe/rng.h"
#ifdef __cplusplus
extern "C" {
#endif
extern const gsl_rng_type *const lt_rng_gsl_type;
/* g must be of lt_rng_gsl_type. */
void lt_rng_gsl_at(gsl_rng *g, uint64_t seed, enum lt_rng_purpose purpose, uint64_t round, uint64_t item);
#ifdef __cplusplus
}
#endif
#endif
