/*
 * Option tables: one `static const struct lt_opt[]` (ended by a NULL key) serves the YAML, --set key=value, --help and
 * the reference page. Values land in a plain config struct at `offset`. Units are converted on reading: unit "ms"
 * accepts "0.8", "0.8 ms", "800 us", "0.0008 s"; "bytes" accepts KiB, MiB, GiB, kB, MB, GB; "fraction" accepts "0.5%"
 * and 0.005.
 */
#ifndef LATHE_OPT_H
#define LATHE_OPT_H
#include "lathe/status.h"
#include "lathe/yaml.h"
#ifdef __cplusplus
extern "C" {
#endif
enum lt_opt_type {
    LT_OPT_INT,    /* int64_t */
    LT_OPT_DOUBLE, /* double */
    LT_OPT_BOOL,   /* bool */
    LT_OPT_STRING, /* char *, owned by the config struct */
    LT_OPT_ENUM,   /* int, index into `choices` ("a|b|c") */
    LT_OPT_SET     /* unsigned bit set over `choices`; YAML list or "a,b" */
};
struct lt_opt {
    const char *key;
    enum lt_opt_type type;
    const char *unit; /* "" when none */
    const char *dflt; /* as text, parsed by the same code; NULL = zero/NULL */
    double min, max;  /* numbers only; min == max == 0 means unbounded */
    size_t offset;
    const char *choices; /* ENUM and SET */
    const char *help;
};
lt_status lt_unit_parse(const char *text, const char *unit, double *out, struct lt_err *e);
lt_status lt_opts_default(const struct lt_opt *t, void *cfg, struct lt_err *e);
/* Defaults first, then the keys of `map` (NULL = none). `skip`: NULL-terminated keys that others read, or NULL. */
lt_status lt_opts_read(const struct lt_opt *t, const struct lt_yaml *map, const char *const *skip, void *cfg,
                       struct lt_err *e);
/* One key from text; the others stay. For programs that have no YAML; the tests too set options with it. */
lt_status lt_opts_set(const struct lt_opt *t, const char *key, const char *value, void *cfg, struct lt_err *e);
void lt_opts_help(const struct lt_opt *t, struct lt_buf *out);
void lt_opts_emit(const struct lt_opt *t, const void *cfg, struct lt_buf *out); /* "{key: value, ...}" flow map */
void lt_opts_release(const struct lt_opt *t, void *cfg);                        /* frees strings */
#ifdef __cplusplus
}
#endif
#endif
