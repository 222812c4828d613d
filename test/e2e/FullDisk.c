// Goes before the C library (LD_PRELOAD): writes, and what makes files and folders, under FAIL_IN are counted, and
// those from number FAIL_AT on, FAIL_FOR in all, find no space left. At its end the process says how many there were.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic long count;

static long numberOf(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? atol(text) : otherwise;
}

static int isThere(const char *path) {
  const char *folder = getenv("FAIL_IN");
  return path && folder && strncmp(path, folder, strlen(folder)) == 0;
}

static int isOpenThere(int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = file < 3 ? -1 : readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  return length > 0 && isThere(path);
}

static int isFull(void) {
  const long number = ++count, first = numberOf("FAIL_AT", -1);
  return first > 0 && number >= first && number < first + numberOf("FAIL_FOR", 1);
}

#define REPLACE(result, name, parameters, there, arguments)                                                            \
  result name parameters {                                                                                             \
    result(*const next) parameters = (result(*) parameters)dlsym(RTLD_NEXT, #name);                                    \
    if (there && isFull())                                                                                             \
      return errno = ENOSPC, -1;                                                                                       \
    return next arguments;                                                                                             \
  }

REPLACE(ssize_t, write, (int file, const void *bytes, size_t n), isOpenThere(file), (file, bytes, n))
REPLACE(ssize_t, writev, (int file, const struct iovec *parts, int n), isOpenThere(file), (file, parts, n))
REPLACE(ssize_t, pwrite, (int file, const void *bytes, size_t n, off_t at), isOpenThere(file), (file, bytes, n, at))
REPLACE(ssize_t, pwrite64, (int file, const void *bytes, size_t n, off64_t at), isOpenThere(file), (file, bytes, n, at))
REPLACE(int, fsync, (int file), isOpenThere(file), (file))
REPLACE(int, fdatasync, (int file), isOpenThere(file), (file))
REPLACE(int, ftruncate, (int file, off_t size), isOpenThere(file), (file, size))
REPLACE(int, rename, (const char *from, const char *to), isThere(to), (from, to))
REPLACE(int, mkdir, (const char *path, mode_t mode), isThere(path), (path, mode))

// These two return their error.
int posix_fallocate(int file, off_t begin, off_t size) {
  int (*const next)(int, off_t, off_t) = (int (*)(int, off_t, off_t))dlsym(RTLD_NEXT, "posix_fallocate");
  return isOpenThere(file) && isFull() ? ENOSPC : next(file, begin, size);
}
int posix_fallocate64(int file, off64_t begin, off64_t size) { return posix_fallocate(file, begin, size); }

#define OPEN(name)                                                                                                     \
  int name(const char *path, int flags, ...) {                                                                         \
    int (*const next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);              \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                               \
      va_list rest;                                                                                                    \
      va_start(rest, flags);                                                                                           \
      mode = va_arg(rest, mode_t);                                                                                     \
      va_end(rest);                                                                                                    \
    }                                                                                                                  \
    if ((flags & O_CREAT) && isThere(path) && isFull())                                                                \
      return errno = ENOSPC, -1;                                                                                       \
    return next(path, flags, mode);                                                                                    \
  }
OPEN(open)
OPEN(open64)

__attribute__((destructor)) static void say(void) { fprintf(stderr, "writes: %ld\n", (long)count); }
