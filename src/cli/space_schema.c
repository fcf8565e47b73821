/*
 * Room: cli. `lathe space schema`: what a space file may hold, as JSON Schema (draft 7) for editors. Blocks and their
 * fields come from the block library's own tables; the rest of the language is written here. It knows shapes, names and
 * ranges; what hangs together across a file is for `lathe space check`.
 */
#include "cli/space_schema.h"
#include "spaces/blocks.h"

#include <stdio.h>
#include <string.h>

/* ---- blocks ---- */

static void field(struct lt_jw *w, const struct lt_block_field *f) {
    lt_jw_key(w, f->key);
    if (f->type == LT_FIELD_ACT) {
        lt_jw_obj(w);
        lt_jw_kstr(w, "description", f->help);
        lt_jw_key(w, "allOf");
        lt_jw_arr(w);
        schema_ref(w, "#/definitions/activation");
        lt_jw_arr_end(w);
        lt_jw_obj_end(w);
    } else {
        schema_value(w, f->help, f->type == LT_FIELD_INT, f->min, f->max, f->type == LT_FIELD_NAME ? f->names : NULL);
    }
}

/* Has an earlier block a field of this key? */
static bool seen(int block, const char *key) {
    for (int i = 0; i < block; i++) {
        for (const struct lt_block_field *f = lt_block_at(i)->fields; f->key; f++) {
            if (!strcmp(f->key, key)) return true;
        }
    }
    return false;
}

/* Fields of all blocks, each once; those of one block are checked by kind_rules. */
static void all_fields(struct lt_jw *w) {
    for (int i = 0; i < lt_block_count(); i++) {
        for (const struct lt_block_field *f = lt_block_at(i)->fields; f->key; f++) {
            if (!seen(i, f->key)) schema_any(w, f->key, f->help);
        }
    }
}

/* What each kind's fields may be, once. */
static void kinds(struct lt_jw *w) {
    char name[64];
    for (int i = 0; i < lt_block_count(); i++) {
        const struct lt_block_ops *ops = lt_block_at(i);
        snprintf(name, sizeof(name), "block_%s", ops->name);
        lt_jw_key(w, name);
        lt_jw_obj(w);
        lt_jw_kstr(w, "description", ops->about);
        lt_jw_key(w, "properties");
        lt_jw_obj(w);
        for (const struct lt_block_field *f = ops->fields; f->key; f++) field(w, f);
        lt_jw_obj_end(w);
        lt_jw_obj_end(w);
    }
}

