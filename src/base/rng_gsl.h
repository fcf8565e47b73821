/* Philox as a gsl_rng_type, so that every gsl_ran_* works on a keyed stream. gsl_rng_set takes LT_RNG_TEST of that
 * seed; key it with lt_rng_gsl_at. */
#ifndef LT_BASE_RNG_GSL_H
#define LT_BASE_RNG_GSL_H
#include <gsl/gsl_rng.h>

#include "lathe/rng.h"
extern const gsl_rng_type *const lt_rng_gsl_type;
void lt_rng_gsl_at(gsl_rng *g, uint64_t seed, enum lt_rng_purpose purpose, uint64_t round, uint64_t item);
#endif
