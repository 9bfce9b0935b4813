/* Reads `.dcz` files; dcz.h says how to use it, docs/format.md what the files look like.
 *
 * How it stays within its buffers
 *
 * - Whatever is read goes through a `reader`, which knows its end. What would pass it
 *   sets the reader's status and gives zeros from then on, so that only loops ask for the
 *   status, and what they end with.
 * - Memory comes from the caller. Where there is too little, `take` counts on and gives
 *   NULL: of an array of version 1 the rest is then passed over instead of decoded, so
 *   that all of its need is known at once.
 * - Sizes that a listing tells are checked once, when the file is opened: the bytes of an
 *   array are at most PTRDIFF_MAX, those of a section lie in the file.
 * - A code is complete, or it is refused: whatever bits there are begin with a code.
 *
 * An array is decoded with its lowest bytes first on every machine, and only then turned
 * into the machine's own order. */
#include "dcz.h"

/* As <string.h> has them, which is not there where no C library is. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

/* GCC makes larger code of a large function inside of another. */
#ifdef __GNUC__
#define APART __attribute__((noinline))
#else
#define APART
#endif

/* It also copies what follows a condition, to save a jump, even where size is asked for. */
#if defined __OPTIMIZE_SIZE__ && defined __GNUC__ && !defined __clang__
#pragma GCC optimize("no-thread-jumps")
#endif

/* What -DDCZ_SMALL leaves out is not compiled where a condition has IS_SMALL in it. */
#ifdef DCZ_SMALL
enum { IS_SMALL = 1 };
typedef uint32_t pattern;
#else
enum { IS_SMALL = 0 };
typedef uint64_t pattern; /* the bits of an element */
#endif

enum {
    MAX_CODE_LENGTH = 20,
    MAX_ALPHABET = 65536
};

/* ---- Bytes ------------------------------------------------------------------ */

typedef struct {
    const uint8_t *at, *end;
    dcz_status status;
    unsigned held; /* the bits that are left of a byte, below a 1 that ends them */
} reader;

APART static void refuse(reader *r, dcz_status status)
{
    r->at = r->end;
    if (r->status == DCZ_OK)
        r->status = status;
}

APART static void fail(reader *r)
{
    refuse(r, DCZ_ERROR_CORRUPT);
}

/* The next n bytes; not to be looked at where the reader has failed. */
static const uint8_t *bytes(reader *r, size_t n)
{
    const uint8_t *at = r->at;
    if (n > (size_t)(r->end - at))
        fail(r);
    else
        r->at += n;
    return at;
}

/* n bytes as a number, the lowest first. */
static pattern get(const uint8_t *from, size_t n)
{
    pattern word = 0;
    while (n--)
        word = word << 8 | from[n];
    return word;
}

static void put(uint8_t *to, pattern word, size_t n)
{
    for (; n--; word >>= 8)
        *to++ = (uint8_t)word;
}

static pattern number(reader *r, size_t n)
{
    const uint8_t *at = bytes(r, n);
    return r->status ? 0 : get(at, n);
}

static unsigned byte(reader *r)
{
    const uint8_t *at = bytes(r, 1);
    return r->status ? 0 : *at;
}

/* At most PTRDIFF_MAX: whatever is counted or measured by it has to be addressed. */
static size_t varint(reader *r)
{
    const unsigned n_bits = 8 * sizeof(size_t) - 1;
    size_t value = 0;
    unsigned shift = 0, next;
    do {
        next = byte(r);
        value |= (size_t)(next & 127) << shift;
        shift += 7;
    } while (next > 127 && shift < n_bits);
    if (next == 0 && shift > 7)
        fail(r);
    if (next > 127 || (shift > n_bits && next >> (n_bits + 7 - shift)))
        refuse(r, n_bits < 63 ? DCZ_ERROR_TOO_LARGE : DCZ_ERROR_CORRUPT);
    return r->status ? 0 : value;
}

static int is_utf8(const uint8_t *at, size_t n)
{
    uint32_t character = 0;
    unsigned more = 0, left = 0;
    for (; n--; at++) {
        const unsigned next = *at;
        if (left) {
            character = character << 6 | (next & 63);
            /* Nothing else, longer than needed, half of a pair, or above the last one. */
            if (next >> 6 != 2 ||
                (--left == 0 && (character >> (5 * more + 1) == 0 ||
                                 character >> 11 == 0x1B || character > 0x10FFFF)))
                return 0;
        } else if (next > 127) {
            if (next < 0xC2)
                return 0;
            left = more = next < 0xE0 ? 1 : next < 0xF0 ? 2 : 3;
            character = next & 0x7F >> more;
        }
    }
    return left == 0;
}

static const uint8_t *string(reader *r, size_t *size)
{
    const size_t n = varint(r);
    const uint8_t *at = bytes(r, n);
    *size = r->status ? 0 : n;
    if (!IS_SMALL && !is_utf8(at, *size))
        fail(r);
    return at;
}

typedef struct dcz_seal seal;

static dcz_status check(const seal *s)
{
    enum { N_BITS = IS_SMALL ? 4 : 8, N = 1 << N_BITS }; /* at a time */
    uint32_t crc = UINT32_MAX, table[N];
    for (uint32_t i = 0; i < N; i++) {
        table[i] = i;
        for (unsigned bit = N_BITS; bit--;)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? UINT32_C(0xEDB88320) : 0);
    }
    for (size_t i = 0; i < s->size; i++) {
        crc ^= s->data[i];
        for (unsigned bit = 0; bit < 8; bit += N_BITS)
            crc = crc >> N_BITS ^ table[crc % N];
    }
    return ~crc == s->checksum ? DCZ_OK : DCZ_ERROR_CHECKSUM;
}

/* Size and checksum of bytes that come next in `body`. */
static void read_seal(reader *r, reader *body, seal *s)
{
    s->size = varint(r);
    s->checksum = (uint32_t)number(r, 4);
    s->data = bytes(body, s->size);
    if (body->status)
        fail(r);
}

/* One of several words, each of which is ended by a 0. */
static const char *word(const char *words, unsigned index)
{
    while (index--)
        while (*words++)
            ;
    return words;
}

/* ---- Memory ----------------------------------------------------------------- */

enum { ALIGNMENT = 8 };

APART static void borrow(dcz_scratch *s)
{
    s->needed = s->used = 0;
    if (!s->memory)
        s->size = 0;
}

