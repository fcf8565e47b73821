/*
 * Expressions on choices: numbers, names of choices, + - * /, parentheses, and min(a,b), max(a,b), floor, ceil, round,
 * roundN (nearest multiple of N, never more than 10% below; lt_make_divisible). Compiled once to postfix form.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "spaces/space_priv.h"

enum op { NUMBER, VALUE, ADD, SUB, MUL, DIV, NEG, MIN, MAX, FLOOR, CEIL, ROUND, ROUND_TO };
enum { MAX_OPS = 64, MAX_NESTED = 16 };
struct step {
    enum op op;
    double v;
    const struct lt_choice *c;
};
struct lt_expr {
    const char *text;
    int n;
    struct step step[MAX_OPS];
};

struct parser {
    const struct lt_scope *sc;
    const struct lt_yaml *n;
    const char *at;
    int nested;
    struct lt_expr x;
    struct lt_err *e;
};

static lt_status expression(struct parser *p);

static lt_status fail(const struct parser *p, const char *at, const char *what, int len) {
    return lt_fail(p->e, LT_EINVAL, "%s:%d:%d: %s%sexpression '%s': %s%s%.*s%s", p->n->file, p->n->line,
                   p->n->col + (int)(at - p->n->text) + (p->n->quoted ? 1 : 0), p->n->key ? p->n->key : "",
                   p->n->key ? ": " : "", p->n->text, what, len ? " '" : "", len, at, len ? "'" : "");
}

static void blanks(struct parser *p) { p->at += strspn(p->at, " \t"); }

static lt_status emit(struct parser *p, enum op op, double v, const struct lt_choice *c) {
    if (p->x.n == MAX_OPS) return fail(p, p->at, "too long", 0);
    p->x.step[p->x.n++] = (struct step){op, v, c};
    return LT_OK;
}

static lt_status arguments(struct parser *p, int n) {
    lt_status st;

    for (int i = 0; i < n; i++) {
        blanks(p);
        if (*p->at != (i ? ',' : '(')) return fail(p, p->at, i ? "expected ','" : "expected '('", 0);
        p->at++;
        if ((st = expression(p))) return st;
    }
    blanks(p);
    if (*p->at != ')') return fail(p, p->at, "expected ')'", 0);
    p->at++;
    return LT_OK;
}

static bool is(const char *at, size_t len, const char *word) { return strlen(word) == len && !memcmp(at, word, len); }

/* The name of a choice: its nearest where there is none; "later" where it only comes below in the file. */
static lt_status name(struct parser *p, const char *at, size_t len) {
    const struct lt_space *s = p->sc->s;
    const char *known[LT_MAX_NAMED + 1] = {NULL}, *near;
    char text[80], what[160];

    if (len >= sizeof(text)) return fail(p, at, "unknown name", 24);
    memcpy(text, at, len);
    text[len] = 0;
    for (int i = 0; i < s->n_named; i++) {
        known[i] = s->named[i].name;
        if (strcmp(known[i], text)) continue;
        if (s->named[i].used) *s->named[i].used = true;
        return emit(p, VALUE, 0, s->named[i].c);
    }
    if (lt_space_comes_later(s, text)) return fail(p, at, "only an earlier choice can be used, not", (int)len);
    near = lt_nearest(text, known);
    snprintf(what, sizeof(what), "unknown name%s%s%s,", near ? " (did you mean '" : "", near ? near : "",
             near ? "'?)" : "");
    return fail(p, at, what, (int)len);
}

static lt_status word(struct parser *p) {
    static const struct {
        const char *name;
        enum op op;
        int n;
    } function[] = {{"min", MIN, 2}, {"max", MAX, 2}, {"floor", FLOOR, 1}, {"ceil", CEIL, 1}, {"round", ROUND, 1}};
    const char *at = p->at;
    size_t len = 0;
    lt_status st;

    while (isalnum((unsigned char)at[len]) || at[len] == '_' || at[len] == '.') len++;
    p->at += len;
    for (int i = 0; i < 5; i++) {
        if (is(at, len, function[i].name)) {
            st = arguments(p, function[i].n);
            return st ? st : emit(p, function[i].op, 0, NULL);
        }
    }
    if (len > 5 && len < 10 && !memcmp(at, "round", 5) && strspn(at + 5, "0123456789") == len - 5) {
        int n = atoi(at + 5);

        if (n < 1) return fail(p, at, "a multiple of 0 in", (int)len);
        st = arguments(p, 1);
        return st ? st : emit(p, ROUND_TO, n, NULL);
    }
    if (is(at, len, "index") && p->sc->index >= 0) return emit(p, NUMBER, p->sc->index, NULL);
    if (is(at, len, "count") && p->sc->count >= 0) return emit(p, NUMBER, p->sc->count, NULL);
    if (p->sc->repeat_name && is(at, len, p->sc->repeat_name)) return emit(p, NUMBER, p->sc->repeat_value, NULL);
    return name(p, at, len);
}

