/* The n-grams of texts, called from ngrams.py beside this file. */

#include <stddef.h>
#include <stdint.h>

#include "texts.h"

const size_t bytes_of_texts = sizeof(struct texts);

struct known_ngrams {
    int64_t n_keys, slot_bits;
    const int64_t *keys; /* (n_keys,): all different */
    int32_t *slots; /* (2^slot_bits,), more than n_keys: each a key's number or -1 */
};

const size_t bytes_of_known_ngrams = sizeof(struct known_ngrams);

static uint64_t hash_of(int64_t key) {
    return (uint64_t)key * 0x9E3779B97F4A7C15u;
}

/* The slot that has the key, or a free one, in which it would be. */
static int64_t slot_of(int64_t key, const int64_t *keys, const int32_t *slots,
                       int64_t bits) {
    int64_t slot = hash_of(key) >> (64 - bits);
    while (slots[slot] >= 0 && keys[slots[slot]] != key)
        slot = (slot + 1) & (((int64_t)1 << bits) - 1);
    return slot;
}

/* Puts each key's number where it is looked for. */
void fill_slots(const struct known_ngrams *a) {
    for (int64_t i = 0; i < (int64_t)1 << a->slot_bits; i++)
        a->slots[i] = -1;
    for (int64_t i = 0; i < a->n_keys; i++)
        a->slots[slot_of(a->keys[i], a->keys, a->slots, a->slot_bits)] = i;
}

/* The key of the n-gram that goes on from another with this id; -1 of one that cannot
   be. The n-gram of no ids is 0, those known are numbered from 1 on. */
static int64_t key_of(const struct texts *a, int64_t ngram, int64_t place) {
    int64_t id = id_at(a, place);
    return id < a->first_id ? -1 : ngram * a->n_ids + id;
}

/* The number of the n-gram that goes on, or 0. */
static int64_t next_ngram(const struct texts *a, const struct known_ngrams *known,
                          int64_t ngram, int64_t place) {
    int64_t key = key_of(a, ngram, place);
    if (key < 0)
        return 0;
    return known->slots[slot_of(key, known->keys, known->slots, known->slot_bits)] + 1;
}

struct marks {
    int64_t max_n;
    int32_t *last_text; /* (n_keys,): zeros, for its own use; or none, for few tokens */
    int32_t *columns;   /* (max_n * n_tokens,): the n-grams of text upon text */
    int32_t *n_of_texts; /* (n_texts,): how many each text has */
};

const size_t bytes_of_marks = sizeof(struct marks);

/* Whether a text's n-gram is none of those that it has from `first` on. */
static int is_new(const struct marks *to, int32_t found, int32_t text, int64_t first,
                  int64_t end) {
    if (to->last_text) {
        int32_t before = to->last_text[found];
        to->last_text[found] = text + 1;
        return before != text + 1;
    }
    for (int64_t i = first; i < end; i++)
        if (to->columns[i] == found)
            return 0;
    return 1;
}

/* Gives how many columns there are. */
int64_t mark_ngrams(const struct texts *a, const struct known_ngrams *known,
                    const struct marks *to) {
    int64_t n_columns = 0;
    for (int64_t text = 0; text < a->n_texts; text++) {
        int64_t n_before = n_columns, stop = offset_at(a, text + 1);
        for (int64_t start = offset_at(a, text); start < stop; start++) {
            int64_t end = start + to->max_n < stop ? start + to->max_n : stop;
            int64_t ngram = 0;
            for (int64_t place = start; place < end; place++) {
                ngram = next_ngram(a, known, ngram, place);
                if (!ngram)
                    break;
                /* Without a branch: whether it was there before cannot be foretold. */
                to->columns[n_columns] = ngram - 1;
                n_columns += is_new(to, ngram - 1, text, n_before, n_columns);
            }
        }
        to->n_of_texts[text] = n_columns - n_before;
    }
    return n_columns;
}

struct counts {
    int64_t n;                 /* ids of an n-gram */
    int64_t share_bits, share; /* which n-grams are counted here */
    int64_t slot_bits;
    int64_t *keys;      /* (2^slot_bits,) */
    int32_t *n_texts;   /* (2^slot_bits,): zeros; how many texts hold each */
    int32_t *last_text; /* (2^slot_bits,): for its own use */
};

const size_t bytes_of_counts = sizeof(struct counts);

/* Whether an n-gram is counted here, as its first and last ids tell: nothing has to be
   looked up for the others. */
static int is_of_share(const struct texts *a, const struct counts *to, int64_t start) {
    uint64_t ends = id_at(a, start) * a->n_ids + id_at(a, start + to->n - 1);
    /* Of the lower bits of a product the lowest say least. */
    return (int64_t)(hash_of(ends) >> 32 & ((1 << to->share_bits) - 1)) == to->share;
}

/* Gives 0 if there are too few slots, and else 1. */
int64_t count_ngrams(const struct texts *a, const struct known_ngrams *known,
                     const struct counts *to) {
    int64_t mask = ((int64_t)1 << to->slot_bits) - 1, n_free = mask / 4 * 3;
    for (int64_t text = 0; text < a->n_texts; text++) {
        int64_t stop = offset_at(a, text + 1);
        for (int64_t start = offset_at(a, text); start + to->n <= stop; start++) {
            int64_t ngram = 0, last = start + to->n - 1;
            if (!is_of_share(a, to, start))
                continue;
            for (int64_t place = start; place < last; place++) {
                ngram = next_ngram(a, known, ngram, place);
                if (!ngram)
                    break;
            }
            int64_t key = ngram || to->n == 1 ? key_of(a, ngram, last) : -1;
            if (key < 0)
                continue;
            int64_t slot = hash_of(key) >> (64 - to->slot_bits);
            while (to->n_texts[slot] && to->keys[slot] != key)
                slot = (slot + 1) & mask;
            if (!to->n_texts[slot]) {
                if (!n_free--)
                    return 0;
                to->keys[slot] = key;
            } else if (to->last_text[slot] == text)
                continue;
            to->last_text[slot] = text;
            to->n_texts[slot]++;
        }
    }
    return 1;
}
