/* The steps of a GRU on x86 processors, called from __init__.py beside this file. */

#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Texts that are taken together: two tiles of AMX. */
#define ROWS 32
/* And where there are many threads: each takes its time to start. */
#define FEWEST_ROWS 8
#define MOST_THREADS 64

/* Arrays have their steps first: (steps, batch, size), with n blocks side by side
   (steps, batch, n * size). "Values" are floats, or bfloat16. */
struct forward {
    int64_t steps, batch, size, reverse;
    int64_t in_turns; /* whether `states` has room for two steps only, used in turns */
    float steepness;
    const void *x;          /* 3 blocks: the inputs' products, values */
    const int32_t *rows;    /* (steps, batch): where in x, (n_rows, 3 * size), those of
                               a step stand; NULL where x has all steps */
    const uint8_t *padding; /* (steps, batch) */
    const void *recurrent;  /* (size, 3 * size), values */
    const float *bias, *recurrent_bias;
    float *states; /* (steps + 1, batch, size), the first one given */
    void *kept;    /* 4 blocks for `backward`, values; or NULL */
    float *pooled; /* (2, batch, size): sums and largest of the states; or NULL */
};

struct backward {
    int64_t steps, batch, size, reverse;
    float steepness;
    const float *upstream; /* the gradient of the states after each step; or NULL */
    const float
        *of_pooled; /* (3, batch, size): of the last one, sums, largest; or NULL */
    const float *largest; /* (batch, size), where pooled */
    const uint8_t *padding;
    const void *recurrent;
    const float *states;
    const void *kept;
    void *of_x, *of_u; /* 3 blocks, values */
    float *of_biases;  /* (4, size): z, r, c, and that of the recurrent bias */
    float *of_initial; /* (batch, size) */
};

static int any_token(const uint8_t *padding, int64_t n_texts) {
    for (int64_t i = 0; i < n_texts; i++)
        if (!padding[i])
            return 1;
    return 0;
}

/* Of `forward` and `backward`, with their scratch, for some of the texts; and the
   recurrent kernel in the order that each reads it in. */
struct kernel {
    size_t bytes_a_value;
    void (*pack_forward)(const void *recurrent, int64_t size, void *packed);
    void (*forward)(const void *arguments, int64_t first, int64_t n_rows,
                    const void *packed, void *scratch);
    void (*pack_backward)(const void *recurrent, int64_t size, void *packed);
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

/* Which of the kernels this processor runs, in their order, a bit each; none where the
   caller's structures are not those of this file. */
int gru_kernels(size_t bytes_of_forward, size_t bytes_of_backward) {
    if (bytes_of_forward != sizeof(struct forward) ||
        bytes_of_backward != sizeof(struct backward))
        return 0;
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

/* The blocks of texts that threads take one after the other. */
struct work {
    void (*function)(const void *, int64_t, int64_t, const void *, void *);
    const void *arguments, *packed;
    char *scratch;
    size_t bytes_a_block;
    int64_t batch, n_blocks;
    atomic_int_fast64_t next;
};

static void *work(void *given) {
    struct work *w = given;
    /* Numbers too small for a float's usual form count as zero: they are slow, and
       TensorFlow takes them so. */
    unsigned int before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    for (int64_t i; (i = atomic_fetch_add(&w->next, 1)) < w->n_blocks;) {
        int64_t first = w->batch * i / w->n_blocks;
        int64_t end = w->batch * (i + 1) / w->n_blocks;
        w->function(w->arguments, first, end - first, w->packed,
                    w->scratch + i * w->bytes_a_block);
    }
    _mm_setcsr(before);
    return NULL;
}

/* Of one size, as many for each thread, of FEWEST_ROWS to ROWS texts. */
static int64_t count_blocks(int64_t batch, int64_t n_threads) {
    int64_t fewest = (batch + ROWS - 1) / ROWS;
    int64_t most = (batch + FEWEST_ROWS - 1) / FEWEST_ROWS;
    int64_t n_blocks = (fewest + n_threads - 1) / n_threads * n_threads;
    return n_blocks < most ? n_blocks : most;
}

static void share_out(struct work *w, int64_t n_threads) {
    pthread_t threads[MOST_THREADS];
    int n_started = 0;
    if (n_threads > w->n_blocks)
        n_threads = w->n_blocks;
    if (n_threads > MOST_THREADS)
        n_threads = MOST_THREADS;
    while (n_started < n_threads - 1 &&
           !pthread_create(&threads[n_started], NULL, work, w))
        n_started++;
    work(w);
    while (n_started)
        pthread_join(threads[--n_started], NULL);
}

static void *allocate(size_t n_bytes) {
    return aligned_alloc(64, (n_bytes + 63) / 64 * 64);
}

/* Both give 0, or -1 where memory is lacking. */
int gru_forward(int number, int n_threads, const struct forward *a) {
    const struct kernel *kernel = kernels[number];
    struct work w = {kernel->forward, a, .batch = a->batch};
    w.n_blocks = count_blocks(a->batch, n_threads);
    w.bytes_a_block = 2 * ROWS * a->size * kernel->bytes_a_value;
    size_t n_bytes = 3 * a->size * a->size * kernel->bytes_a_value;
    char *memory = allocate(n_bytes + w.n_blocks * w.bytes_a_block);
    if (!memory)
        return -1;
    w.packed = memory;
    w.scratch = memory + n_bytes;
    kernel->pack_forward(a->recurrent, a->size, memory);
    share_out(&w, n_threads);
    free(memory);
    return 0;
}

int gru_backward(int number, int n_threads, const struct backward *a) {
    const struct kernel *kernel = kernels[number];
    struct work w = {kernel->backward, a, .batch = a->batch};
    w.n_blocks = count_blocks(a->batch, n_threads);
    /* The sums for the biases over all steps, and over one; and the largest states. */
    w.bytes_a_block = (2 * 4 + ROWS) * a->size * sizeof(float);
    size_t n_bytes = 3 * a->size * a->size * kernel->bytes_a_value;
    char *memory = allocate(n_bytes + w.n_blocks * w.bytes_a_block);
    if (!memory)
        return -1;
    w.packed = memory;
    w.scratch = memory + n_bytes;
    kernel->pack_backward(a->recurrent, a->size, memory);
    share_out(&w, n_threads);
    memset(a->of_biases, 0, 4 * a->size * sizeof(float));
    for (int64_t i = 0; i < w.n_blocks; i++) {
        const float *of_block = (const float *)(w.scratch + i * w.bytes_a_block);
        for (int64_t j = 0; j < 4 * a->size; j++)
            a->of_biases[j] += of_block[j];
    }
    free(memory);
    return 0;
}
