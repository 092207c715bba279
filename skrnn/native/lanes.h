/* Several floats at once: what the other files say of `vec` in the words of a
   processor's instructions. Included once for each kernel, which says in FEATURES
   what of them it takes, and defines AVX512 or leaves it out. */

#undef INLINE
#undef SEPARATE
#undef WIDTH
#undef vec
#undef SPLAT
#undef LOAD
#undef STORE
#undef ADD_PRODUCT
#undef SMALLER
#undef LARGER
#undef ROUND
#undef IF_EQUAL
#undef FLOOR
#undef CEIL
#undef POWER_OF_TWO

#define SEPARATE static __attribute__((target(FEATURES)))
#define INLINE static inline __attribute__((always_inline, target(FEATURES)))

#ifdef AVX512

#define WIDTH 16
#define vec __m512
#define SPLAT(x) _mm512_set1_ps(x)
#define LOAD(from) _mm512_loadu_ps(from)
#define STORE(to, x) _mm512_storeu_ps(to, x)
#define ADD_PRODUCT(sum, a, b) _mm512_fmadd_ps(a, b, sum)
#define SMALLER(a, b) _mm512_min_ps(a, b)
#define LARGER(a, b) _mm512_max_ps(a, b)
#define ROUND(x) _mm512_roundscale_ps(x, 8)
#define IF_EQUAL(a, b, then, otherwise) \
    _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), otherwise, then)
#define FLOOR(x) _mm512_roundscale_ps(x, 9)
#define CEIL(x) _mm512_roundscale_ps(x, 10)
#define POWER_OF_TWO(n)                    \
    _mm512_castsi512_ps(_mm512_slli_epi32( \
        _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23))

#else

#define WIDTH 8
#define vec __m256
#define SPLAT(x) _mm256_set1_ps(x)
#define LOAD(from) _mm256_loadu_ps(from)
#define STORE(to, x) _mm256_storeu_ps(to, x)
#define ADD_PRODUCT(sum, a, b) _mm256_fmadd_ps(a, b, sum)
#define SMALLER(a, b) _mm256_min_ps(a, b)
#define LARGER(a, b) _mm256_max_ps(a, b)
#define ROUND(x) _mm256_round_ps(x, 8)
#define IF_EQUAL(a, b, then, otherwise) \
    _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps(a, b, _CMP_EQ_OQ))
#define FLOOR(x) _mm256_round_ps(x, 9)
#define CEIL(x) _mm256_round_ps(x, 10)
#define POWER_OF_TWO(n)                    \
    _mm256_castsi256_ps(_mm256_slli_epi32( \
        _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23))

#endif
