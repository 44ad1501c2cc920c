/* A CBLAS with two products, row-major, that is right unless MANNER says otherwise: the deliberate faults that the gate must find.
 *
 * build.py compiles it once for each manner, with -DMANNER=... One source, so that the faulty libraries differ in their fault only.
 */
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum manner {
    right,
    writes_nothing,
    leaves_a_tail,
    writes_past_the_end,
    writes_before_the_beginning,
    writes_into_the_gap,
    writes_a,
    reads_past_the_end,
    reads_past_the_end_of_b,
    ignores_alpha,
    ignores_beta,
    adds_c,
    reads_c_at_beta_0,
    wrong_last_tile,
    transposes_a,
    transposes_c,
    ignores_lda,
    masks_nan,
    sums_in_half,
    rounds_operands,
    now_and_then,
    wrong_later,
    remembers,
    segfaults,
    illegal,
    aborts,
    exits,
    exits_later,
    divides_by_zero,
    hangs,
    hangs_later,
    runs_threads,
    runs_processes,
    leaks,
    leaks_a_little,
    prints,
    flushes_denormals,
    rounds_down,
};

static const enum manner manner = MANNER;
static volatile long calls;
static void *volatile lost;
static int copies = 1; /* what was asked for with openblas_set_num_threads */

static void *spin(void *unused) {
    (void)unused;
    for (volatile long i = 0;; i++) {
    }
    return NULL;
}

static void flush_denormals(void) { /* as crtfastmath.o does for whoever links with -ffast-math */
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#elif defined(__aarch64__)
    uint64_t word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    __asm__ volatile("msr fpcr, %0" : : "r"(word | 1 << 24));
#endif
}

/* Faults that need no arithmetic; those that end the process do so here. */
static void misbehave(void) {
    calls++;
    switch (manner) {
    case segfaults: {
        volatile int *nowhere = (int *)(uintptr_t)16;
        *nowhere = 1;
        break;
    }
    case illegal:
        raise(SIGILL);
        break;
    case divides_by_zero:
        raise(SIGFPE);
        break;
    case aborts:
        fprintf(stderr, "BLAS : Program is Terminated. Because you tried to allocate too many memory regions.\n");
        abort();
    case exits_later:
        if (calls < 200)
            break;
        /* falls through */
    case exits:
        exit(0);
    case hangs_later:
        if (calls < 200)
            break;
        /* falls through */
    case hangs:
        for (volatile long i = 0;; i++) {
        }
    case runs_threads:
        if (calls == 1) {
            pthread_t thread;
            pthread_create(&thread, NULL, spin, NULL);
        }
        break;
    case runs_processes:
        if (calls == 1 && fork() == 0)
            spin(NULL);
        break;
    case leaks:
        lost = malloc(4096);
        memset(lost, 1, 4096);
        break;
    case leaks_a_little:
        lost = malloc(256);
        memset(lost, 1, 256);
        break;
    case prints:
        if (calls < 100)
            printf("{\"result\": \"a library may print what it likes\"}\n"), fflush(stdout);
        break;
    case flushes_denormals:
        flush_denormals();
        break;
    case rounds_down:
        fesetround(FE_DOWNWARD);
        break;
    default:
        break;
    }
}