/* Room for n things, for as long as `used` is not put back. */
static void *take(dcz_scratch *s, size_t n, size_t size)
{
    /* Wherever the memory begins. */
    const size_t skip = (size_t)(-(uintptr_t)s->memory % ALIGNMENT), begin = s->used + skip;
    if (n > (SIZE_MAX / 4 - s->used) / size) {
        s->needed = SIZE_MAX;
        return NULL;
    }
    s->used += (n * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (s->needed < s->used + ALIGNMENT - 1)
        s->needed = s->used + ALIGNMENT - 1;
    return s->needed <= s->size ? (uint8_t *)s->memory + begin : NULL;
}

static int is_short(const dcz_scratch *s)
{
    return s->needed > s->size;
}

/* The answer to a call that ends with `status`. */
static dcz_status repay(const dcz_scratch *s, dcz_status status)
{
    return status == DCZ_OK && is_short(s) ? DCZ_ERROR_SCRATCH : status;
}

/* ---- The listing ------------------------------------------------------------ */

/* An array, a part or an asset. */
struct dcz_entry {
    const uint8_t *layer, *leaf;
    size_t layer_size, leaf_size;
    seal seal; /* of an array its lengths, and how many elements it has */
    uint8_t dtype, rank, itemsize, is_assets;
    size_t section;
    size_t before; /* the last length of the array listed before, or NONE */
};

struct dcz_section {
    seal seal;
    size_t first, count;
};

typedef struct dcz_entry entry;
typedef struct dcz_section section;

static const size_t NONE = SIZE_MAX;

/* Bytes of all names together, each with that of its layer. */
static const size_t MAX_NAMES = (size_t)1 << 24;

/* The byte of a name at a place, or -1 where it ends. */
static int name_at(const entry *e, size_t i)
{
    if (e->layer_size) {
        if (i <= e->layer_size)
            return i < e->layer_size ? e->layer[i] : '/';
        i -= e->layer_size + 1;
    }
    return i < e->leaf_size ? e->leaf[i] : -1;
}

static int compare(const entry *a, const entry *b)
{
    for (size_t i = 0;; i++) {
        const int first = name_at(a, i), second = name_at(b, i);
        if (first != second || first < 0)
            return first - second;
    }
}

/* Whether n entries have n names. Sorts them, by way of `sorted`, in Pratt's order: the
 * gaps are all products of twos and threes, each after its double and its triple, so that
 * what is out of order then is out of order by one gap, and a swap is enough. That takes
 * n log^2 n steps whatever the names are, and few bytes. */
static int are_different(const entry *entries, size_t n, const entry **sorted)
{
    size_t twos = 1;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &entries[i];
    while (twos < n)
        twos *= 2;
    for (; twos; twos /= 2) {
        size_t gap = twos;
        while (gap < n)
            gap *= 3;
        for (; gap >= twos; gap /= 3)
            for (size_t i = gap; i < n; i++) {
                const entry *last = sorted[i];
                if (compare(sorted[i - gap], last) > 0) {
                    sorted[i] = sorted[i - gap];
                    sorted[i - gap] = last;
                }
            }
    }
    for (size_t i = 1; i < n; i++)
        if (compare(sorted[i - 1], sorted[i]) == 0)
            return 0;
    return 1;
}

/* Whether a file is of version 2, which a decoder without context coding does not open. */
static int is_new(const dcz_file *f)
{
#ifdef DCZ_NO_CONTEXT
    (void)f;
    return 0;
#else
    return f->version == 2;
#endif
}

/* The next length of a shape. */
static size_t read_length(reader *r, const dcz_file *f, size_t before)
{
    size_t length = varint(r);
    if (is_new(f) && length-- == 0) {
        if (before == NONE)
            fail(r);
        length = before;
    }
    return r->status ? 0 : length;
}

/* What a listing is read by. Entries and sections are written where they belong, or over
 * each other where they are only counted. */
typedef struct {
    reader r, body; /* the bytes of what is listed */
    seal head;
    entry *e;
    section *s;
    size_t before; /* the last length listed */
    size_t names_size;
} lister;

/* Reads an array of a layer. */
APART static void read_entry(dcz_file *f, lister *l)
{
    static const uint8_t COMMON[] = "\6kernel\4bias\5gamma\4beta\13moving_mean"
                                    "\17moving_variance\12embeddings\20recurrent_kernel"
                                    "\20depthwise_kernel\20pointwise_kernel";
    static const uint8_t ITEMSIZES[DCZ_N_DTYPES] = {1, 1, 1, 2, 2, 4,  4, 8, 8,
                                                    2, 4, 8, 8, 16, 2, 1, 1};
    reader *const r = &l->r;
    entry *e = l->e;
    size_t common = varint(r);
    reader words = {COMMON, COMMON + sizeof COMMON - 1, DCZ_OK, 0};
    if (IS_SMALL && common) {
        e->leaf = r->at;
        e->leaf_size = common = 0;
    } else {
        do
            e->leaf = string(common ? &words : r, &e->leaf_size);
        while (common && --common && !words.status);
    }
    if (words.status)
        fail(r);
    const unsigned kind = byte(r), dtype = kind / 8;
    size_t rank = kind % 8;
    if (IS_SMALL && (rank == 7 || dtype != DCZ_FLOAT32))
        refuse(r, DCZ_ERROR_LEFT_OUT);
    if (rank == 7 && (rank = varint(r)) < 7)
        fail(r);
    if (dtype >= DCZ_N_DTYPES || rank > DCZ_MAX_RANK)
        fail(r);
    if (r->status)
        return;
    e->dtype = (uint8_t)dtype;
    e->itemsize = IS_SMALL ? sizeof(float) : ITEMSIZES[dtype];
    e->rank = (uint8_t)rank;
    e->seal.data = r->at;
    if (is_new(f)) {
        e->before = l->before;
        l->before = NONE;
    }
    /* An axis of length 0 hides nothing: so no product of lengths ever overflows. */
    size_t all = e->itemsize, n = 1;
    while (rank--) {
        const size_t last = read_length(r, f, e->before);
        if (is_new(f))
            l->before = last;
        n *= last;
        if (last) {
            if (all > (size_t)PTRDIFF_MAX / last)
                refuse(r, DCZ_ERROR_TOO_LARGE);
            all *= last;
        }
    }
    e->seal.size = n;
    f->n_bytes += n * e->itemsize;
    if (f->n_bytes > INT64_MAX)
        refuse(r, DCZ_ERROR_TOO_LARGE);
}

/* Reads a part. */
static void read_part(lister *l)
{
    const uint64_t assets = 0x737465737361; /* the word, as a number */
    reader *const r = &l->r;
    entry *e = l->e;
    e->layer_size = 0;
    const uint8_t *name = e->leaf = string(r, &e->leaf_size);
    for (size_t i = 0; !IS_SMALL && i < e->leaf_size; i++) {
        const unsigned c = name[i];
        if (c != '-' && c - '0' > 9 && c - 'a' > 25)
            fail(r);
    }
    e->is_assets = !IS_SMALL && e->leaf_size == 6 && get(e->leaf, 6) == assets;
    const unsigned need = byte(r);
    read_seal(r, &l->body, &e->seal);
    if (e->leaf_size - 1 > 31 || need > 1 || e->seal.size == 0)
        fail(r);
    if (need && !e->is_assets)
        refuse(r, DCZ_ERROR_VERSION);
}

/* Reads a listing to its end. */
APART static void read_listing(dcz_file *f, lister *l)
{
    reader *const r = &l->r;
    l->before = NONE;
    f->n_arrays = f->n_sections = f->n_parts = 0;
    f->n_bytes = 0;
    if (!is_new(f))
        f->architecture.size = varint(r);
    if (f->architecture.size) {
        if (!is_new(f))
            f->architecture.checksum = (uint32_t)number(r, 4);
        f->architecture_plain_size = varint(r);
    }
    for (size_t left = varint(r) + (size_t)is_new(f); left && !r->status; left--) {
        size_t layers = 1;
        l->s->first = f->n_arrays;
        if (is_new(f)) {
            if (f->n_sections)
                read_seal(r, &l->body, &l->s->seal);
            else
                l->s->seal = l->head;
            layers = varint(r);
        }
        for (; layers && !r->status; layers--) {
            entry layer;
            layer.layer = string(r, &layer.layer_size);
            size_t n = varint(r);
            if (!is_new(f))
                read_seal(r, &l->body, &l->s->seal);
            for (; n && !r->status; n--) {
                entry *e = l->e;
                e->layer = layer.layer;
                e->layer_size = layer.layer_size;
                e->section = f->n_sections;
                read_entry(f, l);
                l->names_size += e->layer_size + (e->layer_size != 0) + e->leaf_size;
                if (l->names_size > MAX_NAMES)
                    fail(r);
                if (f->entries)
                    l->e++;
                f->n_arrays++;
            }
        }
        l->s->count = f->n_arrays - l->s->first;
        if (f->entries)
            l->s++;
        f->n_sections++;
    }
    if (!is_new(f))
        f->architecture.data = bytes(&l->body, f->architecture.size);
    while (r->at < r->end) {
        read_part(l);
        if (f->entries)
            l->e++;
        f->n_parts++;
    }
    if (l->body.at != l->body.end || l->body.status)
        fail(r);
}

/* ---- Huffman codes ---------------------------------------------------------- */

/* The lowest bit of a byte comes first. */
static unsigned take_bit(reader *r)
{
    if (r->held <= 1)
        r->held = byte(r) | 256;
    const unsigned bit = r->held & 1;
    r->held >>= 1;
    return bit;
}

APART static unsigned take_bits(reader *r, unsigned n)
{
    unsigned result = 0;
    for (unsigned i = 0; i < n; i++)
        result |= take_bit(r) << i;
    return result;
}

/* What fills the last byte has to be 0. */
APART static void end_bits(reader *r)
{
    if (r->held & (r->held - 1))
        fail(r);
    r->held = 0;
}

/* Symbols that are read one after the other from their streams. There is no table to look
 * them up in, which would take more code and memory than all the rest. */
typedef struct {
    reader r;
    reader sizes;              /* of the streams */
    size_t left, n, n_streams; /* in this stream, and behind it */
    const uint16_t *ranked;    /* the used symbols in the order of their codes */
    uint32_t count[MAX_CODE_LENGTH + 1]; /* codes of each length */
} symbols;

/* An array that is decoded. */
typedef struct {
    reader r;     /* what it is decoded from */
    /* Where to, or who is told of the elements that are stored. Neither: they are passed
     * over. Both: whoever is told is so once all are decoded. */
    uint8_t *out;
    dcz_visitor *visit;
    void *to;
    dcz_scratch *scratch;
    const entry *e;
    size_t itemsize, n; /* n elements */
    /* The elements that are stored: all of them, or those that gaps lead to. */
    size_t stored;
    size_t escapes; /* gaps behind which nothing is stored: the widest, or 0 */
    uint32_t escape;
    unsigned flags, are_coded; /* the values are */
    symbols values, gaps;
    size_t shape[DCZ_MAX_RANK];
} target;

static int is_wanted(const target *t)
{
    return t->out || t->visit;
}

static void pass_over(target *t)
{
    t->out = NULL;
    t->visit = NULL;
}

/* Decodes to memory what cannot be told of element by element. */
APART static void decode_first(target *t)
{
    if (!t->visit)
        return;
    t->out = take(t->scratch, t->n, t->itemsize);
    if (!t->out)
        pass_over(t);
}

/* Reads the lengths of a code. Counts them up from `next`; those are the places of the
 * symbols in `ranked`, if there is one. */
static void read_lengths(reader *r, size_t n_symbols, uint32_t *next, uint16_t *ranked)
{
    const int is_alone = n_symbols == 1; /* there is no table */
    unsigned last = (unsigned)is_alone, after_run = 0;
    while ((n_symbols - 1) >> last)
        last++;
    for (size_t s = 0; s < n_symbols && !r->status; s++) {
        unsigned ones = 0;
        while (!is_alone && ones < 4 && take_bit(r))
            ones++;
        if (ones == 3) {
            unsigned tail = 0;
            while (tail < 17 && !take_bit(r))
                tail++;
            const size_t run = ((size_t)1 << tail) + take_bits(r, tail);
            if (run > n_symbols - s || after_run)
                fail(r);
            after_run = 1;
            s += run - 1;
            continue;
        }
        after_run = 0;
        if (ones == 4) {
            const unsigned length = take_bits(r, 5) + 1;
            if (length + 1 - last < 3)
                fail(r);
            last = length;
        } else {
            last += ones == 2 ? 0u - 1 : ones;
        }
        if (last - 1 >= MAX_CODE_LENGTH) {
            fail(r);
            break;
        }
        if (ranked)
            ranked[next[last]] = (uint16_t)s;
        next[last]++;
    }
    end_bits(r);
}

/* Reads n coded symbols, and goes on behind them. If there is no room for what they are to
 * be decoded with, all that follows of the array is passed over. */
static void read_symbols(target *t, symbols *s, size_t n_symbols, size_t n)
{
    reader *r = &t->r, again = *r;
    memset(s, 0, sizeof *s);
    read_lengths(r, n_symbols, s->count, NULL);
    uint32_t used = 0, code = 0, next[MAX_CODE_LENGTH + 1];
    for (unsigned length = 1; length <= MAX_CODE_LENGTH; length++) {
        next[length] = used;
        used += s->count[length];
        /* No more than is too much already. */
        if (code <= UINT32_C(1) << MAX_CODE_LENGTH)
            code = code * 2 + s->count[length];
    }
    s->n = n;
    s->n_streams = n < 65536 ? 1 : 4 * (((n - 1) >> 22) + 1);
    if (used == 1 && s->count[1]) {
        /* A code of no bits, in a stream of no bytes. */
        s->count[0] = 1;
        s->left = n;
    } else {
        size_t total = 0;
        if (code != UINT32_C(1) << MAX_CODE_LENGTH)
            fail(r);
        s->sizes = *r;
        for (size_t i = s->n_streams; i && !r->status; i--) {
            total += varint(r);
            if (total > (size_t)(r->end - r->at))
                fail(r);
        }
        s->r.at = s->r.end = bytes(r, total);
    }
    uint16_t *ranked = take(t->scratch, used, sizeof *ranked);
    s->ranked = ranked;
    if (!ranked)
        pass_over(t);
    if (is_wanted(t) && !r->status)
        read_lengths(&again, n_symbols, next, ranked);
}

static uint32_t next_symbol(symbols *s)
{
    if (s->left == 0) {
        s->left = (s->n - 1) / s->n_streams + 1;
        s->n -= s->left;
        s->n_streams--;
        s->r.end += varint(&s->sizes);
    }
    const uint32_t *count = s->count;
    const uint16_t *ranked = s->ranked;
    uint32_t code = 0;
    unsigned held = s->r.held;
    while (code >= *count) {
        code -= *count;
        ranked += *count++;
        if (held <= 1) /* take_bit once more, which is not called for each bit so */
            held = byte(&s->r) | 256;
        code = code * 2 + (held & 1);
        held >>= 1;
    }
    s->r.held = held;
    if (--s->left == 0) {
        end_bits(&s->r);
        if (s->r.at != s->r.end)
            fail(&s->r);
    }
    return ranked[code];
}

/* ---- Arrays of version 1 ---------------------------------------------------- */

/* n bytes, as they are or coded: where they are, or NULL. */
APART static const uint8_t *read_bytes(target *t, unsigned are_coded, size_t n)
{
    t->are_coded = are_coded;
    if (!are_coded)
        return bytes(&t->r, n);
    read_symbols(t, &t->values, 256, n);
    return NULL;
}

enum {
    GAPS = 1,
    CODEBOOK = 2,
    REVERSED = 4,
    MORE = 8,
    BACKGROUND = 1 << 8,
    PLANES = 2 << 8,
    SIGNS = 4 << 8
};

/* Writes values of `size` bytes to each place, `offset` bytes into the element and each
 * `step` bytes on: the next ones, or, with codes, those that they say. */
APART static void scatter(target *t, const uint8_t *values, size_t size, size_t offset,
                          size_t step)
{
    if (!is_wanted(t) || t->r.status)
        return;
    symbols gaps = t->gaps; /* from their beginning, for each plane */
    size_t escapes = t->escapes;
    size_t left = t->stored, index = 0, n_values = 0;
    while (left) {
        uint32_t gap = 0;
        if (t->escape)
            gap = next_symbol(&gaps);
        if (gap >= t->n - index)
            break;
        index += gap;
        if (gap && gap == t->escape) {
            if (escapes-- == 0)
                break;
            continue;
        }
        size_t place = index++;
        if (t->flags & REVERSED) {
            size_t rest = place, stride = t->n;
            place = 0;
            for (unsigned axis = 0; axis < t->e->rank; axis++) {
                const size_t length = t->shape[axis];
                stride /= length;
                place += rest % length * stride;
                rest /= length;
            }
        }
        if (!t->out) {
            const size_t which = t->are_coded ? next_symbol(&t->values) : n_values++;
            const uint8_t *bits = values + which * size;
            if (t->are_coded || !t->escape || get(bits, size))
                t->visit(t->to, place, bits, t->are_coded ? which : NONE);
            else
                fail(&t->r);
            left--;
            continue;
        }
        for (size_t at = offset; at < t->itemsize; at += step) {
            uint8_t *to = t->out + place * t->itemsize + at;
            const size_t which = t->are_coded ? next_symbol(&t->values) : n_values++;
            if (values)
                memcpy(to, values + which * size, size);
            else
                *to = (uint8_t)which; /* a coded byte is its own value */
        }
        left--;
    }
    if (left || escapes || gaps.r.status || (t->are_coded && t->values.r.status))
        fail(&t->r);
}

/* Turns words right by so many bits, once all but the lowest are folded back, and adds to
 * them. Returns how many were 0. */
APART static size_t unturn(const target *t, size_t size, unsigned turn, unsigned is_folded,
                           pattern plus)
{
    const unsigned width = 8 * (unsigned)size, most = 8 * sizeof(pattern);
    size_t n_zero = 0;
    for (uint8_t *at = t->out, *end = at + t->n * t->itemsize; at < end; at += size) {
        pattern w = get(at, size);
        n_zero += w == 0;
        if (w & is_folded)
            w ^= ((pattern)-1 >> (most - width)) - 1;
        w = w >> turn | w << (width - turn) % most;
        put(at, w + plus, size);
    }
    return n_zero;
}

/* Of an element: itself, or the parts of a complex number. */
static size_t word_size(const target *t)
{
    const int is_complex = t->e->dtype / 2 == DCZ_COMPLEX64 / 2;
    return t->itemsize >> is_complex;
}

/* The bytes of all words, first the lowest of each. */
static void read_planes(target *t)
{
    const size_t size = word_size(t);
    const unsigned are_coded = byte(&t->r);
    if (t->stored == 0 || are_coded >> size)
        fail(&t->r);
    for (size_t i = 0; i < size && !t->r.status; i++) {
        const size_t mark = t->scratch->used;
        const size_t n = size < t->itemsize ? 2 * t->stored : t->stored;
        scatter(t, read_bytes(t, are_coded >> i & 1, n), 1, i, size);
        t->scratch->used = mark;
    }
    const unsigned dtype = t->e->dtype, is_float = dtype >= DCZ_FLOAT16;
    const unsigned is_signed = dtype <= DCZ_INT64 ? dtype % 2 : 0;
    if (t->out && is_float + is_signed)
        unturn(t, size, is_float && size == 8 ? 4 : 1, is_signed, 0);
}

/* What is left of the highest bits when the other bits are made equal. */
static void read_signs(target *t)
{
    const unsigned is_coded = byte(&t->r);
    const uint8_t *raw = read_bytes(t, is_coded, (t->n + 7) / 8);
    if (is_coded > 1)
        fail(&t->r);
    if (!t->out || t->r.status)
        return;
    unsigned eight = 0;
    for (size_t i = 0; i < t->n; i++, eight >>= 1) {
        if (i % 8 == 0)
            eight = is_coded ? next_symbol(&t->values) : *raw++;
        t->out[(i + 1) * t->itemsize - 1] ^= (uint8_t)(eight << 7);
    }
    if (eight || (is_coded && t->values.r.status))
        fail(&t->r);
}

/* The patterns that codes stand for, in ascending order. */
static void read_codebook(target *t)
{
    reader *r = &t->r;
    const size_t n = varint(r);
    if (n - 1 >= MAX_ALPHABET || n > t->stored)
        fail(r);
    const uint8_t *book = bytes(r, n * t->itemsize), *at = book;
    /* Without gaps the first one may be 0. */
    pattern least = t->flags & GAPS;
    for (size_t i = n; i && !r->status; i--, at += t->itemsize) {
        const pattern next = get(at, t->itemsize);
        if (next < least)
            fail(r);
        least = next + 1;
        if (least == 0 && i > 1)
            fail(r);
    }
    t->are_coded = 1;
    if (!r->status)
        read_symbols(t, &t->values, n, t->stored);
    scatter(t, book, t->itemsize, 0, t->itemsize);
}

/* An array as Huffman coding makes it. */
APART static void read_array(target *t)
{
    reader *r = &t->r;
    const size_t size = t->itemsize;
    unsigned flags = byte(r);
    const unsigned width = flags >> 4, has_gaps = flags & GAPS;
    if (flags & MORE) {
        const unsigned more = byte(r);
        if (more - 1 > 6)
            fail(r);
        flags |= more << 8;
    }
    t->flags = flags;
    t->stored = t->n;
    t->escapes = 0;
    t->escape = ((uint32_t)1 << width) - 1;
    t->gaps.r.status = DCZ_OK;
    if (has_gaps != (width > 0) || (!has_gaps && flags & (REVERSED | BACKGROUND)) ||
        (flags & PLANES && flags & CODEBOOK) || (flags && t->n == 0) ||
        (flags && size == 16 && flags != (MORE | PLANES)))
        fail(r);
    pattern background = 0;
    if (flags & BACKGROUND && (background = number(r, size)) == 0)
        fail(r);
    if (has_gaps) {
        const size_t stored = varint(r);
        if (stored)
            t->escapes = varint(r);
        if (stored > t->n || t->escapes > t->n - stored)
            fail(r);
        if (r->status)
            return;
        t->stored = stored;
        if (stored)
            read_symbols(t, &t->gaps, (size_t)1 << width, stored + t->escapes);
    }
    if (flags & (BACKGROUND | PLANES | SIGNS))
        decode_first(t);
    if (has_gaps && t->out)
        memset(t->out, 0, t->n * size);
    if (flags & CODEBOOK) {
        read_codebook(t);
    } else if (flags & PLANES) {
        read_planes(t);
    } else {
        t->are_coded = 0;
        scatter(t, bytes(r, t->stored * size), size, 0, size);
    }
    /* Of what is stored nothing is 0, or there would be fewer; a codebook has no 0. */
    if (t->out && has_gaps && (background || !(flags & CODEBOOK)) &&
        unturn(t, size, 0, 0, background) != t->n - t->stored)
        fail(r);
    if (flags & SIGNS && !r->status)
        read_signs(t);
}

/* ---- Context coding --------------------------------------------------------- */

#ifndef DCZ_NO_CONTEXT

/* What listings look like: deepcompress/dcz/listing.dictionary, as listings.py packs it. */
static const uint8_t LISTINGS[] =
    "\000\011\012conv1_\204\005\001\001T\010\010\004A\010\214\021bn\004\003Q\000\004Q"
    "\000\005Q\000\006Q\000\023\204\0252_block1_\2300\002\002\000\000\021\250\032\360"
    "92\2249\004\004\26492\2649\011embedding\001\007R\015\221N\015\201\001\004lstm"
    "\003\000\020\204\006_cell/kernelR\000\015\201\004\000\032\234\025recurrent_\220"
    "\037\015\201\001\000\000\016\234\037biasQ\000\013predictions\002\001R\015\201"
    "\020\015\351\007\002Q\000\000\010\014\220\217\211\007\002\204\251\004A\200\030"
    "\244\0262\002\214\300\230\0262\240-\000\015\201\001\234\027\314.3\250.\002\200"
    "\027\003fc1\204\204\015\304\001\015\201\040\214\0162\200\016\2002\270\247\000"
    "\214\246\011\006\210Yd\001\210\240!\023batch_normaliza\200-\255L\010\214._1\215{"
    "A\025\3000_1\2502\020depthwise_\214<\002\011\204:\200\256A\020separabl\224\032"
    "\003\214\032\012T\000\000A\210\377\005dense\204\322\010\204\304\310n2\250n\007"
    "\2101_1\204\343\013\204\342\006\006\220v\214\342\002\234\304\2219A\240\022\225c"
    "\240\0223\214\022\264\216A\002\300k\010\005\225\221\014\014\004a\2040\225\270"
    "\006\0061\201\241\220\020\224R\003\224\0204\210\020\015\301\001\000\224\0205\220"
    "\020\225\3256\204sH\225\3247\211\324\214\0138\235\314\002\006hid\200\222\200\021"
    "\015\221\006e\204\036out\230\233\003\206\034\210\032\015\255\002\242\033e\214"
    "\0133\230'\002\214\344\210)\200\364\300\345\003\244!\004\254!\202\207\234\0202"
    "\2302\004\005\236\252\002!\231\030\235\200\006\21011\214\346\001\230\0202\234t"
    "\245\306\002\305\306\245\237\015\301\014\214v\3704\251\324H\250\357\264\274\211"
    "\305\002\025\255\325\0003\205\077ip\204-\015\241\006\015\365\003\214\015\240\266"
    "\200\015\225u\240\033e\214\013\231u";

enum { N_LISTINGS = 1347 }; /* bytes, once they are unpacked */

static void unpack_listings(uint8_t *to)
{
    const uint8_t *from = LISTINGS;
    for (size_t left = N_LISTINGS; left;) {
        unsigned n = *from++, back = 0;
        if (n < 128) {
            if (n == '\r')
                n = *from++;
            *to = (uint8_t)n;
            n = 1;
        } else {
            back = ((n & 3) << 8 | *from++) + 1;
            n = (n >> 2 & 31) + 3;
        }
        for (left -= n; n--; to++)
            *to = to[-(ptrdiff_t)back];
    }
}

enum { MAX_LISTING = 1 << 24 };

/* Numbers that are alike share a context. */
enum { METHOD, RARITY, SHIFT, N_CODES, GEOMETRY, SIZE, LISTING, N_CONTEXTS };

/* Where the slots begin of what a matrix is told by, in the order of docs/format.md; the
 * second input of "is it a zero" lies with the column. How many there are of each
 * follows from what the contexts are held to. */
enum {
    ZERO_MATRIX,
    ZERO_COLUMN, /* that of this column, for as long as it is used */
    ZERO_SINCE,
    ZERO_PAIR = ZERO_SINCE + 13 * 3,
    ZERO_AROUND = ZERO_PAIR + 8 * 8 * 10,
    ZERO_COLUMNS = ZERO_AROUND + 12 * 10,
    ZERO_SIDE = ZERO_COLUMNS + 12 * 10,
    ZERO_BITS = ZERO_SIDE + 8 * 10 * 8,
    ZERO_NEAREST = ZERO_BITS + 64 * 64,
    SIGN_LEAN = ZERO_NEAREST + 12 * 10 * 4,
    SIGN_LEFT = SIGN_LEAN + 5,
    SIGN_BALANCE = SIGN_LEFT + 81,
    SIGN_BEFORE = SIGN_BALANCE + 7 * 5,
    RANK_NODE = SIGN_BEFORE + 27,
    RANK_LAST = RANK_NODE + 2048 * 2,
    RANK_NEAREST = RANK_LAST + 256 * 5,
    RANK_ROW = RANK_NEAREST + 256 * 8,
    RANK_COLUMN = RANK_ROW + 256 * 8,
    MATRIX_SLOTS = RANK_COLUMN + 256 * 64,
    TEXT_SLOTS = 256 + 3 * 8192,
    N_SLOTS = (int)MATRIX_SLOTS > (int)TEXT_SLOTS ? (int)MATRIX_SLOTS : (int)TEXT_SLOTS
};

enum { LOGIT_END = 3072, MAX_COUNT = 800, MAX_INPUTS = 9 };
enum { MIX_TEXT, MIX_ZERO, MIX_SIGN, MIX_RANK, N_MIXERS };

/* An adaptive probability: 22 bits of it, then 10 of how often it was used. */
typedef uint32_t slot;
static const slot HALF = UINT32_C(1) << 31, COUNT_MASK = 1023;

typedef struct {
    int32_t weights[MAX_INPUTS];
    uint32_t n_used;
} mixer;

typedef struct {
    const uint8_t *data;
    size_t size, position;
    uint32_t range, code;
    uint32_t before; /* the last bytes of text */
    dcz_status status;
    uint32_t *side;
    size_t n_side;
    /* The log-odds of probabilities of 16 bits: the lowest 2048, 32 at a time, the
     * highest 2048. */
    int16_t logit_low[2048], logit_middle[2048], logit_high[2048];
    mixer mixers[N_MIXERS];
    slot numbers[N_CONTEXTS][128], top[4096];
    slot slots[N_SLOTS]; /* of text, and then of matrices: a section has no text after */
} context;

/* x / 2^n, rounded down, for negative x too. */
static int64_t floor_shift(int64_t x, int n)
{
    return x >= 0 ? x >> n : -(-(x + 1) >> n) - 1;
}

static unsigned bit_length(uint64_t number)
{
    unsigned length = 0;
    for (unsigned step = 32; step; step /= 2)
        if (number >> step) {
            number >>= step;
            length += step;
        }
    return length + (unsigned)number;
}

/* The logistic function: 16 bits of a probability from log-odds. */
static int32_t squash(int32_t logit)
{
    static const int32_t KNOTS[25] = {
        103,    170,    280,    462,    762,     1256,    2070,    3413,    5626,
        9274,   15285,  25186,  41484,  68286,   112287,  184330,  301759,  491778,
        795674, 1272689, 1999893, 3060592, 4512088, 6334081, 8388608};
    const int32_t place = logit + LOGIT_END, part = place % 128, i = place / 128;
    const int64_t low = i <= 24 ? KNOTS[i] : (1 << 24) - KNOTS[48 - i];
    const int64_t high = i < 24 ? KNOTS[i + 1] : (1 << 24) - KNOTS[47 - i];
    const int64_t p = (low * (128 - part) + high * part) >> 15;
    return p < 1 ? 1 : p > 65535 ? 65535 : (int32_t)p;
}

static void normalize(context *c)
{
    while (c->range < UINT32_C(1) << 24) {
        c->range <<= 8;
        c->code = c->code << 8 | (c->position < c->size ? c->data[c->position] : 0);
        /* A few zeros are taken for what lies behind the section. */
        if (c->position++ >= c->size + 4)
            c->status = DCZ_ERROR_CORRUPT;
    }
}

APART static int decode_bit(context *c, uint32_t p)
{
    const uint32_t bound = (c->range >> 16) * p;
    const int bit = c->code < bound;
    if (bit) {
        c->range = bound;
    } else {
        c->code -= bound;
        c->range -= bound;
    }
    normalize(c);
    return bit;
}

/* A number below n, at most 65536, all equally likely. */
APART static uint32_t decode_below(context *c, uint32_t n)
{
    c->range /= n;
    uint32_t value = c->code / c->range;
    if (value >= n) {
        c->status = DCZ_ERROR_CORRUPT;
        value = n - 1;
    }
    c->code -= value * c->range;
    normalize(c);
    return value;
}

static void learn(slot *s, int bit)
{
    const int32_t count = (int32_t)(*s & COUNT_MASK);
    int64_t p = *s >> 10;
    p += floor_shift(((bit ? (1 << 22) - 1 : 0) - p) * (131072 / (2 * count + 3)), 16);
    *s = (slot)p << 10 | (slot)(count < MAX_COUNT ? count + 1 : count);
}

/* Gives a slot that was never used the probability of another. */
static void inherit(slot *s, slot from)
{
    if ((*s & COUNT_MASK) == 0)
        *s = from & ~COUNT_MASK;
}

static int decode_adaptive(context *c, slot *s)
{
    inherit(s, HALF);
    const uint32_t p = *s >> 16;
    const int bit = decode_bit(c, p < 32 ? 32 : p > 65504 ? 65504 : p);
    learn(s, bit);
    return bit;
}

static int32_t logit_of(const context *c, slot s)
{
    const uint32_t p = s >> 16;
    return p < 2048           ? c->logit_low[p]
           : p >= 65536 - 2048 ? c->logit_high[p - (65536 - 2048)]
                               : c->logit_middle[p >> 5];
}

/* A bit that several slots tell together; or, if it is known, what is learnt from it. Slots
 * that were never used begin as the first one, or, of text, as the one before. */
static int decode_mixed(context *c, const uint32_t *inputs, int which, int known)
{
    static const uint8_t N_INPUTS[N_MIXERS] = {4, MAX_INPUTS, 4, 5};
    const int n = N_INPUTS[which];
    mixer *m = &c->mixers[which];
    slot from = which == MIX_ZERO ? c->slots[*inputs] : HALF;
    int32_t logits[MAX_INPUTS];
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        slot *s = &c->slots[inputs[i]];
        inherit(s, from);
        if (which == MIX_TEXT)
            from = *s;
        logits[i] = logit_of(c, *s);
        sum += (int64_t)m->weights[i] * logits[i];
    }
    sum = floor_shift(sum, 16);
    sum = sum >= LOGIT_END ? LOGIT_END - 1 : sum <= -LOGIT_END ? 1 - LOGIT_END : sum;
    const int32_t p = squash((int32_t)sum);
    const int bit = known < 0 ? decode_bit(c, (uint32_t)p) : known;
    const int32_t rate = 32 + 32 / (int32_t)(1 + m->n_used / 16);
    m->n_used += m->n_used < 1 << 16;
    const int64_t error = (bit ? 65536 - p : -p) * (int64_t)rate;
    for (int i = 0; i < n; i++) {
        const int64_t change = floor_shift(logits[i] * error + (1 << 21), 22);
        m->weights[i] = (int32_t)(m->weights[i] + change);
        learn(&c->slots[inputs[i]], bit);
    }
    return bit;
}

