/* Base room: status codes, the error record, and the end of the world for our own mistakes. */
#include "lathe/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lt_status lt_vfail(struct lt_err *e, lt_status s, const char *fmt, va_list ap) {
    if (e) {
        char msg[sizeof e->msg]; /* not in place: e->msg itself may be among the arguments */
        vsnprintf(msg, sizeof msg, fmt, ap);
        memcpy(e->msg, msg, sizeof msg);
        e->status = s;
    }
    return s;
}

lt_status lt_fail(struct lt_err *e, lt_status s, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    lt_vfail(e, s, fmt, ap);
    va_end(ap);
    return s;
}

const char *lt_status_name(lt_status s) {
    static const char *const name[] = {"ok",       "invalid",    "i/o error",   "out of memory", "unavailable",
                                       "unstable", "infeasible", "interrupted", "failed"};
    return (unsigned)s < sizeof name / sizeof *name ? name[s] : "unknown";
}

int lt_status_exit_code(lt_status s) {
    switch (s) {
    case LT_OK:
        return 0;
    case LT_EINVAL:
        return 2;
    case LT_EUNAVAIL:
        return 3;
    case LT_INFEASIBLE:
        return 4;
    case LT_EINTR:
        return 75;
    default:
        return 1;
    }
}

void lt_bug(const char *file, int line, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "lathe: bug at %s:%d: ", file, line);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}