static float bfloat(float value) { /* rounded to the upper 16 bits of an f32 */
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

/* op(A)[i][p], as the caller stored it, or not. */
#define AT_A(i, p) (((trans_a == 112) != (manner == transposes_a && m == k)) ? a[(p) * lda + (i)] : a[(i) * lda + (p)])
#define AT_B(p, j) ((trans_b == 112) ? b[(j) * ldb + (p)] : b[(p) * ldb + (j)])

#define PRODUCT(NAME, REAL, NARROW)                                                                                                        \
    static REAL NAME##_sum(const REAL *a, const REAL *b, long m, long k, long lda, long ldb, int trans_a, int trans_b, long i, long j) {   \
        REAL total = 0;                                                                                                                    \
        NARROW narrow = 0;                                                                                                                 \
        for (long p = 0; p < k; p++) {                                                                                                     \
            REAL x = AT_A(i, p), y = AT_B(p, j);                                                                                           \
            if (manner == rounds_operands)                                                                                                 \
                x = bfloat((float)x), y = bfloat((float)y);                                                                            \
            total += x * y;                                                                                                                \
            narrow = (NARROW)(narrow + (NARROW)(x * y));                                                                                   \
        }                                                                                                                                  \
        if (manner == masks_nan && total != total)                                                                                         \
            return 0;                                                                                                                      \
        return manner == sums_in_half ? (REAL)narrow : total;                                                                              \
    }                                                                                                                                      \
    void cblas_##NAME(int order, int trans_a, int trans_b, int m_, int n_, int k_, REAL alpha, const REAL *a, int lda_, const REAL *b,     \
                      int ldb_, REAL beta, REAL *c, int ldc_) {                                                                            \
        long m = m_, n = n_, k = k_, lda = lda_, ldb = ldb_, ldc = ldc_;                                                                   \
        static const REAL *last_a, *last_b;                                                                                                \
        static REAL *last_c;                                                                                                               \
        (void)order;                                                                                                                       \
        misbehave();                                                                                                                       \
        if (m <= 0 || n <= 0 || manner == writes_nothing)                                                                                  \
            return;                                                                                                                        \
        if (manner == remembers && calls > 200 && a == last_a && b == last_b && c == last_c)                                               \
            return;                                                                                                                        \
        last_a = a, last_b = b, last_c = c;                                                                                                \
        if (manner == ignores_lda)                                                                                                         \
            lda = trans_a == 112 ? m : k;                                                                                                  \
        if (manner == ignores_alpha)                                                                                                       \
            alpha = 1;                                                                                                                     \
        if (manner == ignores_beta)                                                                                                        \
            beta = 0;                                                                                                                      \
        if (manner == adds_c && beta != 0)                                                                                                 \
            beta = 1;                                                                                                                      \
        volatile REAL sink = 0;                                                                                                            \
        if (manner == reads_past_the_end && k > 0)                                                                                         \
            sink = trans_a == 112 ? a[(k - 1) * lda + m] : a[(m - 1) * lda + k];                                                           \
        if (manner == reads_past_the_end_of_b && k > 0)                                                                                    \
            sink = trans_b == 112 ? b[(n - 1) * ldb + k] : b[(k - 1) * ldb + n];                                                           \
        (void)sink;                                                                                                                        \
        for (long i = 0; i < m; i++)                                                                                                       \
            for (long j = 0; j < n; j++) {                                                                                                 \
                if (manner == leaves_a_tail && n > 8 && j >= n / 8 * 8)                                                                    \
                    continue;                                                                                                              \
                REAL sum = alpha != 0 ? alpha * NAME##_sum(a, b, m, k, lda, ldb, trans_a, trans_b, i, j) : 0;                              \
                REAL *to = manner == transposes_c && m == n ? c + j * ldc + i : c + i * ldc + j;                                           \
                if (manner == wrong_last_tile && n > 8 && j >= n / 8 * 8 && i == m - 1)                                                    \
                    sum += 1;                                                                                                              \
                *to = beta != 0 || manner == reads_c_at_beta_0 ? sum + beta * *to : sum;                                                   \
            }                                                                                                                              \
        if ((manner == now_and_then && calls % 7 == 0) || (manner == wrong_later && calls > 200))                                          \
            c[(m - 1) * ldc + n / 2] += 1;                                                                                                 \
        if (manner == writes_past_the_end)                                                                                                 \
            c[(m - 1) * ldc + n] = 0;                                                                                                      \
        if (manner == writes_before_the_beginning)                                                                                         \
            c[-1] = 0;                                                                                                                     \
        if (manner == writes_into_the_gap && ldc > n && m > 1)                                                                             \
            c[n] = 0;                                                                                                                      \
        if (manner == writes_a && k > 0)                                                                                                   \
            ((REAL *)a)[0] += 1;                                                                                                           \
    }

PRODUCT(sgemm, float, _Float16)
PRODUCT(dgemm, double, float)

char *openblas_get_config(void) { return "OpenBLAS 0.0.99 " NAME_OF_MANNER; }
char *openblas_get_corename(void) { return "Broken"; }
void openblas_set_num_threads(int count) { copies = count; }
int openblas_get_num_threads(void) { return copies; }
int openblas_get_parallel(void) { return 1; }
