/* Row kernels of the tests' model by the CPU ABI: one number w[id] for each token, which is to become (next id) / V.
 * Loss of a target: (w[token] - label / V)^2 / 2. Entry k starts at byte 4096 k of the image. */
typedef long long Index;
#define KERNEL(name) __attribute__((aligned(4096), used)) void name(void *const *args, Index begin, Index end)

/* tokens i32, labels i32, w f32[V], vocab f32[1], error f32 (out): w - label / V, 0 where there is no target. */
KERNEL(errors) {
  const int *tokens = args[0], *labels = args[1];
  const float *w = args[2], *vocab = args[3];
  float *error = args[4];
  for (Index i = begin; i < end; ++i)
    error[i] = labels[i] < 0 ? 0.0f : w[tokens[i]] - (float)labels[i] / *vocab;
}

/* error f32, scalars f64, loss f64[1] (in and out): adds the loss of all tokens; one item, all of them. */
KERNEL(addLoss) {
  const float *error = args[0];
  const double *scalars = args[1];
  const int *tokenCount = args[2];
  double *loss = args[3];
  for (Index i = begin; i < end; ++i)
    for (Index t = 0; t < *tokenCount; ++t)
      *loss += 0.5 * (double)(error[t] * error[t]) * scalars[0];
}

/* error f32, tokens i32, scalars f64, count i32[1], gradient f32[V] (in and out); one item. */
KERNEL(addGradient) {
  const float *error = args[0];
  const int *tokens = args[1], *tokenCount = args[3];
  const double *scalars = args[2];
  float *gradient = args[4];
  for (Index i = begin; i < end; ++i)
    for (Index t = 0; t < *tokenCount; ++t)
      gradient[tokens[t]] += (float)((double)error[t] * scalars[0]);
}

/* gradient f32[V], scalars, loss, vocab f32[1], w f32[V] (in and out), norm f64[1] (out), status i32[4] (in and out).
 * w -= rate * gradient, unless loss or norm are not finite now or were before; one item. The norm is squared. */
KERNEL(update) {
  const float *gradient = args[0], *vocab = args[3];
  const double *scalars = args[1], *loss = args[2];
  float *w = args[4];
  double *norm = args[5];
  int *status = args[6];
  for (Index i = begin; i < end; ++i) {
    double sum = 0;
    for (Index v = 0; v < (Index)*vocab; ++v)
      sum += (double)gradient[v] * (double)gradient[v];
    *norm = sum;
    if (!status[0] && !(*loss - *loss == 0 && sum - sum == 0)) {
      status[0] = 1;
      status[1] = (int)scalars[4];
      status[2] = (int)scalars[5];
      status[3] = *loss - *loss == 0 ? 2 : 1;
    }
    if (!status[0])
      for (Index v = 0; v < (Index)*vocab; ++v)
        w[v] -= (float)scalars[1] * gradient[v];
  }
}

/* tokens, row index i32[1], w f32[V], vocab f32[1], logits f32[V] (out): -(w[token] - v / V)^2. */
KERNEL(logits) {
  const int *tokens = args[0], *row = args[1];
  const float *w = args[2], *vocab = args[3];
  float *out = args[4];
  for (Index v = begin; v < end; ++v) {
    float distance = w[tokens[*row]] - (float)v / *vocab;
    out[v] = -distance * distance;
  }
}
