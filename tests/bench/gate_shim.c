/* A BLAS that hands every product on to a real one, and then repeats a share of its work: it runs the clock on by SHARE of the time
   that the call took. Built twice, with SHARE 0 and with SHARE 0.03, it is an old side and a new one that differ in nothing else.
   REAL and PREFIX name the library and how it spells its functions. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <time.h>

#define STR_(x) #x
#define STR(x) STR_(x)
#define NAME_(prefix, name, suffix) STR_(prefix##name##suffix)
#define NAME(prefix, name, suffix) NAME_(prefix, name, suffix)

static void *real(const char *name) {
    static void *library;
    if (!library) library = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : 0;
}

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void again(int64_t began) {
    if (SHARE > 0) {
        int64_t ended = now_ns();
        int64_t until = ended + (int64_t)(SHARE * (double)(ended - began));
        while (now_ns() < until) { }
    }
}

#define GEMM(name, type)                                                                                                        \
    void cblas_##name(int order, int ta, int tb, int m, int n, int k, type alpha, const type *a, int lda, const type *b,       \
                      int ldb, type beta, type *c, int ldc) {                                                                  \
        static void (*call)(int, int, int, int, int, int, type, const type *, int, const type *, int, type, type *, int);      \
        if (!call) call = real(NAME(PREFIX, cblas_##name, SUFFIX));                                                            \
        int64_t began = now_ns();                                                                                              \
        call(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                                                     \
        again(began);                                                                                                          \
    }

GEMM(sgemm, float)
GEMM(dgemm, double)

void openblas_set_num_threads(int count) {
    void (*set)(int) = real(NAME(PREFIX, openblas_set_num_threads, SUFFIX));
    if (set) set(count);
}

int openblas_get_num_threads(void) {
    int (*get)(void) = real(NAME(PREFIX, openblas_get_num_threads, SUFFIX));
    return get ? get() : 1;
}
