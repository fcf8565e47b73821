/*
 * Status codes and the error record. Every fallible function returns lt_status and takes `struct lt_err *e`
 * (may be NULL) last. Whoever decides what went wrong fills `e` once with what, where, the value seen and what
 * would be right; callers only pass it on. Outputs are untouched on failure. Thread safe; not collective.
 */
#ifndef LATHE_STATUS_H
#define LATHE_STATUS_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#define LT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define LT_PRINTF(fmt, args)
#endif

typedef enum lt_status {
    LT_OK = 0,
    LT_EINVAL,     /* invalid input of the user: exit code 2 */
    LT_EIO,        /* reading or writing failed, or a file is torn or foreign: exit code 1 */
    LT_ENOMEM,     /* exit code 1 */
    LT_EUNAVAIL,   /* not in this build or not on this machine: exit code 3 */
    LT_EUNSTABLE,  /* a measurement did not settle (a result, not a failure of the run) */
    LT_INFEASIBLE, /* no architecture meets the constraints: exit code 4 */
    LT_EINTR,      /* interrupted, resume possible: exit code 75 */
    LT_EFAIL       /* anything else: exit code 1 */
} lt_status;

struct lt_err {
    lt_status status;
    char msg[1024];
};

/* Fills *e (when not NULL) and returns s, so that `return lt_fail(e, LT_EIO, "%s: %s", path, why);` works. */
lt_status lt_fail(struct lt_err *e, lt_status s, const char *fmt, ...) LT_PRINTF(3, 4);
lt_status lt_vfail(struct lt_err *e, lt_status s, const char *fmt, va_list ap) LT_PRINTF(3, 0);
const char *lt_status_name(lt_status s); /* "ok", "invalid", ... */
int lt_status_exit_code(lt_status s);    /* as documented above; LT_EUNSTABLE -> 1 */

/* A mistake of ours: prints to stderr and aborts, in release builds too. */
void lt_bug(const char *file, int line, const char *fmt, ...) LT_PRINTF(3, 4)
#if defined(__GNUC__)
    __attribute__((noreturn))
#endif
    ;
#define LT_BUG(...) lt_bug(__FILE__, __LINE__, __VA_ARGS__)
#define LT_CHECK(cond)                                                                                                 \
    do {                                                                                                               \
        if (!(cond)) lt_bug(__FILE__, __LINE__, "check failed: %s", #cond);                                            \
    } while (0)
#ifdef __cplusplus
}
#endif
#endif