APART static uint64_t decode_tree(context *c, int n, slot *slots)
{
    uint64_t node = 1;
    for (int i = 0; i < n; i++)
        node = node << 1 | (uint64_t)decode_adaptive(c, &slots[node]);
    return node - (UINT64_C(1) << n);
}

/* n bits that are equally likely. */
static uint64_t decode_flat(context *c, int n)
{
    uint64_t value = 0;
    for (int step; n > 0; n -= step) {
        step = n < 16 ? n : 16;
        value = value << step | decode_below(c, UINT32_C(1) << step);
    }
    return value;
}

static uint64_t decode_up_to(context *c, uint64_t last)
{
    int shift = 0;
    while (last >> shift >= 65536)
        shift++;
    uint64_t value = decode_below(c, (uint32_t)(last >> shift) + 1);
    value = value << shift | decode_flat(c, shift);
    if (value > last) {
        c->status = DCZ_ERROR_CORRUPT;
        return last;
    }
    return value;
}

static uint64_t decode_number(context *c, int which)
{
    slot *slots = c->numbers[which];
    int length = 0;
    while (length < 63 && decode_adaptive(c, &slots[length]))
        length++;
    const uint64_t top = UINT64_C(1) << length;
    return top - 1 +
           (length <= 5 ? decode_tree(c, length, &slots[64 + top]) : decode_flat(c, length));
}

