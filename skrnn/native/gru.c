/* A GRU on x86 processors, called from gru.py beside this file. */

#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "kept.h"
#include "threads.h"

/* Texts that are taken together: two tiles of AMX. */
#define ROWS 32
/* And where there are many threads: each takes its time to start. */
#define FEWEST_ROWS 8
#define FEWEST_SUMMANDS 1048576

/* Rows that are held back until they are multiplied for the kernels' gradients. */
#define MOST_HELD 256

/* Arrays have their steps first: (steps, batch, size), with n blocks side by side
   (steps, batch, n * size). "Values" are floats, or bfloat16. */
struct forward {
    int64_t steps, batch, size, n_features, reverse;
    int64_t in_turns; /* whether `states` has room for two steps only, used in turns */
    float steepness;
    const float *inputs; /* (steps, batch, n_features); or NULL, where x is given */
    const float *input_kernel; /* (n_features, 3 * size) */
    const float *x;            /* 3 blocks: the inputs' products with it; or NULL */
    const int32_t *rows;       /* (steps, batch): which of the inputs or of x, then
                                  of shape (n_rows, ...), a step reads; or NULL */
    const float *factors;      /* (batch, n_features): of the inputs; or NULL */
    const uint8_t *padding;    /* (steps, batch) */
    const float *recurrent;    /* (size, 3 * size) */
    const float *bias, *recurrent_bias;
    float *states; /* (steps + 1, batch, size), the first one given */
    void *kept;    /* 4 blocks for `backward`, values; or NULL */
    float *pooled; /* (3, batch, size): the last states, and what is added to, the sums
                      and the largest of those after tokens; or NULL. With it some
                      states are not written where no token stands. */
};

struct backward {
    int64_t steps, batch, size, n_features, reverse;
    float steepness;
    const float *upstream; /* the gradient of the states after each step; or NULL */
    const float
        *of_pooled; /* (3, batch, size): of the last one, sums, largest; or NULL */
    const float *largest; /* (batch, size), where pooled */
    const float *inputs, *input_kernel;
    const int32_t *rows;
    const float *factors;
    const uint8_t *padding;
    const float *recurrent, *states;
    const void *kept;
    float *of_inputs; /* (steps, batch, n_features): of what each step read; with `rows`
                         some are not written where no token stands */
    float *of_initial; /* (batch, size) */
    float *of_sums;    /* of the biases, 4 blocks: z, r, c, the recurrent one; of
                          the recurrent kernel; of the kernel, rows of no meaning behind */
};

/* What the sizes of products are a multiple of. */
static int64_t padded(int64_t n) {
    return (n + 31) / 32 * 32;
}

/* How many numbers `of_sums` has. */
static int64_t n_sums(int64_t size, int64_t n_features) {
    return 4 * size + 3 * size * (size + padded(n_features));
}

static int any_token(const uint8_t *padding, int64_t n_texts) {
    for (int64_t i = 0; i < n_texts; i++)
        if (!padding[i])
            return 1;
    return 0;
}

/* What takes the steps of some of the texts with scratch of its own, and the matrices
   in the order that products read them in. */
struct kernel {
    size_t bytes_a_value;
    /* Of fewer texts the steps forward take matrices as they are; packed is NULL. */
    int64_t fewest_packed;
    void (*pack_forward)(const void *arguments, void *packed);
    void (*forward)(const void *arguments, int64_t first, int64_t n_rows,
                    const void *packed, void *scratch);
    void (*pack_backward)(const void *arguments, void *packed);
    void (*backward)(const void *arguments, int64_t first, int64_t n_rows,
                     const void *packed, void *scratch);
};

#define NAME(function) function##_avx2
#define FEATURES "avx2,fma"
#define MOST_ROWS 4
#define MOST_COLUMNS 24
#define FORWARD_COLUMNS 8
#define BACKWARD_COLUMNS 16
#include "steps.h"
#undef NAME
#undef FEATURES
#undef MOST_ROWS
#undef MOST_COLUMNS
#undef FORWARD_COLUMNS
#undef BACKWARD_COLUMNS

#define AVX512
#define MOST_ROWS 8
#define MOST_COLUMNS 48
#define FORWARD_COLUMNS 16
#define BACKWARD_COLUMNS 32

#define NAME(function) function##_avx512
#define FEATURES "avx512f"
#include "steps.h"
#undef NAME
#undef FEATURES

/* What has no kernel here is never chosen. */
#if (defined(__clang__) && __clang_major__ >= 12) || \
    (!defined(__clang__) && __GNUC__ >= 11)
#define BFLOAT16
#define NAME(function) function##_avx512_bf16
#define FEATURES "avx512f,avx512bf16"
#include "steps.h"
#undef NAME
#undef FEATURES

#define AMX
#undef FORWARD_COLUMNS
#define FORWARD_COLUMNS 32
#define NAME(function) function##_amx
#define FEATURES "avx512f,avx512bf16,amx-tile,amx-bf16"
#include "steps.h"

static const struct kernel *const kernels[] = {&kernel_avx2, &kernel_avx512,
                                               &kernel_avx512_bf16, &kernel_amx};
#else
static const struct kernel *const kernels[] = {&kernel_avx2, &kernel_avx512, NULL,
                                               NULL};