/* if the block is of this kind, then these are its fields */
static void kind_rules(struct lt_jw *w) {
    char to[80];
    lt_jw_key(w, "allOf");
    lt_jw_arr(w);
    for (int i = 0; i < lt_block_count(); i++) {
        const struct lt_block_ops *ops = lt_block_at(i);
        lt_jw_obj(w);
        lt_jw_key(w, "if");
        lt_jw_obj(w);
        schema_required(w, "block", NULL);
        lt_jw_key(w, "properties");
        lt_jw_obj(w);
        lt_jw_key(w, "block");
        lt_jw_obj(w);
        lt_jw_kstr(w, "const", ops->name);
        lt_jw_obj_end(w);
        lt_jw_obj_end(w);
        lt_jw_obj_end(w);
        snprintf(to, sizeof(to), "#/definitions/block_%s", ops->name);
        schema_named(w, "then", to);
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
}

static void block_names(struct lt_jw *w) {
    struct lt_buf b = LT_BUF_INIT;
    lt_buf_puts(&b, "a kind of block, or a name of `blocks:`; several: one is chosen for each block. Kinds: ");
    for (int i = 0; i < lt_block_count(); i++) lt_buf_printf(&b, "%s%s", i ? ", " : "", lt_block_at(i)->name);
    schema_any(w, "block", b.data);
    lt_buf_release(&b);
}

static void stage(struct lt_jw *w, const char *name, bool is_stem) {
    lt_jw_key(w, name);
    schema_object(w);
    kind_rules(w);
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    block_names(w);
    schema_number(w, "channels", "that go out of its blocks, before `width`", 1, 16384);
    schema_any(w, "stride", "of the first block");
    if (!is_stem) {
        schema_string(w, "name", "of the stage: letters, digits, '_'");
        schema_number(w, "depth", "number of blocks", 1, 64);
        schema_named(w, "when", "#/definitions/when");
        schema_any(w, "first", "other values for the first block");
        schema_any(w, "tap", "its output is read by the head too");
        schema_fixed(w, "repeat", "these stages so many times", 1, 64);
        schema_string(w, "as", "name of the number of the repetition");
        schema_list_of(w, "stages", "what is repeated", "#/definitions/stage", 1);
    }
    all_fields(w);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
}

static void blocks(struct lt_jw *w) {
    lt_jw_key(w, "block");
    schema_object(w);
    schema_required(w, "block", NULL);
    kind_rules(w);
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    block_names(w);
    all_fields(w);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
}

/* ---- the rest ---- */

static void values(struct lt_jw *w) {
    static const char *const per[] = {"block", "stage", NULL};
    lt_jw_key(w, "expression");
    lt_jw_obj(w);
    lt_jw_kstr(w, "description", "of choices by name, numbers, + - * /, min, max, floor, ceil, round, roundN");
    schema_type(w, "string");
    lt_jw_obj_end(w);
    lt_jw_key(w, "choice");
    schema_object(w);
    schema_required(w, "choice", NULL);
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    schema_any(w, "choice", "the values");
    schema_named(w, "when", "#/definitions/when");
    schema_any(w, "else", "the value where the condition does not hold");
    lt_jw_key(w, "per");
    schema_scalar(w, true, 0, 0, per);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
    lt_jw_key(w, "tie");
    schema_object(w);
    schema_required(w, "tie", NULL);
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    schema_string(w, "tie", "the choice that decides");
    schema_any(w, "values", "one for each of its values");
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
    lt_jw_key(w, "each");
    schema_object(w);
    schema_required(w, "each", NULL);
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    schema_any(w, "each", "a value for each block");
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
    lt_jw_key(w, "when");
    lt_jw_obj(w);
    lt_jw_kstr(w, "description", "earlier choices and the values, one or a list, that they must have");
    schema_type(w, "object");
    lt_jw_kint(w, "minProperties", 1);
    lt_jw_obj_end(w);
    lt_jw_key(w, "activation");
    lt_jw_obj(w);
    lt_jw_key(w, "enum");
    lt_jw_arr(w);
    for (int i = 0; i < LT_N_ACTS; i++) lt_jw_str(w, lt_act_name((enum lt_act)i));
    lt_jw_arr_end(w);
    lt_jw_obj_end(w);
}

static void root(struct lt_jw *w) {
    lt_jw_kstr(w, "$schema", "http://json-schema.org/draft-07/schema#");
    lt_jw_kstr(w, "title", "search space of lathe");
    schema_type(w, "object");
    lt_jw_kbool(w, "additionalProperties", false);
    schema_required(w, "name", NULL); /* all else may come from an included file */
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    lt_jw_key(w, "schema");
    lt_jw_obj(w);
    lt_jw_kint(w, "const", 1);
    lt_jw_obj_end(w);
    schema_string(w, "name", "begins every architecture string");
    schema_string(w, "about", "one line for people");
    schema_any(w, "include", "a space file that this one is a variant of");
    schema_any(w, "override", "values of the included file by path");
    lt_jw_key(w, "input");
    schema_object(w);
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    schema_fixed(w, "channels", "of the image", 1, 1024);
    schema_number(w, "resolution", "pixels a side", 1, 4096);
    schema_number(w, "tokens", "in place of an image: length of the sequence of token numbers", 1, 1 << 20);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
    schema_fixed(w, "classes", "outputs of the classifier", 2, 1 << 20);
    schema_named(w, "act", "#/definitions/activation");
    schema_fixed(w, "divisor", "channels are rounded to multiples of it", 1, 256);
    lt_jw_key(w, "width");
    schema_value(w, "multiplies channels", false, 0.01, 16, NULL);
    schema_any(w, "choices", "named choices for expressions, ties and conditions");
    lt_jw_key(w, "blocks");
    lt_jw_obj(w);
    lt_jw_kstr(w, "description", "blocks with some fields given, by name");
    schema_type(w, "object");
    schema_named(w, "additionalProperties", "#/definitions/block");
    lt_jw_obj_end(w);
    schema_named(w, "stem", "#/definitions/stem");
    schema_list_of(w, "stages", "of blocks", "#/definitions/stage", 1);
    schema_named(w, "cells", "#/definitions/cells");
    schema_any(w, "head", "{channels, act}, or a list of layers");
    schema_any(w, "table", "columns of latency tables");
    schema_any(w, "networks", "published networks and their counts");
    lt_jw_obj_end(w);
}

/* One key a line. */
static void indent(const struct lt_buf *in, struct lt_buf *out) {
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < in->len; i++) {
        char c = in->data[i];
        bool empty = i + 1 < in->len && (in->data[i + 1] == '}' || in->data[i + 1] == ']');
        if (c == '"' && (!i || in->data[i - 1] != '\\')) quoted = !quoted;
        if (!quoted && (c == '}' || c == ']') && in->data[i - 1] != '{' && in->data[i - 1] != '[')
            lt_buf_printf(out, "\n%*s", --depth, "");
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
        lt_buf_add(out, &c, 1);
        if (quoted) continue;
        if (c == '{' || c == '[') depth++;
        if ((c == '{' || c == '[') && !empty) lt_buf_printf(out, "\n%*s", depth, "");
        if (c == ',') lt_buf_printf(out, "\n%*s", depth, "");
        if (c == ':') lt_buf_puts(out, " ");
    }
    lt_buf_puts(out, "\n");
}

lt_status space_schema(struct space_job *j, struct lt_err *e) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    lt_status s;
    lt_jw_init(&w, &b);
    lt_jw_obj(&w);
    root(&w);
    lt_jw_key(&w, "definitions");
    lt_jw_obj(&w);
    values(&w);
    kinds(&w);
    blocks(&w);
    stage(&w, "stem", true);
    stage(&w, "stage", false);
    schema_cells(&w);
    lt_jw_obj_end(&w);
    lt_jw_obj_end(&w);
    if (!(s = lt_buf_ok(&b, e))) indent(&b, &j->out);
    lt_buf_release(&b);
    return s;
}
