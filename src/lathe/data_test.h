/* The test part. Included by src/run/final.c (and tests) alone: a test enforces it. Read once, for the final table. */
#ifndef LATHE_DATA_TEST_H
#define LATHE_DATA_TEST_H
#include "lathe/data.h"
#ifdef __cplusplus
extern "C" {
#endif
/* Loads the test files and normalises with the train part's statistics of `train`. Free with lt_data_free; the part is
 * lt_data_test_part(). */
lt_status lt_data_load_test(const struct lt_data_cfg *cfg, uint64_t seed, const struct lt_data_set *train,
                            struct lt_data_set **out, struct lt_err *e);
const struct lt_data *lt_data_test_part(const struct lt_data_set *d);
#ifdef __cplusplus
}
#endif
#endif