static lt_status factor(struct parser *p) {
    lt_status st;
    double v;
    char *end;

    blanks(p);
    if (++p->nested > MAX_NESTED) return fail(p, p->at, "nested too deeply", 0);
    if (*p->at == '-') {
        p->at++;
        st = factor(p);
        if (!st) st = emit(p, NEG, 0, NULL);
    } else if (*p->at == '(') {
        p->at++;
        if (!(st = expression(p))) {
            blanks(p);
            st = *p->at == ')' ? LT_OK : fail(p, p->at, "expected ')'", 0);
            p->at++;
        }
    } else if (isdigit((unsigned char)*p->at)) {
        v = strtod(p->at, &end);
        st = emit(p, NUMBER, v, NULL);
        p->at = end;
    } else if (isalpha((unsigned char)*p->at)) {
        st = word(p);
    } else {
        st = fail(p, p->at, "expected a number or a name", 0);
    }
    p->nested--;
    return st;
}

static lt_status term(struct parser *p) {
    lt_status st = factor(p);

    while (!st) {
        enum op op;

        blanks(p);
        if (*p->at != '*' && *p->at != '/') return LT_OK;
        op = *p->at++ == '*' ? MUL : DIV;
        if (!(st = factor(p))) st = emit(p, op, 0, NULL);
    }
    return st;
}

static lt_status expression(struct parser *p) {
    lt_status st = term(p);

    while (!st) {
        enum op op;

        blanks(p);
        if (*p->at != '+' && *p->at != '-') return LT_OK;
        op = *p->at++ == '+' ? ADD : SUB;
        if (!(st = term(p))) st = emit(p, op, 0, NULL);
    }
    return st;
}

lt_status lt_expr_parse(const struct lt_scope *sc, const struct lt_yaml *n, const struct lt_expr **out,
                        struct lt_err *e) {
    struct parser p = {.sc = sc, .n = n, .at = n->text, .e = e};
    struct lt_expr *x;
    lt_status st;

    if (strlen(n->text) > 200) return lt_yaml_fail(e, n, "an expression of more than 200 characters");
    if ((st = expression(&p))) return st;
    blanks(&p);
    if (*p.at) return fail(&p, p.at, "expected an operator", 0);
    if (!(x = lt_arena_alloc(sc->s->arena, sizeof(*x)))) return lt_fail(e, LT_ENOMEM, "%s: out of memory", n->file);
    *x = p.x;
    if (!(x->text = lt_arena_strdup(sc->s->arena, n->text))) return lt_fail(e, LT_ENOMEM, "%s: out of memory", n->file);
    *out = x;
    return LT_OK;
}

const char *lt_expr_text(const struct lt_expr *x) { return x->text; }

static double binary(enum op op, double a, double b) {
    switch (op) {
    case ADD:
        return a + b;
    case SUB:
        return a - b;
    case MUL:
        return a * b;
    case DIV:
        return a / b;
    case MIN:
        return a < b ? a : b;
    default:
        return a > b ? a : b;
    }
}

double lt_expr_eval(const struct lt_expr *x, const struct lt_space *s, const struct lt_arch *a) {
    double v[MAX_OPS + 1];
    int n = 0;

    for (int i = 0; i < x->n; i++) {
        const struct step *t = &x->step[i];

        switch (t->op) {
        case NUMBER:
            v[n++] = t->v;
            break;
        case VALUE:
            v[n++] = lt_choice_value(s, t->c, a);
            break;
        case NEG:
            v[n - 1] = -v[n - 1];
            break;
        case FLOOR:
            v[n - 1] = floor(v[n - 1]);
            break;
        case CEIL:
            v[n - 1] = ceil(v[n - 1]);
            break;
        case ROUND:
            v[n - 1] = floor(v[n - 1] + 0.5);
            break;
        case ROUND_TO:
            /* Beyond what is a count of anything: left as it is, and then refused by the range of the key. */
            if (v[n - 1] > 0 && v[n - 1] < 1e9) v[n - 1] = lt_make_divisible(v[n - 1], (int)t->v);
            break;
        default:
            n--;
            v[n - 1] = binary(t->op, v[n - 1], v[n]);
        }
    }
    return v[0];
}

void lt_expr_genes(const struct lt_space *s, const struct lt_expr *x, int *gene, int *n) {
    for (int i = 0; i < x->n; i++) {
        if (x->step[i].op == VALUE) lt_choice_genes(s, x->step[i].c, gene, n);
    }
}
