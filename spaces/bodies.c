/* The registry of bodies. */
#include "spaces/space_priv.h"

#define LT_BODY(name) extern const struct lt_body_ops lt_body_##name;
#include "spaces/bodies.def"
#undef LT_BODY

static const struct lt_body_ops *const bodies[] = {
#define LT_BODY(name) &lt_body_##name,
#include "spaces/bodies.def"
#undef LT_BODY
};

int lt_body_count(void) { return (int)(sizeof(bodies) / sizeof(*bodies)); }

const struct lt_body_ops *lt_body_at(int i) { return bodies[i]; }
