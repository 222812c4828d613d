/* The functions of a plug-in that moves bytes between the ranks of a run. C, since the plug-in and the program that
 * opens it may be built with different libraries. */
#ifndef FTC_RUNTIME_COMMUNICATION_MOVER_H
#define FTC_RUNTIME_COMMUNICATION_MOVER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that go to a rank, or come from it. */
typedef struct {
  uint32_t rank;
  void *bytes;
  uint64_t size;
} FtParcel;

enum { ftMoverVersion = 1 };

/* One thread calls them. A text says why not, and lives until the next call; NULL: it went well. */
typedef struct {
  uint32_t version;
  /* Which of how many ranks this process is. `self` is given back to the other functions. */
  const char *(*open)(void **self, uint32_t *rank, uint32_t *ranks);
  /* Begins to send and to receive, one exchange at a time. What one rank sends another arrives in order; sizes are the
   * same on both sides. The bytes stay where they are until `done`. */
  const char *(*begin)(void *self, const FtParcel *sends, size_t sendCount, const FtParcel *receives,
                       size_t receiveCount);
  /* Asked until it sets `done`. */
  const char *(*poll)(void *self, int *done);
  /* All ranks have done their last exchange. Not called where they have failed: what waits for a peer stays. */
  void (*close)(void *self);
} FtMover;

/* What a plug-in exports as "ftrunMover". */
typedef const FtMover *(*FtMoverEntry)(void);

#ifdef __cplusplus
}
#endif
#endif
