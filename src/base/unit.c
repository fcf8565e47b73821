/* Base room: numbers with units. Each family has a base; a value is converted from the unit written to the unit asked
 * for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/opt.h"

struct unit {
    const char *family, *name;
    double in_base;
};
static const struct unit units[] = {
    {"time", "ns", 1e-9},       {"time", "us", 1e-6},
    {"time", "ms", 1e-3},       {"time", "s", 1},
    {"time", "min", 60},        {"time", "h", 3600},
    {"bytes", "bytes", 1},      {"bytes", "B", 1},
    {"bytes", "kB", 1e3},       {"bytes", "MB", 1e6},
    {"bytes", "GB", 1e9},       {"bytes", "KiB", 1024},
    {"bytes", "MiB", 1048576},  {"bytes", "GiB", 1073741824.0},
    {"share", "fraction", 1},   {"share", "%", 0.01},
    {"rate", "flop/s", 1},      {"rate", "Gflop/s", 1e9},
    {"rate", "Tflop/s", 1e12},  {"bandwidth", "bytes/s", 1},
    {"bandwidth", "GB/s", 1e9}, {"bandwidth", "MB/s", 1e6},
    {"energy", "J", 1},         {"energy", "mJ", 1e-3},
    {"power", "W", 1},          {"power", "mW", 1e-3},
    {"count", "MMAC", 1e6},     {"count", "MACs", 1},
};
enum { N_UNITS = sizeof units / sizeof *units };

static const struct unit *find(const char *name) {
    for (int i = 0; i < N_UNITS; i++)
        if (!strcmp(units[i].name, name)) return &units[i];
    return NULL;
}

static lt_status wrong_unit(const char *text, const struct unit *want, struct lt_err *e) {
    struct lt_buf fit = LT_BUF_INIT;
    for (int i = 0; i < N_UNITS; i++)
        if (!strcmp(units[i].family, want->family)) lt_buf_printf(&fit, "%s%s", fit.len ? ", " : "", units[i].name);
    lt_status s =
        lt_fail(e, LT_EINVAL, "'%s': the unit does not fit; allowed are %s", text, fit.data ? fit.data : want->name);
    lt_buf_release(&fit);
    return s;
}

lt_status lt_unit_parse(const char *text, const char *unit, double *out, struct lt_err *e) {
    char *end;
    if (*text == '\0' || strchr(" \t\n", *text)) return lt_fail(e, LT_EINVAL, "'%s' is not a number", text);
    double v = strtod(text, &end);
    bool hex = strpbrk(text, "xX") != NULL;
    if (end == text || hex) return lt_fail(e, LT_EINVAL, "'%s' is not a number", text);
    if (!isfinite(v)) return lt_fail(e, LT_EINVAL, "'%s' is not a finite number", text);
    while (*end == ' ') end++;
    const struct unit *want = *unit ? find(unit) : NULL;
    if (*unit && !want) LT_BUG("unit '%s' of an option table is not in the table of units", unit);
    if (*end) {
        const struct unit *got = find(end);
        if (!want) return lt_fail(e, LT_EINVAL, "'%s': a plain number is needed, '%s' follows it", text, end);
        if (!got || strcmp(got->family, want->family)) return wrong_unit(text, want, e);
        v = v * got->in_base / want->in_base;
        if (!isfinite(v)) return lt_fail(e, LT_EINVAL, "'%s' is too large", text);
    }
    *out = v;
    return LT_OK;
}