/* A pattern of n bits, the highest `top` of them by a tree. */
static uint64_t decode_pattern(context *c, int n, int top)
{
    const uint64_t value = decode_tree(c, top, c->top);
    return value << (n - top) | decode_flat(c, n - top);
}

/* A byte of text, or, if it is known, what is learnt from it. */
static uint8_t decode_text(context *c, int known)
{
    uint32_t inputs[4], node = 1;
    for (int bit = 7; bit >= 0; bit--) {
        inputs[0] = node;
        for (uint32_t order = 1; order < 4; order++) {
            uint32_t number = (c->before & UINT32_MAX >> (32 - 8 * order)) + 1;
            number = (number * UINT32_C(0x9E3779B1) + order + node) * UINT32_C(0x85EBCA6B);
            inputs[order] = 256 + (order - 1) * 8192 + (number >> 19);
        }
        node = node << 1 | (uint32_t)decode_mixed(c, inputs, MIX_TEXT,
                                                  known < 0 ? -1 : known >> bit & 1);
    }
    c->before = c->before << 8 | (node & 255);
    return (uint8_t)node;
}

/* Begins a section; that of the head has learnt from what listings look like. */
static void begin_section(context *c, const seal *s, int is_head)
{
    static const int16_t WEIGHTS[N_MIXERS][MAX_INPUTS] = {
        {30, 60, 80, 110},
        {-5, 42, 59, 28, 38, 10, 34, 36, 15},
        {27, 163, 98, 7},
        {35, 18, 22, 93, 28},
    };
    memset(c, 0, sizeof *c);
    for (int m = 0; m < N_MIXERS; m++)
        for (int i = 0; i < MAX_INPUTS; i++)
            c->mixers[m].weights[i] = WEIGHTS[m][i] * 256;
    /* The least log-odds whose probability is not below. */
    int32_t logit = 1 - LOGIT_END, reached = squash(logit);
    for (int32_t p = 0; p < 65536; p++) {
        while (logit < LOGIT_END - 1 && reached < p)
            reached = squash(++logit);
        if (p < 2048)
            c->logit_low[p] = (int16_t)logit;
        else if (p >= 65536 - 2048)
            c->logit_high[p - (65536 - 2048)] = (int16_t)logit;
        if (p % 32 == 16)
            c->logit_middle[p / 32] = (int16_t)logit;
    }
    if (is_head) {
        uint8_t listings[N_LISTINGS];
        unpack_listings(listings);
        for (size_t i = 0; i < N_LISTINGS; i++)
            decode_text(c, listings[i]);
    }
    c->data = s->data;
    c->size = s->size;
    c->range = UINT32_MAX;
    for (; c->position < 4; c->position++)
        c->code = c->code << 8 | (c->position < c->size ? c->data[c->position] : 0);
    if (c->code == UINT32_MAX)
        c->status = DCZ_ERROR_CORRUPT;
}

/* Passes the listing, or reads it into memory from `a`: its size. */
static size_t read_head(context *c, dcz_scratch *a, uint8_t **listing)
{
    const uint64_t size = decode_number(c, LISTING);
    if (size > MAX_LISTING) {
        c->status = DCZ_ERROR_CORRUPT;
        return 0;
    }
    uint8_t *to = a ? take(a, (size_t)size, 1) : NULL;
    if (listing)
        *listing = to;
    if (!a || to)
        for (size_t i = 0; i < size && !c->status; i++) {
            const uint8_t next = decode_text(c, -1);
            if (to)
                to[i] = next;
        }
    return (size_t)size;
}

/* ---- Arrays of version 2 ---------------------------------------------------- */

/* Non-zeros, and the sum of their scaled ranks. */
typedef struct {
    uint64_t count, ranks;
} found;

typedef struct {
    found found;
    size_t last_row;
    ptrdiff_t lean;
    slot slot;
} column;

enum { LEFT, UP, UP_LEFT, UP_RIGHT, LEFT_2, UP_2, N_NEAREST, N_AROUND = 18 };

