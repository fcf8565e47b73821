/* Calls a function with every space of the folder spaces/, in the order of names. */
#ifndef TESTS_SHIPPED_SPACES_H
#define TESTS_SHIPPED_SPACES_H
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lathe/space.h"
#include "tests/tap.h"

static inline int is_space_file(const struct dirent *d) {
    size_t n = strlen(d->d_name);

    return n > 5 && !strcmp(d->d_name + n - 5, ".yaml");
}

static inline void each_shipped_space(void (*f)(const char *name, const struct lt_space *s)) {
    const char *src = getenv("LT_SRCDIR");
    struct dirent **d;
    char path[700];
    int n;

    snprintf(path, sizeof(path), "%s/spaces", src ? src : ".");
    n = scandir(path, &d, is_space_file, alphasort);
    lt_ok(n > 2, "%d spaces are shipped", n);
    for (int i = 0; i < n; i++) {
        struct lt_space *s = NULL;
        struct lt_err e = {0};

        snprintf(path, sizeof(path), "%s/spaces/%s", src ? src : ".", d[i]->d_name);
        lt_ok(!lt_space_load(path, &s, &e), "%s is read: %s", d[i]->d_name, e.msg);
        if (s) f(d[i]->d_name, s);
        lt_space_free(s);
        free(d[i]);
    }
    if (n >= 0) free(d);
}
#endif
