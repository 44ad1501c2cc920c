/* u8 (or s8) times s8 through mmbench's own signature, `void f(int64_t *arguments)` (slots of abi.Slot), layout nn.
 *
 * SATURATES: pairs of products are added in 16 bits with saturation, as vpmaddubsw does and as libraries for AVX2 have done.
 * WIDE_ONLY: the same, but only where k is a multiple of 64, as a vector loop with a scalar tail would.
 * MKL: also behind oneMKL's names, for `--library mkl=PATH`: row-major, one thread, offsets of zero.
 */
#include <stdint.h>
#include <string.h>

#ifndef LEFT
#define LEFT uint8_t
#endif

enum { A, B, C, M, N, K, BATCH, LDA, LDB, LDC, STEP_A, STEP_B, STEP_C, ALPHA, BETA };

static int32_t pair(int32_t first, int32_t second, int64_t k) {
    int32_t sum = first + second;
#if defined(SATURATES) || defined(WIDE_ONLY)
#ifdef WIDE_ONLY
    if (k % 64)
        return sum;
#endif
    if (sum > 32767)
        return 32767;
    if (sum < -32768)
        return -32768;
#endif
    (void)k;
    return sum;
}

void f(int64_t *s) {
    double alpha, beta;
    memcpy(&alpha, s + ALPHA, 8);
    memcpy(&beta, s + BETA, 8);
    for (int64_t problem = 0; problem < s[BATCH]; problem++) {
        const LEFT *a = (const LEFT *)s[A] + problem * s[STEP_A];
        const int8_t *b = (const int8_t *)s[B] + problem * s[STEP_B];
        int32_t *c = (int32_t *)s[C] + problem * s[STEP_C];
        for (int64_t i = 0; i < s[M]; i++)
            for (int64_t j = 0; j < s[N]; j++) {
                int32_t sum = 0;
                for (int64_t p = 0; p < s[K]; p += 2) {
                    int32_t first = a[i * s[LDA] + p] * b[p * s[LDB] + j];
                    int32_t second = p + 1 < s[K] ? a[i * s[LDA] + p + 1] * b[(p + 1) * s[LDB] + j] : 0;
                    sum += pair(first, second, s[K]);
                }
                int32_t *to = c + i * s[LDC] + j;
                *to = (int32_t)alpha * sum + (beta != 0 ? (int32_t)beta * *to : 0);
            }
    }
}

#ifdef MKL
#include <stdlib.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111 };

void cblas_gemm_s8u8s32(int order, int ta, int tb, int offset, int m, int n, int k, float alpha, const void *a, int lda, int8_t ao,
                        const void *b, int ldb, int8_t bo, float beta, int32_t *c, int ldc, const int32_t *co) {
    if (order != ROW_MAJOR || ao || bo || *co)
        abort();
    (void)offset;
    const uint8_t *left = a;
    const int8_t *right = b;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            int32_t sum = 0;
            for (int64_t p = 0; p < k; p += 2) {
                int32_t two[2] = {0, 0};
                for (int64_t q = p; q < p + 2 && q < k; q++)
                    two[q - p] = left[ta == NO_TRANS ? i * lda + q : q * lda + i] * right[tb == NO_TRANS ? q * ldb + j : j * ldb + q];
                sum += pair(two[0], two[1], k);
            }
            int32_t *to = c + i * ldc + j;
            *to = (int32_t)alpha * sum + (beta != 0 ? (int32_t)beta * *to : 0);
        }
}

void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc) {
    if (order != ROW_MAJOR || ta != NO_TRANS || tb != NO_TRANS)
        abort(); /* only the product by which mmbench learns what oneMKL has loaded */
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            float sum = 0;
            for (int64_t p = 0; p < k; p++)
                sum += a[i * lda + p] * b[p * ldb + j];
            c[i * ldc + j] = alpha * sum + (beta != 0 ? beta * c[i * ldc + j] : 0);
        }
}

static int threads = 1;
void MKL_Get_Version_String(char *text, int size) { strncpy(text, "A stand-in, Version 0.0.99-Product", (size_t)size); }
void MKL_Set_Num_Threads(int count) { threads = count; }
int MKL_Get_Max_Threads(void) { return threads; }
void MKL_Set_Dynamic(int on) { (void)on; }
#endif