typedef struct {
    context *c;
    size_t n_rows, width, step, stride;
    uint32_t n_codes, n_low;
    int rarity;
    column *columns;
    uint8_t *pairs, *pair; /* those of this row */
    found *sums;     /* of the last n_kept rows, */
    uint16_t *codes; /* whose codes are kept too */
    size_t n_kept; /* behind them lies one without any */

    size_t row;
    uint16_t *here;
    const uint16_t *before;
    uint32_t side, near;
    found beside, in_row;
    uint32_t last_code;
    const uint16_t *around[N_AROUND];
} matrix;

/* 0, 1, 2, 3-4, 5-8, 9-16, ... */
static uint32_t class_of(uint64_t count, uint32_t last)
{
    const uint32_t result = count < 3 ? (uint32_t)count : 1 + bit_length(count - 1);
    return result < last ? result : last;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

APART static uint32_t sign_of(const matrix *m, uint32_t code)
{
    return code == 0 ? 0 : code <= m->n_low ? 1 : 2;
}

APART static uint32_t scaled_rank(const matrix *m, uint32_t code)
{
    return code <= m->n_low ? 64 * (code - 1) / m->n_low
                            : 64 * (code - 1 - m->n_low) / (m->n_codes - m->n_low);
}

APART static uint32_t mean_class(found f)
{
    return f.count ? 1 + (uint32_t)(f.ranks * 7 / (64 * f.count)) : 0;
}

static int decode_nonzero(matrix *m, size_t j, uint32_t nearest)
{
    context *c = m->c;
    column *here = &m->columns[j];
    uint32_t around = nearest - (m->before[j] > 0);
    for (int i = N_NEAREST; i < N_AROUND; i++)
        around += m->around[i][j] > 0;
    uint64_t others = 0;
    for (size_t k = j < 2 ? 0 : j - 2; k <= j + 2 && k < m->width; k++)
        others += k == j ? 0 : m->columns[k].found.count;
    const uint32_t own = class_of(here->found.count, 9);
    const uint32_t columns = class_of(others, 11);
    const uint32_t since =
        here->found.count ? class_of(m->row - here->last_row, 11) : 12;
    const uint32_t pair = class_of(m->pair[j], 7);
    const uint32_t in_row = class_of(m->in_row.count, 6);
    const uint32_t inputs[MAX_INPUTS] = {
        ZERO_MATRIX,
        ZERO_COLUMN,
        ZERO_SINCE + since * 3 + least(nearest, 2),
        ZERO_PAIR + (pair * 8 + least(around, 7)) * 10 + own,
        ZERO_AROUND + least(around, 11) * 10 + m->near,
        ZERO_COLUMNS + columns * 10 + own,
        ZERO_SIDE + (m->side * 10 + m->near) * 8 + in_row,
        ZERO_BITS + bit_length(j + 1) * 64 + bit_length(m->row + 1),
        ZERO_NEAREST + (columns * 10 + m->near) * 4 + least(nearest, 3),
    };
    c->slots[ZERO_COLUMN] = here->slot;
    const int bit = decode_mixed(c, inputs, MIX_ZERO, -1);
    here->slot = c->slots[ZERO_COLUMN];
    return bit;
}

static uint32_t decode_sign(matrix *m, size_t j)
{
    uint32_t sides = 0;
    int balance = 3;
    for (int i = N_NEAREST; i-- > 0;) {
        const uint32_t sign = sign_of(m, m->around[i][j]);
        balance += sign == 1 ? 1 : sign == 2 ? -1 : 0;
        if (i <= UP_RIGHT)
            sides = sides * 3 + sign;
    }
    balance = balance < 0 ? 0 : balance > 6 ? 6 : balance;
    const ptrdiff_t lean = m->columns[j].lean;
    const uint32_t leans = (uint32_t)(lean < -2 ? 0 : lean > 2 ? 4 : lean + 2);
    const uint32_t corner = j > 0 ? sign_of(m, m->around[LEFT][j - 1]) : 0;
    const uint32_t before = sign_of(m, m->before[j]), last = sign_of(m, m->last_code);
    const uint32_t inputs[4] = {
        SIGN_LEAN + leans,
        SIGN_LEFT + sides,
        SIGN_BALANCE + (uint32_t)balance * 5 + leans,
        SIGN_BEFORE + before * 9 + last * 3 + corner,
    };
    return (uint32_t)decode_mixed(m->c, inputs, MIX_SIGN, -1);
}

/* The rank among n codes of one sign, by halves. */
static uint32_t decode_rank(matrix *m, size_t j, uint32_t n, uint32_t high,
                            uint32_t nearest)
{
    uint32_t begin = 0, end = n, node = 1;
    const found both = {m->beside.count + m->in_row.count,
                        m->beside.ranks + m->in_row.ranks};
    const uint32_t row = mean_class(both), above = mean_class(m->columns[j].found);
    const uint32_t last = m->last_code ? 1 + scaled_rank(m, m->last_code) / 16 : 0;
    while (end - begin > 1) {
        const uint32_t top = least(node, 255), middle = begin + (end - begin) / 2;
        const uint32_t inputs[5] = {
            RANK_NODE + least(node, 2047) * 2 + high,
            RANK_LAST + top * 5 + last,
            RANK_NEAREST + (top * 4 + least(nearest, 3)) * 2 + high,
            RANK_ROW + top * 8 + row,
            RANK_COLUMN + (top * 8 + above) * 8 + row,
        };
        const int is_upper = decode_mixed(m->c, inputs, MIX_RANK, -1);
        *(is_upper ? &begin : &end) = middle;
        node = node * 2 + (uint32_t)is_upper;
    }
    return begin;
}

APART static uint32_t decode_code(matrix *m, size_t j)
{
    uint32_t nearest = m->before[j] > 0;
    for (int i = 0; i < N_NEAREST; i++)
        nearest += m->around[i][j] > 0;
    if (m->rarity && !decode_nonzero(m, j, nearest))
        return 0;
    const uint32_t n_high = m->n_codes - m->n_low;
    const uint32_t high = m->n_low && n_high ? decode_sign(m, j) : m->n_low == 0;
    const uint32_t code = (high ? m->n_low : 0) + 1 +
                          decode_rank(m, j, high ? n_high : m->n_low, high, nearest);
    const uint32_t rank = scaled_rank(m, code);
    column *here = &m->columns[j];
    here->found.count++;
    here->found.ranks += rank;
    here->last_row = m->row;
    here->lean += high ? 1 : -1;
    m->in_row.count++;
    m->in_row.ranks += rank;
    m->pair[j] = (uint8_t)(m->pair[j] + (m->pair[j] < 255)); /* no class asks for more */
    m->last_code = code;
    return code;
}

/* Looks up what the codes of a row have to do with. */
static void begin_row(matrix *m)
{
    static const uint8_t LINES[N_AROUND] = {0, 1, 1, 1, 0, 2, 0, 1, 1,
                                            1, 1, 2, 2, 2, 2, 3, 3, 3};
    static const int8_t PIXELS[N_AROUND] = {1, 0, 1,  -1, 2, 0, 3,  -3, -2,
                                            2, 3, -2, -1, 1, 2, -1, 0,  1};
    const found none = {0, 0};
    const size_t nothing = m->n_kept;
    uint64_t sums[N_AROUND];
    m->beside = m->in_row = none;
    for (int i = 0; i < N_AROUND; i++) {
        const ptrdiff_t distance =
            LINES[i] * (ptrdiff_t)m->stride + PIXELS[i] * (ptrdiff_t)m->step;
        const int is_there = distance > 0 && (size_t)distance <= m->row &&
                             (LINES[i] == 0 || m->stride > 0);
        const size_t kept = is_there ? (m->row - (size_t)distance) % m->n_kept : nothing;
        const found *sum = &m->sums[kept];
        m->around[i] = m->codes + kept * m->width;
        sums[i] = sum->count;
        if (i <= UP) {
            m->beside.count += sum->count;
            m->beside.ranks += sum->ranks;
        }
    }
    const size_t before = m->step > 1 && m->row > 0 ? (m->row - 1) % m->n_kept : nothing;
    m->before = m->codes + before * m->width;
    m->here = m->codes + m->row % m->n_kept * m->width;
    m->pair = m->pairs + m->row % m->step * m->width;
    m->near = class_of(2 * m->beside.count + sums[UP_LEFT] + sums[UP_RIGHT] + sums[LEFT_2],
                       9);
    m->side = 0;
    if (m->c->n_side && m->n_rows % m->c->n_side == 0)
        m->side = 1 + class_of(m->c->side[m->row % m->c->n_side], 6);
}

/* Decodes a matrix, and writes for each code what it stands for in the codebook.
 * Returns how many are not 0. */
APART static size_t decode_matrix(matrix *m, const target *t, const uint8_t *book)
{
    context *c = m->c;
    const size_t size = t->itemsize;
    uint8_t *out = t->out;
    size_t n_nonzero = 0;
    memset(c->slots, 0, MATRIX_SLOTS * sizeof(slot));
    c->slots[ZERO_MATRIX] = HALF >> (m->rarity ? m->rarity - 1 : 0) | 4;
    for (m->row = 0; m->row < m->n_rows && !c->status; m->row++) {
        begin_row(m);
        for (size_t j = 0; j < m->width; j++) {
            const uint32_t code = decode_code(m, j);
            m->here[j] = (uint16_t)code;
            if (out) {
                memcpy(out, book + code * size, size);
                out += size;
            } else if (t->visit && code) {
                t->visit(t->to, m->row * m->width + j, book + code * size, code);
            }
        }
        n_nonzero += (size_t)m->in_row.count;
        m->sums[m->row % m->n_kept] = m->in_row;
    }
    if (m->width > 1) {
        for (size_t j = 0; j < m->width; j++)
            c->side[j] = (uint32_t)m->columns[j].found.count;
        c->n_side = m->width;
    }
    return n_nonzero;
}

/* How a codebook is written: where to, if that is not NULL, and as what. */
typedef struct {
    uint8_t *to;
    size_t size;
    int shift;
    uint64_t plus;
} writer;

static void write(const writer *w, size_t i, uint64_t value)
{
    if (w->to)
        put(w->to + i * w->size, (value << w->shift) + w->plus, w->size);
}

/* The patterns strictly between two places, the middle one first. */
static void between(context *c, const writer *w, size_t first, uint64_t low, size_t last,
                    uint64_t high)
{
    if (last - first < 2 || c->status)
        return;
    const size_t middle = first + (last - first) / 2;
    const uint64_t from = low + (middle - first), to = high - (last - middle);
    const uint64_t value = from + decode_up_to(c, to - from);
    write(w, middle, value);
    between(c, w, first, low, middle, value);
    between(c, w, middle, value, last, high);
}

/* n patterns of n_bits that ascend, from place `first` on, all with `sign` above. */
static void decode_ascending(context *c, const writer *w, size_t first, size_t n,
                             int n_bits, int top, uint64_t sign)
{
    if (n == 0)
        return;
    const size_t last = first + n - 1;
    const uint64_t low = sign | decode_pattern(c, n_bits, top);
    const uint64_t high = n > 1 ? sign | decode_pattern(c, n_bits, top) : low;
    if (high < low || high - low < n - 1 || low == 0)
        c->status = DCZ_ERROR_CORRUPT;
    if (c->status)
        return;
    write(w, first, low);
    write(w, last, high);
    between(c, w, first, low, last, high);
}

APART static int top_bits(int dtype, int n_bits)
{
    const int n = dtype == DCZ_FLOAT16                             ? 6
                  : dtype == DCZ_FLOAT32 || dtype == DCZ_BFLOAT16 ? 9
                  : dtype == DCZ_FLOAT64                           ? 12
                                                                   : 8;
    return n < n_bits ? n : n_bits;
}

APART static size_t width_of(const target *t)
{
    return t->e->rank > 1 ? t->shape[t->e->rank - 1] : 1;
}

/* Which rows are neighbours; whether that fits. */
static int read_geometry(context *c, const target *t, matrix *m)
{
    const size_t rank = t->e->rank;
    m->width = width_of(t);
    m->n_rows = t->n / m->width;
    m->step = 1;
    m->stride = 0;
    if (rank > 2) {
        m->step = t->shape[rank - 2];
        m->stride = t->shape[rank - 3] * m->step;
    }
    const uint64_t geometry = rank == 2 ? decode_number(c, GEOMETRY) : 0;
    if (geometry == 0)
        return 1;
    const size_t channels = geometry == 1 ? 1 : geometry == 2 ? 3 : c->n_side;
    if (geometry > 3 || channels == 0)
        return 0;
    uint64_t edge = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit; bit /= 2)
        if ((edge | bit) * (edge | bit) <= m->n_rows / channels)
            edge |= bit;
    m->step = channels;
    m->stride = (size_t)edge * channels;
    return edge > 1 && edge * edge * channels == m->n_rows;
}

