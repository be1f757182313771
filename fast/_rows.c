/* Sums of a matrix that a sketch of full depth needs of every value: signed sums of its rows, and sums of powers.

   A row is multiplied with 48 columns of signs. Of four values there are only 16 signed sums: these are added up once,
   in a table, and every column of signs takes one of them, which is a quarter of the additions of a product of
   matrices. Sixteen rows lie side by side in a register. Sums are taken in one order on every machine. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAS_KERNEL 1
#define AVX512 __attribute__((target("avx512f")))
#define INLINE static inline __attribute__((always_inline))
#endif

enum {
    LANES = 16,                    /* rows at a time */
    SIGNS = 48,                    /* signed sums of a row */
    CHUNK = 64,                    /* columns at a time: their tables fit the nearest cache */
    FOURS = CHUNK / 4,             /* tables of a chunk */
    RUN = 8,                       /* chunks whose first two powers are added in float32 before float64 takes over */
    PLACES = SIGNS * FOURS,        /* places in the tables that a chunk needs */
    IN_TABLES = FOURS * 1024 - 64, /* the bits of a place: a register of one of 16 sums of one table */
};

#ifdef HAS_KERNEL

enum type { FLOAT32, BFLOAT16, FLOAT16 };

/* Sixteen neighbours of a row as float32, which is exact. */
AVX512 INLINE __m512 widened(const char *row, int column, enum type type)
{
    if (type == FLOAT32)
        return _mm512_loadu_ps((const float *)row + column);
    const __m256i bits = _mm256_loadu_si256((const __m256i *)((const uint16_t *)row + column));
    if (type == FLOAT16)
        return _mm512_cvtph_ps(bits);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

/* Columns of 16 rows as registers of 16 values: four rounds that interleave the halves. */
AVX512 INLINE void turned(const char *const rows[LANES], int column, enum type type, __m512 *out)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    __m512 a[LANES], b[LANES];
    for (int i = 0; i < LANES; i++)
        a[i] = widened(rows[i], column, type);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < LANES / 2; i++) {
            b[2 * i] = _mm512_permutex2var_ps(a[i], low, a[i + LANES / 2]);
            b[2 * i + 1] = _mm512_permutex2var_ps(a[i], high, a[i + LANES / 2]);
        }
        for (int i = 0; i < LANES; i++)
            a[i] = b[i];
    }
    for (int i = 0; i < LANES; i++)
        out[i] = a[i];
}

/* The 16 signed sums of four values: those of -x lie as far from the end as those of x from the beginning. */
AVX512 INLINE void signed_sums(const __m512 *x, __m512 *table)
{
    const __m512 zero = _mm512_setzero_ps();
    const __m512 p = _mm512_add_ps(x[0], x[1]), m = _mm512_sub_ps(x[0], x[1]);
    const __m512 q = _mm512_add_ps(x[2], x[3]), n = _mm512_sub_ps(x[2], x[3]);
    table[0] = _mm512_add_ps(p, q);
    table[1] = _mm512_add_ps(p, n);
    table[2] = _mm512_sub_ps(p, n);
    table[3] = _mm512_sub_ps(p, q);
    table[4] = _mm512_add_ps(m, q);
    table[5] = _mm512_add_ps(m, n);
    table[6] = _mm512_sub_ps(m, n);
    table[7] = _mm512_sub_ps(m, q);
    for (int i = 0; i < 8; i++)
        table[15 - i] = _mm512_sub_ps(zero, table[i]);
}

/* Add x, x**2, x**3 and x**4 of 64 registers. */
AVX512 INLINE void add_powers(const __m512 *x, __m512 sums[4])
{
    for (int i = 0; i < CHUNK; i++) {
        const __m512 square = _mm512_mul_ps(x[i], x[i]);
        sums[0] = _mm512_add_ps(sums[0], x[i]);
        sums[1] = _mm512_add_ps(sums[1], square);
        sums[2] = _mm512_fmadd_ps(square, x[i], sums[2]);
        sums[3] = _mm512_fmadd_ps(square, square, sums[3]);
    }
}

/* Float64 takes over. Low bits are lost alike, always to one side where values have few bits, in sums of equally many
   values: as NumPy adds them, 512 in a lane for the first two powers and 64 for the others. */
AVX512 INLINE void widen_into(__m512d wide[4], __m512 sums[4], int first, int last)
{
    for (int k = first; k < last; k++) {
        const __m256 upper = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sums[k]), 1));
        wide[k] = _mm512_add_pd(wide[k], _mm512_cvtps_pd(_mm512_castps512_ps256(sums[k])));
        wide[k] = _mm512_add_pd(wide[k], _mm512_cvtps_pd(upper));
        sums[k] = _mm512_setzero_ps();
    }
}

