/* The plug-in that moves bytes by MPI: messages between pairs, none of MPI's own collectives, so that a rank that is
 * lost keeps nobody in a call. */
#include "runtime/Communication/Mover.h"

#include <mpi.h>
#include <stdlib.h>

enum { tag = 7 };

/* Of the exchange that is on its way. */
static MPI_Request *requests;
static int count, room;
static char text[MPI_MAX_ERROR_STRING];

static const char *check(int result) {
  int length = 0;
  if (result == MPI_SUCCESS)
    return NULL;
  MPI_Error_string(result, text, &length);
  return text;
}

static const char *openMpi(void **self, uint32_t *rank, uint32_t *ranks) {
  int provided = 0, mine = 0, all = 0;
  const char *problem = check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided));
  if (problem)
    return problem;
  /* A message that cannot be sent is this program's to judge. */
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &mine);
  MPI_Comm_size(MPI_COMM_WORLD, &all);
  *self = NULL, *rank = (uint32_t)mine, *ranks = (uint32_t)all;
  return NULL;
}

static const char *beginMpi(void *self, const FtParcel *sends, size_t sendCount, const FtParcel *receives,
                            size_t receiveCount) {
  const char *problem = NULL;
  (void)self;
  if ((int)(sendCount + receiveCount) > room) {
    MPI_Request *more = realloc(requests, (sendCount + receiveCount) * sizeof *requests);
    if (!more)
      return "no memory for requests";
    requests = more, room = (int)(sendCount + receiveCount);
  }
  count = 0;
  for (size_t i = 0; !problem && i < receiveCount; ++i)
    problem = check(MPI_Irecv(receives[i].bytes, (int)receives[i].size, MPI_BYTE, (int)receives[i].rank, tag,
                              MPI_COMM_WORLD, &requests[count++]));
  for (size_t i = 0; !problem && i < sendCount; ++i)
    problem = check(MPI_Isend(sends[i].bytes, (int)sends[i].size, MPI_BYTE, (int)sends[i].rank, tag, MPI_COMM_WORLD,
                              &requests[count++]));
  return problem;
}

static const char *pollMpi(void *self, int *done) {
  (void)self;
  return check(MPI_Testall(count, requests, done, MPI_STATUSES_IGNORE));
}

static void closeMpi(void *self) {
  (void)self;
  MPI_Finalize();
}

const FtMover *ftrunMover(void);
const FtMover *ftrunMover(void) {
  static const FtMover mover = {ftMoverVersion, openMpi, beginMpi, pollMpi, closeMpi};
  return &mover;
}
