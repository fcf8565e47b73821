/*
 * Files: a file is written whole or not at all (temporary file in the same directory, write, fsync, close checked,
 * rename, fsync of the directory); the failing step is named in the error. CRC-32 as in zlib. Exclusive locks are
 * flock(2) and vanish with the process.
 */
#ifndef LATHE_FILE_H
#define LATHE_FILE_H
#include "lathe/status.h"
#include "lathe/buf.h"
#ifdef __cplusplus
extern "C" {
#endif
lt_status lt_file_read(const char *path, size_t max_bytes, struct lt_buf *out, struct lt_err *e);
lt_status lt_file_read_gz(const char *path, size_t max_bytes, struct lt_buf *out,
                          struct lt_err *e); /* plain or gzip; truncated gzip is LT_EIO */
lt_status lt_file_write_atomic(const char *path, const void *p, size_t n, struct lt_err *e);
lt_status lt_mkdirs(const char *path, struct lt_err *e); /* like mkdir -p */
bool lt_path_exists(const char *path);
char *lt_path_join(const char *dir, const char *name); /* lt_free; absolute name wins */
lt_status lt_sweep_temporaries(const char *dir,
                               struct lt_err *e);         /* removes files that a killed lt_file_write_atomic left */
uint32_t lt_crc32(uint32_t crc, const void *p, size_t n); /* start with 0 */
uint64_t lt_hash64(const void *p, size_t n,
                   uint64_t seed); /* stable across machines (XXH64 or FNV-1a with finaliser) */
struct lt_lock;
lt_status lt_lock_acquire(const char *path, bool wait, struct lt_lock **out,
                          struct lt_err *e); /* LT_EUNAVAIL when !wait and held */
/* A lock that all users of a machine share, in a place where all may write, as /tmp: waits; the file is made readable
 * and writable for all whatever the umask, may belong to another user, and is never reached through a symbolic link. */
lt_status lt_lock_acquire_shared(const char *path, struct lt_lock **out, struct lt_err *e);
void lt_lock_release(struct lt_lock *l);
#ifdef __cplusplus
}
#endif
#endif
