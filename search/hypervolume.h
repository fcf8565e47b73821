/*
 * Room: search. The volume that a set of points dominates, exactly, and what one more point would add. Rows of m values
 * to be minimised; what does not lie strictly below the reference point in every coordinate adds nothing.
 *
 *   struct lt_hv hv;
 *   lt_hv_init(&hv, m, ref, e);           work space; ref has m values
 *   lt_hv_set(&hv, rows, n, e);           keeps the non-dominated ones among rows
 *   lt_hv_volume(&hv, &v, e);
 *   lt_hv_gain(&hv, row, &g, e);          the volume that row would add; m = 2: O(front), no allocation
 *   lt_hv_release(&hv);
 *
 * One and two objectives: a sweep. Three: a sweep over the third with the front of the first two kept sorted. More: the
 * walking fish group's algorithm (While, Bradstreet, Barone, "A fast way of calculating exact hypervolumes", IEEE TEC
 * 16(1), 2012).
 */
#ifndef SEARCH_HYPERVOLUME_H
#define SEARCH_HYPERVOLUME_H
#include "lathe/searcher.h"

struct lt_hv {
    int m, n, cap;
    double ref[LT_MAX_SCORES];
    double *row; /* [n][m]: the front, sorted by the first value */
};
lt_status lt_hv_init(struct lt_hv *hv, int m, const double *ref, struct lt_err *e);
void lt_hv_release(struct lt_hv *hv);
void lt_hv_clear(struct lt_hv *hv);
lt_status lt_hv_set(struct lt_hv *hv, const double *rows, int n, struct lt_err *e);
/* Inserts one row, dropping what it dominates. */
lt_status lt_hv_add(struct lt_hv *hv, const double *row, struct lt_err *e);
lt_status lt_hv_volume(const struct lt_hv *hv, double *out, struct lt_err *e);
lt_status lt_hv_gain(const struct lt_hv *hv, const double *row, double *out, struct lt_err *e);
#endif