/* Codes, and values behind them: methods 0 and 1. */
APART static void decode_codes(context *c, matrix *m, dcz_scratch *a, const target *t,
                               int has_codebook, uint64_t background)
{
    const int all_bits = 8 * (int)t->itemsize;
    writer w = {NULL, t->itemsize, 0, background};
    memset(m, 0, sizeof *m);
    m->c = c;
    m->n_codes = m->n_low = 1;
    if (!read_geometry(c, t, m)) {
        c->status = DCZ_ERROR_CORRUPT;
        return;
    }
    if (has_codebook) {
        const uint64_t n_codes = decode_number(c, N_CODES), shift = decode_number(c, SHIFT);
        if (n_codes >= MAX_ALPHABET - 1 || n_codes >= t->n || shift >= (uint64_t)all_bits)
            c->status = DCZ_ERROR_CORRUPT;
        if (c->status)
            return;
        m->n_codes = (uint32_t)n_codes + 1;
        w.shift = (int)shift;
    }
    uint8_t *book = is_wanted(t) ? take(a, (size_t)m->n_codes + 1, t->itemsize) : NULL;
    w.to = book ? book + t->itemsize : NULL; /* behind what 0 stands for */
    if (has_codebook) {
        const int n_bits = all_bits - w.shift, top = top_bits(t->e->dtype, n_bits);
        m->n_low = (uint32_t)decode_up_to(c, m->n_codes);
        decode_ascending(c, &w, 0, m->n_low, n_bits - 1, top - 1, 0);
        if (!c->status)
            decode_ascending(c, &w, m->n_low, m->n_codes - m->n_low, n_bits - 1, top - 1,
                             UINT64_C(1) << (n_bits - 1));
    } else if (book) {
        put(w.to, 1, t->itemsize); /* marks what is not 0 */
    }
    if (book)
        put(book, has_codebook ? background : 0, t->itemsize);
    const uint64_t rarity = decode_number(c, RARITY);
    if (rarity > 16)
        c->status = DCZ_ERROR_CORRUPT;
    m->rarity = (int)rarity;

    m->n_kept = m->n_rows;
    if (m->stride < m->n_rows / 4 && m->step < m->n_rows / 4) {
        const size_t reach = m->stride ? 3 * m->stride + m->step : 3 * m->step;
        m->n_kept = reach < m->n_rows ? reach + 1 : m->n_rows;
    }
    m->columns = take(a, m->width, sizeof *m->columns);
    m->pairs = take(a, m->width, m->step);
    m->sums = take(a, m->n_kept + 1, sizeof *m->sums);
    m->codes = take(a, (m->n_kept + 1) * m->width, sizeof *m->codes);
    if (c->status || is_short(a))
        return;
    memset(m->columns, 0, m->width * sizeof *m->columns);
    memset(m->pairs, 0, m->width * m->step);
    memset(m->codes, 0, (m->n_kept + 1) * m->width * sizeof *m->codes);
    memset(&m->sums[m->n_kept], 0, sizeof *m->sums);
    const size_t n_nonzero = decode_matrix(m, t, book);
    if (has_codebook || c->status)
        return;
    const uint64_t shift = decode_number(c, SHIFT);
    if (shift >= (uint64_t)all_bits)
        c->status = DCZ_ERROR_CORRUPT;
    const int n_bits = all_bits - (int)shift, top = top_bits(t->e->dtype, n_bits);
    uint8_t *out = t->out;
    for (size_t i = 0; i < (out ? t->n : n_nonzero) && !c->status; i++) {
        uint64_t value = 0;
        if (!out || get(out, t->itemsize)) {
            value = decode_pattern(c, n_bits, top);
            if (value == 0)
                c->status = DCZ_ERROR_CORRUPT;
        }
        if (out) {
            put(out, (value << shift) + background, t->itemsize);
            out += t->itemsize;
        }
    }
}

APART static void decode_context_array(context *c, dcz_scratch *a, target *t)
{
    if (t->n == 0)
        return;
    uint64_t method = decode_number(c, METHOD), background = 0;
    if (method > 4 || (t->itemsize == 16 && method != 3))
        c->status = DCZ_ERROR_CORRUPT;
    if (method == 4 && !c->status) {
        background = decode_pattern(c, 8 * (int)t->itemsize, 1);
        method = decode_number(c, METHOD);
        if (method > 2 || background == 0)
            c->status = DCZ_ERROR_CORRUPT;
    }
    if (c->status)
        return;
    t->scratch = a;
    if (method == 1 || background)
        decode_first(t);
    if (method < 2) {
        matrix m;
        decode_codes(c, &m, a, t, method == 0, background);
    } else if (method == 2) {
        for (size_t i = 0; t->out && i < t->n; i++)
            put(t->out + i * t->itemsize, background, t->itemsize);
    } else {
        const uint64_t size = decode_number(c, SIZE);
        if (size > t->n * t->itemsize + 1)
            c->status = DCZ_ERROR_CORRUPT;
        if (c->status)
            return;
        const size_t n_words = (size_t)size / 4 + (size % 4 > 0);
        uint8_t *data = is_wanted(t) ? take(a, n_words, 4) : NULL;
        if (is_wanted(t) && !data)
            return;
        for (size_t i = 0; i < n_words && !c->status; i++) {
            const uint64_t word = decode_pattern(c, 32, 1);
            if (data)
                put(data + 4 * i, word, 4);
            /* Nothing follows in the last one. */
            if (size - 4 * i < 4 && word >> 8 * (size - 4 * i))
                c->status = DCZ_ERROR_CORRUPT;
        }
        if (!data || c->status)
            return;
        t->r.at = data;
        t->r.end = data + (size_t)size;
        read_array(t);
        if (t->r.at != t->r.end)
            fail(&t->r);
        c->status = t->r.status;
    }
}

#endif

/* ---- Opening ---------------------------------------------------------------- */

static dcz_status open_file(dcz_file *f, lister *l, dcz_scratch *a)
{
    reader *const r = &l->body;
    l->head.data = r->at;
    if (number(r, 4) != 0x5A434489)
        return DCZ_ERROR_FORMAT;
    f->version = (int)byte(r);
    if (r->status)
        return r->status;
    if (f->version < 1 || f->version > 2)
        return DCZ_ERROR_VERSION;
#ifdef DCZ_NO_CONTEXT
    if (f->version == 2)
        return DCZ_ERROR_LEFT_OUT;
#endif
    const size_t size = varint(r);
    if (is_new(f))
        f->architecture.size = varint(r);
    l->r.at = bytes(r, size);
    l->r.end = r->at;
    if (is_new(f))
        f->architecture.data = bytes(r, f->architecture.size);
    l->head.size = (size_t)(r->at - l->head.data);
    l->head.checksum = (uint32_t)number(r, 4);
    if (r->status)
        return r->status;
    if (check(&l->head))
        return DCZ_ERROR_CHECKSUM;
#ifndef DCZ_NO_CONTEXT
    if (is_new(f)) {
        l->head.data = l->r.at;
        l->head.size = (size_t)(l->r.end - l->r.at);
        context *c = take(a, 1, sizeof *c);
        if (!c)
            return DCZ_OK;
        begin_section(c, &l->head, 1);
        uint8_t *text;
        const size_t n = read_head(c, a, &text);
        if (c->status || !text)
            return c->status;
        /* The coder has done its work: what was read moves to where it began. */
        a->used = 0;
        uint8_t *kept = take(a, n, 1);
        for (size_t i = 0; i < n; i++)
            kept[i] = text[i];
        l->r.at = kept;
        l->r.end = kept + n;
    }
#endif
    lister again = *l;
    entry spare_entry;
    section spare_section;
    l->e = &spare_entry;
    l->s = &spare_section;
    read_listing(f, l);
    if (l->r.status)
        return l->r.status;
    const size_t n = f->n_arrays + f->n_parts;
    again.e = take(a, n, sizeof *again.e);
    again.s = f->sections = take(a, f->n_sections, sizeof *again.s);
    f->kept = a->used + ALIGNMENT - 1;
    const entry **sorted = IS_SMALL ? NULL : take(a, n, sizeof *sorted);
    if (is_short(a))
        return DCZ_OK;
    f->entries = again.e;
    read_listing(f, &again);
    const int is_right =
        IS_SMALL || (are_different(f->entries, f->n_arrays, sorted) &&
                     are_different(f->entries + f->n_arrays, f->n_parts, sorted));
    return is_right ? DCZ_OK : DCZ_ERROR_CORRUPT;
}

dcz_status dcz_open(dcz_file *file, const void *data, size_t size, dcz_scratch *scratch)
{
    lister l;
    memset(&l, 0, sizeof l);
    memset(file, 0, sizeof *file);
    l.body.at = l.body.end = data;
    if (size)
        l.body.end += size;
    borrow(scratch);
    const dcz_status status = repay(scratch, open_file(file, &l, scratch));
    if (status)
        memset(file, 0, sizeof *file); /* of what did not open, there is nothing */
    return status;
}

/* ---- Arrays ----------------------------------------------------------------- */

/* The lengths of an array. */
APART static void read_shape(const dcz_file *f, const entry *e, size_t *shape)
{
    reader r = {e->seal.data, e->seal.data + 9 * e->rank, DCZ_OK, 0};
    for (unsigned axis = 0; axis < e->rank; axis++)
        shape[axis] = read_length(&r, f, e->before);
}

static void aim(target *t, const dcz_file *f, size_t index, void *out)
{
    const entry *e = t->e = &f->entries[index];
    t->itemsize = e->itemsize;
    t->n = e->seal.size;
    t->out = out;
    t->visit = NULL;
    read_shape(f, e, t->shape);
}

/* What is surely enough: for the codes of Huffman coding, and all that a context coder may
 * need of any array that has to be passed. */
