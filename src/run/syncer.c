/* Room: run. fsync beside the main thread; see syncer.h. */
#include "run/syncer.h"
#include "lathe/mem.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

struct lt_syncer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool busy, quit;
    int fd, error; /* errno of the last failure */
};

static void *syncer_main(void *arg) {
    struct lt_syncer *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->busy && !s->quit) pthread_cond_wait(&s->moved, &s->lock);
        if (!s->busy) break;
        pthread_mutex_unlock(&s->lock);
        int error = fsync(s->fd) ? errno : 0;
        pthread_mutex_lock(&s->lock);
        if (error) s->error = error;
        s->busy = false;
        pthread_cond_broadcast(&s->moved);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static struct lt_syncer *syncer_new(void) {
    struct lt_syncer *s = lt_calloc(1, sizeof(*s));
    if (!s) return NULL;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->moved, NULL);
    if (!pthread_create(&s->thread, NULL, syncer_main, s)) return s;
    pthread_cond_destroy(&s->moved);
    pthread_mutex_destroy(&s->lock);
    lt_free(s);
    return NULL;
}

static lt_status failed(int error, const char *path, struct lt_err *e) {
    return lt_fail(e, LT_EIO, "%s: fsync: %s; what is recorded so far may be lost with power", path, strerror(error));
}

lt_status lt_syncer_request(struct lt_syncer **out, int fd, const char *path, bool *begun, struct lt_err *e) {
    struct lt_syncer *s = *out;
    *begun = false;
    if (!s && !(s = *out = syncer_new())) { /* no thread: then here */
        *begun = true;
        return fsync(fd) ? failed(errno, path, e) : LT_OK;
    }
    pthread_mutex_lock(&s->lock);
    int error = s->error;
    if (!error && !s->busy) {
        s->fd = fd;
        s->busy = *begun = true;
        pthread_cond_broadcast(&s->moved);
    }
    pthread_mutex_unlock(&s->lock);
    return error ? failed(error, path, e) : LT_OK;
}

lt_status lt_syncer_wait(struct lt_syncer *s, const char *path, struct lt_err *e) {
    if (!s) return LT_OK;
    pthread_mutex_lock(&s->lock);
    while (s->busy) pthread_cond_wait(&s->moved, &s->lock);
    int error = s->error;
    pthread_mutex_unlock(&s->lock);
    return error ? failed(error, path, e) : LT_OK;
}

void lt_syncer_free(struct lt_syncer *s) {
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->quit = true;
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->moved);
    pthread_mutex_destroy(&s->lock);
    lt_free(s);
}
