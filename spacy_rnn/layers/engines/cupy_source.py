"""The loop of the cells without recurrent weights, for CUDA.

One thread takes one channel of one sequence through all steps. Neighbours have neighbouring
channels, so what a warp reads and writes is in one piece. Rows stay where the Ragged has them.

It is compiled with REAL defined as float or double, N_GATES as the number of the cell's gates, and
LINEAR as whether what is fed in is a product of the inputs as it is: the MinGRU. The equations are
those of `numpy_scan`.
"""

SOURCE = r"""
// One row of the arrays with a place for each direction of the call.
#define ROW(row) ((row) * n_directions + direction)
// Which direction, sequence and channel the thread has, and where those begin.
#define BEGIN                                                                      \
    const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;         \
    if (at >= n_seqs * nO) return;                                                 \
    const long long direction = blockIdx.y;                                        \
    const long long seq = at / nO, channel = at % nO;                              \
    const long long length = lengths[seq];                                         \
    const long long step = reverse[direction] ? -1 : 1;                            \
    const long long first = starts[seq] + (step > 0 ? 0 : length - 1);             \
    const long long state_at = (direction * n_seqs + seq) * nO + channel;          \
    REAL b[N_GATES];                                                               \
    for (int k = 0; k < N_GATES; ++k)                                              \
        b[k] = bias[(direction * N_GATES + k) * nO + channel];

struct Gates {
    REAL f;  // what is kept of the state
    REAL i;  // how much is fed in: 1 - f, unless it has a gate of its own
    REAL z;  // of what
    REAL o;  // how much goes out: all, unless there is a gate
};

static __device__ inline REAL sigmoid(REAL x) { return 1 / (1 + exp(-x)); }

// The gates are in the order of the parameters: z, f, o, i; of the MinGRU i, z.
static __device__ inline Gates read_gates(const REAL* x, const REAL* b, long long nO) {
    Gates g;
#if LINEAR
    g.i = sigmoid(x[0] + b[0]);
    g.f = 1 - g.i;
    g.z = x[nO] + b[1];
#else
    g.z = tanh(x[0] + b[0]);
    g.f = sigmoid(x[nO] + b[1]);
    g.i = 1 - g.f;
#endif
    g.o = 1;
#if N_GATES > 2
    g.o = sigmoid(x[2 * nO] + b[2]);
#endif
#if N_GATES > 3
    g.i = sigmoid(x[3 * nO] + b[3]);
#endif
    return g;
}

// s_t = f s_{t-1} + i z;  h_t = o s_t
extern "C" __global__ void scan(
    const REAL* __restrict__ products,     // (n_rows, n_directions, N_GATES, nO)
    const REAL* __restrict__ bias,         // (n_directions, N_GATES, nO)
    const long long* __restrict__ starts,  // (n_seqs,) first rows
    const long long* __restrict__ lengths, // (n_seqs,)
    const long long* __restrict__ reverse, // (n_directions,)
    REAL* state,                           // (n_directions, n_seqs, nO) initial, then final
    REAL* __restrict__ S,                  // (n_rows, n_directions, nO) states, if they are kept
    REAL* __restrict__ Y,                  // (n_rows, width) of which n_directions * nO are filled
    long long keeps, long long width, long long n_directions, long long n_seqs, long long nO
) {
    BEGIN
    REAL s = state[state_at];
    #pragma unroll 4
    for (long long t = 0; t < length; ++t) {
        const long long row = first + t * step;
        const Gates g = read_gates(products + ROW(row) * N_GATES * nO + channel, b, nO);
        s = g.f * s + g.i * g.z;
        if (keeps) S[ROW(row) * nO + channel] = s;
        Y[row * width + direction * nO + channel] = g.o * s;
    }
    state[state_at] = s;
}

// ds_t = o dh_t + f_{t+1} ds_{t+1}, and from it the gradients of the products.
extern "C" __global__ void scan_back(
    const REAL* __restrict__ products,     // (n_rows, n_directions, N_GATES, nO)
    const REAL* __restrict__ bias,         // (n_directions, N_GATES, nO)
    const long long* __restrict__ starts,  // (n_seqs,)
    const long long* __restrict__ lengths, // (n_seqs,)
    const long long* __restrict__ reverse, // (n_directions,)
    const REAL* __restrict__ initial,      // (n_directions, n_seqs, nO)
    const REAL* __restrict__ S,            // (n_rows, n_directions, nO)
    const REAL* __restrict__ dY,           // (n_rows, width)
    REAL* d_state,                         // (n_directions, n_seqs, nO) final, then initial
    REAL* __restrict__ d_products,         // (n_rows, n_directions, N_GATES, nO)
    long long width, long long n_directions, long long n_seqs, long long nO
) {
    BEGIN
    REAL d_kept = d_state[state_at];  // f_{t+1} ds_{t+1}
    #pragma unroll 4
    for (long long t = length - 1; t >= 0; --t) {
        const long long row = first + t * step;
        const long long gates_at = ROW(row) * N_GATES * nO + channel;
        const Gates g = read_gates(products + gates_at, b, nO);
        const REAL before = t > 0 ? S[ROW(row - step) * nO + channel] : initial[state_at];
        const REAL dh = dY[row * width + direction * nO + channel];
        const REAL ds = g.o * dh + d_kept;
        REAL* d = d_products + gates_at;
#if LINEAR
        d[0] = ds * (g.z - before) * g.i * g.f;
        d[nO] = ds * g.i;
#else
        d[0] = ds * g.i * (1 - g.z * g.z);
  #if N_GATES > 3
        d[nO] = ds * before * g.f * (1 - g.f);
        d[3 * nO] = ds * g.z * g.i * (1 - g.i);
  #else
        d[nO] = ds * (before - g.z) * g.f * (1 - g.f);
  #endif
  #if N_GATES > 2
        d[2 * nO] = dh * S[ROW(row) * nO + channel] * g.o * (1 - g.o);
  #endif
#endif
        d_kept = g.f * ds;
    }
    d_state[state_at] = d_kept;
}
"""
