// From the rows of an observation port to the inputs of a network: numbers as float32, categories one-hot.
//
// What algorithms/encoding.py's `Inputs` computes in torch.
#ifndef REACTVEC_ENCODER_H
#define REACTVEC_ENCODER_H

#include <stdint.h>
#include <string.h>

enum { READ_F32, READ_F64, READ_U8, READ_I8, READ_I16, READ_I32, READ_I64 };
enum { MOST_PARTS = 64 };

// `count` values of one type at byte `at` of a row; each is a number, or one of `categories` from `start` on.
typedef struct {
    int type;
    int64_t at, count, categories, start;
    float divisor;  // of numbers
} Part;

typedef struct {
    int64_t row;       // bytes
    int64_t features;  // that a row becomes
    int parts;
    Part part[MOST_PARTS];
    // Which categories of actions are possible: `masked` values of a type from byte `mask_at` on; none of them: all are.
    int mask_type;
    int64_t mask_at, masked;
} Encoder;

static inline double read_value(int type, const char *at) {
    float f32; double f64; uint8_t u8; int8_t i8; int16_t i16; int32_t i32; int64_t i64;
    switch (type) {
        case READ_F32: memcpy(&f32, at, sizeof f32); return f32;
        case READ_F64: memcpy(&f64, at, sizeof f64); return f64;
        case READ_U8: memcpy(&u8, at, sizeof u8); return u8;
        case READ_I8: memcpy(&i8, at, sizeof i8); return i8;
        case READ_I16: memcpy(&i16, at, sizeof i16); return i16;
        case READ_I32: memcpy(&i32, at, sizeof i32); return i32;
        default: memcpy(&i64, at, sizeof i64); return (double)i64;
    }
}

static inline int64_t read_size(int type) {
    static const int8_t sizes[] = {4, 8, 1, 1, 2, 4, 8};
    return sizes[type];
}

// One row, to `features` floats; a category out of range leaves all of its floats 0.
static inline void encode(const Encoder *encoder, const char *row, float *features) {
    for (int p = 0; p < encoder->parts; p++) {
        const Part *part = &encoder->part[p];
        const char *at = row + part->at;
        if (part->categories) {
            memset(features, 0, (size_t)(part->count * part->categories) * sizeof *features);
            for (int64_t k = 0; k < part->count; k++, features += part->categories) {
                const int64_t category = (int64_t)read_value(part->type, at + k * read_size(part->type)) - part->start;
                if (0 <= category && category < part->categories) features[category] = 1.0f;
            }
        } else if (part->type == READ_F32) {
            memcpy(features, at, (size_t)part->count * sizeof *features);
            features += part->count;
        } else {
            for (int64_t k = 0; k < part->count; k++)
                *features++ = (float)read_value(part->type, at + k * read_size(part->type)) / part->divisor;
        }
    }
}

// The logits of what a row says is impossible become very small, as in algorithms/actor_critic.py.
static inline void rule_out(const Encoder *encoder, const char *row, float *logits) {
    const int64_t size = read_size(encoder->mask_type);
    for (int64_t k = 0; k < encoder->masked; k++)
        if (read_value(encoder->mask_type, row + encoder->mask_at + k * size) == 0.0) logits[k] = -1e8f;
}

// `count` rows, one after the other, to values [count][stride].
static inline void encode_rows(const Encoder *encoder, const char *rows, float *values, int64_t stride, int64_t count) {
    for (int64_t i = 0; i < count; i++) encode(encoder, rows + i * encoder->row, values + i * stride);
}

#endif