AVX512 INLINE void add_rows(
    const char *values, enum type type, Py_ssize_t count, Py_ssize_t width, const uint16_t *places, float *projected,
    double *powers)
{
    static const float nothing[CHUNK];
    const Py_ssize_t size = type == FLOAT32 ? 4 : 2;
    __m512 columns[CHUNK], tables[16 * FOURS], total[SIGNS];
    __m512 sums[4];
    __m512d wide[4];
    Py_ssize_t added = 0; /* chunks */
    for (int k = 0; k < 4; k++) {
        sums[k] = _mm512_setzero_ps();
        wide[k] = _mm512_setzero_pd();
    }
    for (Py_ssize_t first = 0; first < count; first += LANES) {
        for (int j = 0; j < SIGNS; j++)
            total[j] = _mm512_setzero_ps();
        for (Py_ssize_t column = 0; column < width; column += CHUNK) {
            const char *rows[LANES];
            for (int i = 0; i < LANES; i++)
                rows[i] = first + i < count ? values + ((first + i) * width + column) * size : (const char *)nothing;
            for (int part = 0; part < CHUNK; part += LANES)
                turned(rows, part, type, columns + part);
            add_powers(columns, sums);
            if (++added % RUN == 0)
                widen_into(wide, sums, 0, 2);
            widen_into(wide, sums, 2, 4);
            for (int four = 0; four < FOURS; four++)
                signed_sums(columns + 4 * four, tables + 16 * four);
            const uint16_t *place = places + column / CHUNK * PLACES;
            for (int j = 0; j < SIGNS; j++, place += FOURS) {
                __m512 even = total[j], odd = _mm512_setzero_ps();
                for (int four = 0; four < FOURS; four += 2) {
                    even = _mm512_add_ps(even, *(const __m512 *)((const char *)tables + (place[four] & IN_TABLES)));
                    odd = _mm512_add_ps(odd, *(const __m512 *)((const char *)tables + (place[four + 1] & IN_TABLES)));
                }
                total[j] = _mm512_add_ps(even, odd);
            }
        }
        for (int i = 0; i < LANES && first + i < count; i++)
            for (int j = 0; j < SIGNS; j++)
                projected[(first + i) * SIGNS + j] = ((const float *)(total + j))[i];
    }
    widen_into(wide, sums, 0, 2);
    for (int k = 0; k < 4; k++)
        powers[k] += _mm512_reduce_add_pd(wide[k]);
}

AVX512 static void add_float32(const char *x, Py_ssize_t n, Py_ssize_t w, const uint16_t *at, float *to, double *sums)
{
    add_rows(x, FLOAT32, n, w, at, to, sums);
}

AVX512 static void add_bfloat16(const char *x, Py_ssize_t n, Py_ssize_t w, const uint16_t *at, float *to, double *sums)
{
    add_rows(x, BFLOAT16, n, w, at, to, sums);
}

AVX512 static void add_float16(const char *x, Py_ssize_t n, Py_ssize_t w, const uint16_t *at, float *to, double *sums)
{
    add_rows(x, FLOAT16, n, w, at, to, sums);
}

static int is_usable(void)
{
    return __builtin_cpu_supports("avx512f");
}

#else

static int is_usable(void)
{
    return 0;
}

#endif

static PyObject *usable(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(is_usable());
}

static PyObject *add(PyObject *self, PyObject *given)
{
    Py_buffer values, places, projected, powers;
    Py_ssize_t width, count = 0, size;
    const char *type;
    if (!PyArg_ParseTuple(given, "y*sny*w*w*", &values, &type, &width, &places, &projected, &powers))
        return NULL;
    const int is_bfloat16 = !strcmp(type, "bfloat16"), is_float16 = !strcmp(type, "float16");
    size = is_bfloat16 || is_float16 ? 2 : 4;
    if (width > 0)
        count = values.len / size / width;
    if (!is_usable())
        PyErr_SetString(PyExc_RuntimeError, "this CPU has no AVX-512");
    else if (!is_bfloat16 && !is_float16 && strcmp(type, "float32"))
        PyErr_SetString(PyExc_ValueError, "values of an unknown type");
    else if (
        width <= 0 || count <= 0 || width % CHUNK || values.len != count * width * size ||
        places.len != width / CHUNK * PLACES * (Py_ssize_t)sizeof(uint16_t) ||
        projected.len != count * SIGNS * (Py_ssize_t)sizeof(float) || powers.len != 4 * (Py_ssize_t)sizeof(double))
        PyErr_SetString(PyExc_ValueError, "the sizes of these arrays do not fit one another");
#ifdef HAS_KERNEL
    else {
        Py_BEGIN_ALLOW_THREADS
        (is_bfloat16 ? add_bfloat16 : is_float16 ? add_float16 : add_float32)(
            values.buf, count, width, places.buf, projected.buf, powers.buf);
        Py_END_ALLOW_THREADS
    }
#endif
    PyBuffer_Release(&values);
    PyBuffer_Release(&places);
    PyBuffer_Release(&projected);
    PyBuffer_Release(&powers);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"usable", usable, METH_NOARGS, "Whether this CPU has the instructions that `add` is made of."},
    {"add", add, METH_VARARGS,
     "add(values, type, width, places, projected, powers)\n\n"
     "Write the signed sums of rows, float32 (n, 48), of `values`, (n, width) of float32, bfloat16 or float16, and add\n"
     "the sums of the first four powers of all to `powers`, float64 (4,). `places` is uint16 (width / 64, 48, 16): for each chunk,\n"
     "column of signs and four values 1024 times the number of the four and 64 times its sum. All lie in C order.\n"
     "Raises ValueError where sizes do not fit, RuntimeError unless `usable`."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_rows", .m_size = 0, .m_methods = methods};

PyMODINIT_FUNC PyInit__rows(void)
{
    return PyModule_Create(&module);
}