static size_t enough(const dcz_file *f, const entry *e)
{
    const size_t most = e->seal.size < MAX_ALPHABET ? e->seal.size : MAX_ALPHABET;
    size_t size = (sizeof(uint16_t) << 15) + most * sizeof(uint16_t) + 3 * ALIGNMENT;
#ifndef DCZ_NO_CONTEXT
    if (f->version == 2) {
        const section *s = &f->sections[e->section];
        size_t widest = 0, need = size + e->seal.size * e->itemsize;
        for (size_t i = s->first; i < s->first + s->count; i++) {
            target other;
            aim(&other, f, i, NULL);
            const size_t width = width_of(&other);
            if (width > SIZE_MAX / 128 || other.n > SIZE_MAX / 128)
                return SIZE_MAX;
            /* Whatever the geometry, no more rows are kept than there are. */
            const size_t rows = width ? other.n / width : 0;
            const size_t all = width * (sizeof(column) + 2) + other.n * 3 +
                               rows * sizeof(found) + (most + 1) * e->itemsize;
            widest = widest < width ? width : widest;
            need = need < all ? all : need;
        }
        size = sizeof(context) + 4 * widest + need + 9 * ALIGNMENT + sizeof(found);
    }
#else
    (void)f;
#endif
    return size;
}

dcz_status dcz_tensor(const dcz_file *file, size_t index, dcz_tensor_info *info)
{
    if (index >= file->n_arrays)
        return DCZ_ERROR_ARGUMENT;
    const entry *e = &file->entries[index];
    info->layer = (const char *)e->layer;
    info->layer_size = e->layer_size;
    info->leaf = (const char *)e->leaf;
    info->leaf_size = e->leaf_size;
    info->dtype = (dcz_dtype)e->dtype;
    info->itemsize = e->itemsize;
    info->n_elements = e->seal.size;
    info->n_bytes = e->seal.size * e->itemsize;
    info->section = e->section;
    info->scratch = enough(file, e);
    info->rank = e->rank;
    read_shape(file, e, info->shape);
    return DCZ_OK;
}

#ifndef DCZ_SMALL

size_t dcz_find(const dcz_file *file, const char *name)
{
    size_t i = 0;
    for (; i < file->n_arrays; i++) {
        const entry *e = &file->entries[i];
        size_t k = 0;
        int next;
        while ((next = name_at(e, k)) > 0 && next == (uint8_t)name[k])
            k++;
        if (next < 0 && !name[k])
            break;
    }
    return i;
}

#endif

/* Turns words round where the machine has its highest bytes first. */
static void to_own_order(const target *t)
{
    const uint16_t one = 1;
    uint8_t is_little;
    memcpy(&is_little, &one, 1);
    if (is_little || !t->out)
        return;
    const size_t size = word_size(t);
    for (uint8_t *at = t->out, *end = at + t->n * t->itemsize; at < end; at += size)
        for (size_t i = 0; i < size / 2; i++) {
            const uint8_t low = at[i];
            at[i] = at[size - 1 - i];
            at[size - 1 - i] = low;
        }
}

/* Tells of what had to be decoded first. */
APART static void tell_decoded(const target *t)
{
    const uint8_t *at = t->out;
    if (!at || t->r.status)
        return;
    for (size_t i = 0; i < t->n; i++, at += t->itemsize) {
        size_t k = 0;
        while (k < t->itemsize && at[k] == 0)
            k++;
        if (k < t->itemsize)
            t->visit(t->to, i, at, NONE);
    }
}

/* Decodes an array of a section, or with NONE all, and passes those before it. What each
 * takes in the file goes to `sizes`, where that is not NULL; `outs` may be then. */
static dcz_status decode(const dcz_file *f, size_t place, dcz_visitor *visit,
                         void *const *tos, dcz_scratch *a, size_t index, void *const *outs,
                         size_t *sizes)
{
    borrow(a);
    if (place >= f->n_sections)
        return DCZ_ERROR_ARGUMENT;
    const section *s = &f->sections[place];
    const size_t all = s->first + s->count;
    const size_t first = index == NONE ? s->first : index,
                 end = index == NONE ? all : index + 1;
    target t;
    t.r.at = s->seal.data;
    t.r.end = t.r.at + s->seal.size;
    t.r.held = 0;
    t.scratch = a;
    /* That of the head was checked when the file was opened. */
    const int is_head = is_new(f) && place == 0;
    t.r.status = is_head ? DCZ_OK : check(&s->seal);
#ifndef DCZ_NO_CONTEXT
    context *c = NULL;
    if (is_new(f) && !t.r.status) {
        size_t widest = 0;
        for (size_t i = s->first; i < end; i++) {
            aim(&t, f, i, NULL);
            widest = widest < width_of(&t) ? width_of(&t) : widest;
        }
        c = take(a, 1, sizeof *c);
        uint32_t *side = take(a, widest, sizeof *side);
        if (is_short(a))
            return DCZ_ERROR_SCRATCH;
        begin_section(c, &s->seal, is_head);
        c->side = side;
        if (is_head)
            read_head(c, NULL, NULL);
        t.r.status = c->status;
    }
#endif
    for (size_t i = s->first; i < end && !t.r.status; i++) {
        const dcz_scratch before = *a;
        aim(&t, f, i, outs && i >= first ? outs[i - first] : NULL);
        t.to = tos && i >= first ? tos[i - first] : NULL;
        t.visit = t.to ? visit : NULL;
        const int was_wanted = is_wanted(&t);
        const uint8_t *begin = t.r.at;
#ifndef DCZ_NO_CONTEXT
        if (c) {
            begin = c->data + c->position;
            decode_context_array(c, a, &t);
            t.r.status = c->status;
            if (is_short(a))
                break;
        } else
#endif
            read_array(&t);
        const uint8_t *at = t.r.at;
#ifndef DCZ_NO_CONTEXT
        at = c ? c->data + c->position : at;
#endif
        if (!IS_SMALL && sizes && i >= first)
            sizes[i - first] = (size_t)(at - begin);
        if (t.visit)
            tell_decoded(&t);
        else
            to_own_order(&t);
        a->used = before.used;
        if (!was_wanted && !is_new(f))
            a->needed = before.needed; /* no memory is needed to pass it */
    }
    int is_over = t.r.at == t.r.end;
#ifndef DCZ_NO_CONTEXT
    if (c)
        is_over = c->position >= c->size || is_short(a);
#endif
    if (end == all && !is_over)
        fail(&t.r);
    return repay(a, t.r.status);
}

dcz_status dcz_decode(const dcz_file *file, size_t index, void *out, size_t size,
                      dcz_scratch *scratch)
{
    size_t place = NONE;
    if (index < file->n_arrays) {
        const entry *e = &file->entries[index];
        if (size >= e->seal.size * e->itemsize)
            place = e->section;
    }
    return decode(file, place, NULL, NULL, scratch, index, &out, NULL);
}

dcz_status dcz_each(const dcz_file *file, size_t index, dcz_visitor *visit, void *to,
                    dcz_scratch *scratch)
{
    const size_t place = index < file->n_arrays ? file->entries[index].section : NONE;
    return decode(file, place, visit, &to, scratch, index, NULL, NULL);
}

dcz_status dcz_each_of_section(const dcz_file *file, size_t index, dcz_visitor *visit,
                               void *const *tos, dcz_scratch *scratch)
{
    return decode(file, index, visit, tos, scratch, NONE, NULL, NULL);
}

dcz_status dcz_section_arrays(const dcz_file *file, size_t index, size_t *first,
                              size_t *count)
{
    if (index >= file->n_sections)
        return DCZ_ERROR_ARGUMENT;
    *first = file->sections[index].first;
    *count = file->sections[index].count;
    return DCZ_OK;
}

dcz_status dcz_decode_section(const dcz_file *file, size_t index, void *const *outs,
                              dcz_scratch *scratch)
{
    return decode(file, index, NULL, NULL, scratch, NONE, outs, NULL);
}

#ifndef DCZ_SMALL

dcz_status dcz_section_sizes(const dcz_file *file, size_t index, size_t *sizes,
                             dcz_scratch *scratch)
{
    return decode(file, index, NULL, NULL, scratch, NONE, NULL, sizes);
}

#endif

/* ---- Architecture and parts ------------------------------------------------- */

dcz_status dcz_architecture(const dcz_file *file, dcz_blob *packed, uint64_t *plain_size)
{
    const seal *s = &file->architecture;
    packed->name = "";
    packed->name_size = 0;
    packed->data = s->data;
    packed->size = s->size;
    *plain_size = file->architecture_plain_size;
    /* That of version 2 was checked when the file was opened. */
    return is_new(file) || s->size == 0 ? DCZ_OK : check(s);
}

dcz_status dcz_part(const dcz_file *file, size_t index, dcz_blob *part)
{
    if (index >= file->n_parts)
        return DCZ_ERROR_ARGUMENT;
    const entry *e = &file->entries[file->n_arrays + index];
    part->name = (const char *)e->leaf;
    part->name_size = e->leaf_size;
    part->data = e->seal.data;
    part->size = e->seal.size;
    return check(&e->seal);
}

/* ---- Assets: LZMA2 ---------------------------------------------------------- */

#ifndef DCZ_NO_ASSETS

/* The packed assets, behind their plain size, which is 0 if there are none. */
static dcz_status find_assets(const dcz_file *f, reader *packed, uint64_t *size)
{
    dcz_blob part;
    size_t i = 0;
    *size = 0;
    while (i < f->n_parts && !f->entries[f->n_arrays + i].is_assets)
        i++;
    if (i == f->n_parts)
        return DCZ_OK;
    const dcz_status status = dcz_part(f, i, &part);
    if (status)
        return status;
    packed->at = part.data;
    packed->end = part.data + part.size;
    packed->status = DCZ_OK;
    *size = varint(packed);
    return *size ? DCZ_OK : DCZ_ERROR_CORRUPT;
}

/* Where the probabilities of each kind begin. A length has 514: two choices, 16 trees of
 * 8, 16 more, and one of 256. */
enum {
    IS_MATCH,
    IS_REP = IS_MATCH + 12 * 16,
    IS_REP_0 = IS_REP + 12,
    IS_REP_1 = IS_REP_0 + 12,
    IS_REP_2 = IS_REP_1 + 12,
    IS_LONG = IS_REP_2 + 12,
    DISTANCE_SLOTS = IS_LONG + 12 * 16,
    DISTANCES = DISTANCE_SLOTS + 4 * 64,
    ALIGNED = DISTANCES + 128,
    LENGTHS = ALIGNED + 16,
    REP_LENGTHS = LENGTHS + 514,
    LITERALS = REP_LENGTHS + 514,
    N_PROBABILITIES = LITERALS + (768 << 4)
};

typedef struct {
    reader r; /* the bytes of the chunk */
    uint32_t range, code;
    uint32_t distances[4]; /* the last ones, less 1 */
    uint32_t window;
    unsigned state, lc, lp, pb;
    uint8_t *begin, *at, *end; /* what is known since the last reset, and the room */
    uint16_t p[N_PROBABILITIES];
} lzma;

static void shift_in(lzma *z)
{
    if (z->range < UINT32_C(1) << 24) {
        z->range <<= 8;
        z->code = z->code << 8 | byte(&z->r);
    }
}

static unsigned lzma_bit(lzma *z, unsigned which)
{
    uint16_t *p = &z->p[which];
    shift_in(z);
    const uint32_t bound = (z->range >> 11) * *p;
    if (z->code < bound) {
        z->range = bound;
        *p = (uint16_t)(*p + ((2048 - *p) >> 5));
        return 0;
    }
    z->range -= bound;
    z->code -= bound;
    *p = (uint16_t)(*p - (*p >> 5));
    return 1;
}

static unsigned lzma_tree(lzma *z, unsigned begin, unsigned n)
{
    unsigned node = 1;
    for (unsigned i = 0; i < n; i++)
        node = node << 1 | lzma_bit(z, begin + node);
    return node - (1u << n);
}

