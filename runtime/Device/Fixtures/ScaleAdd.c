/* A row kernel by the CPU ABI, for tests: out[i] = SCALE · a[i] + b[i] for the items of the range. */
typedef long long Index;

void scaleAdd(void *const *args, Index begin, Index end) {
  const float *a = args[0], *b = args[1];
  float *out = args[2];
  volatile int scale = SCALE; /* from the code: a constant section would not travel with it */
  const float factor = (float)scale;
  for (Index i = begin; i < end; ++i)
    out[i] = factor * a[i] + b[i];
}
