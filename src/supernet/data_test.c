/*
 * The test part, apart from data.c so that a grep can show who reads it.
 */
#include "lathe/data_test.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "supernet/data_priv.h"
#include <string.h>

lt_status lt_data_load_test(const struct lt_data_cfg *cfg, uint64_t seed, const struct lt_data_set *train,
                            struct lt_data_set **out, struct lt_err *e) {
    lt_status s;
    struct lt_data_set *d = lt_calloc(1, sizeof(*d));
    if (!d) return lt_fail(e, LT_ENOMEM, "test set");
    if ((s = data_read(cfg, seed, true, &d->raw, e))) goto out;
    const struct data_raw *a = &train->raw, *b = &d->raw;
    if (a->channels != b->channels || a->height != b->height || a->width != b->width || a->classes != b->classes) {
        s = lt_fail(e, LT_EINVAL, "data: test images are %dx%dx%d, training images %dx%dx%d", b->channels, b->height,
                    b->width, a->channels, a->height, a->width);
        goto out;
    }
    if (!(d->perm = lt_malloc((size_t)b->n * sizeof(*d->perm)))) {
        s = lt_fail(e, LT_ENOMEM, "test set: order of %lld images", (long long)b->n);
        goto out;
    }
    for (int32_t i = 0; i < b->n; i++) d->perm[i] = i;
    d->test = data_view(&d->raw, d->perm, (int)b->n);
    memcpy(d->test.mean, train->train.mean, sizeof(d->test.mean));
    memcpy(d->test.sd, train->train.sd, sizeof(d->test.sd));
    d->hash = data_part_hash(&d->test);
    *out = d;
    d = NULL;
out:
    lt_data_free(d);
    return s;
}

const struct lt_data *lt_data_test_part(const struct lt_data_set *d) { return &d->test; }