/* The lowest bit first. */
APART static uint32_t lzma_reversed(lzma *z, unsigned begin, unsigned n)
{
    uint32_t value = 0;
    for (unsigned i = 0, node = 1; i < n; i++) {
        const unsigned bit = lzma_bit(z, begin + node);
        node = node << 1 | bit;
        value |= (uint32_t)bit << i;
    }
    return value;
}

static unsigned lzma_length(lzma *z, unsigned begin, unsigned place)
{
    if (!lzma_bit(z, begin))
        return 2 + lzma_tree(z, begin + 2 + 8 * place, 3);
    if (!lzma_bit(z, begin + 1))
        return 10 + lzma_tree(z, begin + 130 + 8 * place, 3);
    return 18 + lzma_tree(z, begin + 258, 8);
}

APART static uint32_t lzma_distance(lzma *z, unsigned length)
{
    const unsigned kind = length < 6 ? length - 2 : 3;
    const unsigned slot_number = lzma_tree(z, DISTANCE_SLOTS + 64 * kind, 6);
    if (slot_number < 4)
        return slot_number;
    unsigned n = slot_number / 2 - 1;
    uint32_t distance = (2 | (slot_number & 1)) << n;
    if (slot_number < 14)
        return distance + lzma_reversed(z, DISTANCES + distance - slot_number, n);
    uint32_t direct = 0;
    for (; n > 4; n--) {
        shift_in(z);
        z->range >>= 1;
        const uint32_t bit = z->code >= z->range;
        z->code -= bit ? z->range : 0;
        direct = direct << 1 | bit;
    }
    return distance + (direct << 4) + lzma_reversed(z, ALIGNED, 4);
}

static void lzma_literal(lzma *z)
{
    const unsigned known = (unsigned)(z->at - z->begin);
    const unsigned last = z->at == z->begin ? 0 : z->at[-1];
    const unsigned which = ((known & ((1u << z->lp) - 1)) << z->lc) + (last >> (8 - z->lc));
    const unsigned begin = LITERALS + 768 * which;
    unsigned node = 1, match = 0, offset = 0;
    if (z->state >= 7) {
        match = *(z->at - z->distances[0] - 1);
        offset = 256;
    }
    while (node < 256) {
        match <<= 1;
        const unsigned expected = match & offset;
        const unsigned bit = lzma_bit(z, begin + offset + expected + node);
        node = node << 1 | bit;
        offset &= bit ? match : ~match;
    }
    *z->at++ = (uint8_t)node;
    z->state = z->state < 4 ? 0 : z->state < 10 ? z->state - 3 : z->state - 6;
}

/* The length of the match that comes next, whose distance is the last one then. */
static unsigned lzma_match(lzma *z, unsigned place)
{
    uint32_t *d = z->distances;
    const unsigned state = z->state, after_literal = state < 7;
    if (!lzma_bit(z, IS_REP + state)) {
        const unsigned length = lzma_length(z, LENGTHS, place);
        d[3] = d[2];
        d[2] = d[1];
        d[1] = d[0];
        d[0] = lzma_distance(z, length);
        z->state = after_literal ? 7 : 10;
        return length;
    }
    unsigned which = 0;
    if (!lzma_bit(z, IS_REP_0 + state)) {
        if (!lzma_bit(z, IS_LONG + 16 * state + place)) {
            z->state = after_literal ? 9 : 11;
            return 1;
        }
    } else {
        which = 1;
        if (lzma_bit(z, IS_REP_1 + state))
            which = 2 + lzma_bit(z, IS_REP_2 + state);
    }
    const uint32_t distance = d[which];
    for (; which; which--)
        d[which] = d[which - 1];
    d[0] = distance;
    z->state = after_literal ? 8 : 11;
    return lzma_length(z, REP_LENGTHS, place);
}

/* A chunk of so many bytes once it is unpacked. */
static void lzma_chunk(lzma *z, size_t size)
{
    uint8_t *end = z->at + size;
    z->range = UINT32_MAX;
    if (byte(&z->r) != 0)
        fail(&z->r);
    for (int i = 0; i < 4; i++)
        z->code = z->code << 8 | byte(&z->r);
    while (z->at < end && !z->r.status) {
        const size_t known = (size_t)(z->at - z->begin);
        const unsigned place = (unsigned)known & ((1u << z->pb) - 1);
        if (!lzma_bit(z, IS_MATCH + 16 * z->state + place)) {
            lzma_literal(z);
            continue;
        }
        unsigned length = lzma_match(z, place);
        if (z->distances[0] >= known || z->distances[0] >= z->window ||
            length > (size_t)(end - z->at)) {
            fail(&z->r);
            return;
        }
        for (const uint8_t *from = z->at - z->distances[0] - 1; length--;)
            *z->at++ = *from++;
    }
    shift_in(z);
    if (z->code || z->r.at != z->r.end)
        fail(&z->r);
}

static void reset_state(lzma *z)
{
    for (size_t i = 0; i < N_PROBABILITIES; i++)
        z->p[i] = 1024;
    z->state = 0;
    memset(z->distances, 0, sizeof z->distances);
}

APART static size_t chunk_size(reader *r)
{
    const size_t high = byte(r);
    return (high << 8 | byte(r)) + 1;
}

/* Unpacks to exactly the room that there is. */
static void unpack(lzma *z, reader *packed)
{
    /* What has to be new in the next chunk: 3 all, 2 properties, 1 the state. */
    unsigned due = 3;
    for (unsigned control; (control = byte(packed)) != 0;) {
        const int is_packed = control >= 0x80;
        const unsigned is_new = is_packed ? control >> 5 & 3 : control == 1 ? 3 : 0;
        size_t size = chunk_size(packed);
        if ((!is_packed && control > 2) || (due == 3 && is_new < 3) ||
            (is_packed && is_new < due))
            fail(packed);
        if (is_packed)
            size += (size_t)(control & 31) << 16;
        if (size > (size_t)(z->end - z->at))
            fail(packed);
        if (packed->status)
            return;
        if (is_new == 3)
            z->begin = z->at;
        if (!is_packed) {
            const uint8_t *from = bytes(packed, size);
            if (packed->status)
                return;
            memcpy(z->at, from, size);
            z->at += size;
            due = is_new == 3 ? 2 : due;
            continue;
        }
        const size_t packed_size = chunk_size(packed);
        if (is_new >= 2) {
            const unsigned properties = byte(packed);
            z->pb = properties / 45;
            z->lp = properties / 9 % 5;
            z->lc = properties % 9;
            if (z->pb > 4 || z->lc + z->lp > 4)
                fail(packed);
        }
        if (is_new)
            reset_state(z);
        due = 0;
        z->r.at = bytes(packed, packed_size);
        z->r.end = packed->at;
        z->r.status = packed->status;
        if (!packed->status)
            lzma_chunk(z, size);
        if (z->r.status)
            fail(packed);
    }
    if (z->at != z->end || packed->at != packed->end)
        fail(packed);
}

/* A name that leads out of no folder. */
static int is_inside(const uint8_t *name, size_t n)
{
    size_t begin = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && (name[i] == '\\' || name[i] == 0))
            return 0;
        if (i < n && name[i] != '/')
            continue;
        const size_t size = i - begin;
        if (size == 0 || (name[begin] == '.' && (size == 1 || (size == 2 && name[i - 1] == '.'))))
            return 0;
        begin = i + 1;
    }
    return 1;
}

/* Whether what was unpacked are assets, and their names, once there is room for them. */
static dcz_status check_assets(const uint8_t *data, size_t size, dcz_scratch *a)
{
    entry *names = NULL;
    const entry **sorted = NULL;
    for (;;) {
        reader r = {data, data + size, DCZ_OK, 0};
        const size_t n = varint(&r);
        uint64_t total = 0;
        for (size_t i = 0; i < n && !r.status; i++) {
            entry spare, *e = names ? &names[i] : &spare;
            e->layer_size = 0;
            e->leaf = string(&r, &e->leaf_size);
            if (r.status || !is_inside(e->leaf, e->leaf_size))
                fail(&r);
            const size_t its_size = varint(&r);
            if (its_size > size)
                fail(&r);
            total += its_size;
        }
        if (n == 0 || r.status || total != (uint64_t)(r.end - r.at))
            return DCZ_ERROR_CORRUPT;
        if (names)
            return are_different(names, n, sorted) ? DCZ_OK : DCZ_ERROR_CORRUPT;
        entry *taken = take(a, n, sizeof *taken);
        sorted = take(a, n, sizeof *sorted);
        if (is_short(a))
            return DCZ_OK;
        names = taken;
    }
}

dcz_status dcz_assets_size(const dcz_file *file, uint64_t *size)
{
    reader packed;
    return find_assets(file, &packed, size);
}

dcz_status dcz_unpack_assets(const dcz_file *file, void *out, size_t size,
                             dcz_scratch *scratch)
{
    reader packed;
    uint64_t plain_size;
    borrow(scratch);
    dcz_status status = find_assets(file, &packed, &plain_size);
    if (status == DCZ_OK && (plain_size > size || plain_size == 0))
        status = DCZ_ERROR_ARGUMENT;
    lzma *z = status ? NULL : take(scratch, 1, sizeof *z);
    if (z) {
        memset(z, 0, sizeof *z);
        z->begin = z->at = out;
        z->end = z->at + (size_t)plain_size;
        z->window = plain_size < 1 << 12   ? 1 << 12
                    : plain_size > 1 << 26 ? 1 << 26
                                           : (uint32_t)plain_size;
        unpack(z, &packed);
        scratch->used = 0;
        status = packed.status ? packed.status : check_assets(out, (size_t)plain_size, scratch);
    }
    return repay(scratch, status);
}

size_t dcz_n_assets(const void *unpacked, size_t size)
{
    const uint8_t *data = unpacked;
    reader r = {data, data + size, DCZ_OK, 0};
    return varint(&r);
}

dcz_status dcz_asset(const void *unpacked, size_t size, size_t index, dcz_blob *asset)
{
    const uint8_t *data = unpacked;
    reader r = {data, data + size, DCZ_OK, 0};
    const size_t n = varint(&r);
    size_t before = 0;
    if (index >= n)
        return DCZ_ERROR_ARGUMENT;
    for (size_t i = 0; i < n && !r.status; i++) {
        size_t name_size;
        const uint8_t *name = string(&r, &name_size);
        const size_t its_size = varint(&r);
        before += i < index ? its_size : 0;
        if (i == index) {
            asset->name = (const char *)name;
            asset->name_size = name_size;
            asset->size = its_size;
        }
    }
    bytes(&r, before);
    asset->data = bytes(&r, asset->size);
    return r.status;
}

#endif

/* ---- Words ------------------------------------------------------------------ */

const char *dcz_message(dcz_status status)
{
    static const char WORDS[] = "fine\0"
                                "too little scratch\0"
                                "wrong argument\0"
                                "no .dcz file\0"
                                "needs a newer decoder\0"
                                "left out\0"
                                "too large\0"
                                "wrong checksum\0"
                                "corrupt\0"
                                "?";
    const unsigned last = DCZ_ERROR_CORRUPT + 1, which = (unsigned)status;
    return word(WORDS, which < last ? which : last);
}

#ifndef DCZ_SMALL

const char *dcz_dtype_name(dcz_dtype dtype)
{
    static const char NAMES[] = "bool\0int8\0uint8\0int16\0uint16\0int32\0uint32\0int64\0"
                                "uint64\0float16\0float32\0float64\0complex64\0complex128\0"
                                "bfloat16\0float8_e4m3fn\0float8_e5m2\0?";
    const unsigned which = (unsigned)dtype;
    return word(NAMES, which < DCZ_N_DTYPES ? which : DCZ_N_DTYPES);
}

#endif