#endif

/* Linux lets a process use AMX's tiles only after it has asked. */
static int may_use_tiles(void) {
#if defined(__linux__)
    const int ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18;
    return !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
#else
    return 0;
#endif
}

/* What the callers' structures are compared with. */
const size_t bytes_of_forward = sizeof(struct forward);
const size_t bytes_of_backward = sizeof(struct backward);

/* Which of the kernels this processor runs, in their order, a bit each. */
int gru_kernels(void) {
    __builtin_cpu_init();
    int runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = !!__builtin_cpu_supports("avx512f");
    runs |= avx512 << 1;
    if (avx512 && kernels[2]) {
        /* Not every compiler has names for these: bits of the processor's answer. */
        unsigned int a = 0, b, c, d = 0;
        __get_cpuid_count(7, 0, &a, &b, &c, &d);
        int has_tiles = d >> 22 & 1 && d >> 24 & 1;
        __get_cpuid_count(7, 1, &a, &b, &c, &d);
        int multiplies_bfloat16 = a >> 5 & 1;
        runs |= multiplies_bfloat16 << 2;
        runs |= (multiplies_bfloat16 && has_tiles && may_use_tiles()) << 3;
    }
    return runs;
}

/* Of one size, as many for each thread, of FEWEST_ROWS to ROWS texts. */
static int64_t count_blocks(int64_t batch, int64_t n_threads) {
    int64_t fewest = (batch + ROWS - 1) / ROWS;
    int64_t most = (batch + FEWEST_ROWS - 1) / FEWEST_ROWS;
    int64_t n_blocks = (fewest + n_threads - 1) / n_threads * n_threads;
    return n_blocks < most ? n_blocks : most;
}

static size_t aligned(size_t n_bytes) {
    return (n_bytes + 63) / 64 * 64;
}

/* Packed matrices, and behind them the scratch of all blocks; or NULL. */
static char *allocate(struct work *w, size_t bytes_of_packed, size_t bytes_a_block,
                      int64_t n_threads) {
    w->n_blocks = count_blocks(w->n_items, n_threads);
    w->bytes_a_block = aligned(bytes_a_block);
    bytes_of_packed = aligned(bytes_of_packed);
    char *memory = take(bytes_of_packed + w->n_blocks * w->bytes_a_block);
    w->packed = memory;
    w->scratch = memory ? memory + bytes_of_packed : NULL;
    return memory;
}

/* It and `gru_backward` give 0, or -1 where memory is lacking. */
int gru_forward(int number, int n_threads, const struct forward *a) {
    const struct kernel *kernel = kernels[number];
    const int64_t size = a->size, n_features = a->x ? 0 : padded(a->n_features);
    struct work w = {kernel->forward, a, .n_items = a->batch};
    const int packs = a->batch >= kernel->fewest_packed;
    /* States and inputs as products take them; where nothing is packed, instead of
       states a step's products, which have room while those texts are few. */
    char *memory =
        allocate(&w, packs * 3 * size * (size + n_features) * kernel->bytes_a_value,
                 ROWS * (2 * size + n_features) * kernel->bytes_a_value, n_threads);
    if (!memory)
        return -1;
    if (packs)
        kernel->pack_forward(a, memory);
    else
        w.packed = NULL;
    share_out(&w, n_threads);
    put_back(memory);
    return 0;
}

/* Those of all blocks. */
struct sums {
    const char *of_blocks;
    size_t bytes_a_block;
    int64_t n_blocks;
    float *of_all;
};

static void add_up(const void *arguments, int64_t first, int64_t n, const void *packed,
                   void *scratch) {
    (void)packed, (void)scratch;
    const struct sums *a = arguments;
    float *restrict of_all = a->of_all + first;
    memset(of_all, 0, n * sizeof(float));
    for (int64_t i = 0; i < a->n_blocks; i++) {
        const char *block = a->of_blocks + i * a->bytes_a_block;
        const float *restrict of_block = (const float *)block + first;
        for (int64_t j = 0; j < n; j++)
            of_all[j] += of_block[j];
    }
}

int gru_backward(int number, int n_threads, const struct backward *a) {
    const struct kernel *kernel = kernels[number];
    const int64_t size = a->size, n_features = padded(a->n_features);
    const int64_t n = n_sums(size, n_features);
    struct work w = {kernel->backward, a, .n_items = a->batch};
    /* Sums over all steps, the biases' over one, the largest states, what a step
       reads, and rows held. */
    char *memory =
        allocate(&w, 3 * size * (size + n_features) * kernel->bytes_a_value,
                 (n + (4 + ROWS) * size + ROWS * n_features) * sizeof(float) +
                     MOST_HELD * (5 * size + n_features) * kernel->bytes_a_value,
                 n_threads);
    if (!memory)
        return -1;
    kernel->pack_backward(a, memory);
    share_out(&w, n_threads);
    struct sums sums = {w.scratch, w.bytes_a_block, w.n_blocks, a->of_sums};
    struct work last = {add_up, &sums, .n_items = n};
    /* A thread takes its time to start. */
    last.n_blocks = n * w.n_blocks / FEWEST_SUMMANDS + 1;
    share_out(&last, n_threads);
    put_back(memory);
    return 0;
}
