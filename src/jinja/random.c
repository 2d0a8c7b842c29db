/*
 * jinja/random.c
 *		The filter random with a seed: Python's generator, so that the result is
 *		that of Ansible, and the same whenever the template is rendered again.
 *
 * PostgreSQL's generator (common/pg_prng.h) gives other numbers than Python's.
 */
#include "common/common.h"

#include "common/cryptohash.h"
#include "common/int.h"
#include "common/sha2.h"

#include "jinja/filters.h"
#include "jinja/internal.h"

#define MT_N	624
#define MT_M	397

/* A Mersenne Twister, MT19937. */
typedef struct Twister
{
	uint32		state[MT_N];
	int			index;
} Twister;

/* Initialises a twister with one number. */
static void
seed_number(Twister *mt, uint32 seed)
{
	mt->state[0] = seed;
	for (int i = 1; i < MT_N; i++)
		mt->state[i] = 1812433253U * (mt->state[i - 1] ^ (mt->state[i - 1] >> 30)) + i;
	mt->index = MT_N;
}

/* Initialises a twister with a key. */
static void
seed_key(Twister *mt, const uint32 *key, int length)
{
	int			i = 1;
	int			j = 0;

	seed_number(mt, 19650218U);
	for (int k = Max(MT_N, length); k > 0; k--)
	{
		mt->state[i] = (mt->state[i] ^
						((mt->state[i - 1] ^ (mt->state[i - 1] >> 30)) * 1664525U)) + key[j] + j;
		if (++i >= MT_N)
		{
			mt->state[0] = mt->state[MT_N - 1];
			i = 1;
		}
		if (++j >= length)
			j = 0;
	}
	for (int k = MT_N - 1; k > 0; k--)
	{
		mt->state[i] = (mt->state[i] ^
						((mt->state[i - 1] ^ (mt->state[i - 1] >> 30)) * 1566083941U)) - i;
		if (++i >= MT_N)
		{
			mt->state[0] = mt->state[MT_N - 1];
			i = 1;
		}
	}
	mt->state[0] = 0x80000000U;
}

/* Makes the next numbers of a twister. */
static void
twist(Twister *mt)
{
	for (int k = 0; k < MT_N; k++)
	{
		uint32		y = (mt->state[k] & 0x80000000U) | (mt->state[(k + 1) % MT_N] & 0x7fffffffU);

		mt->state[k] = mt->state[(k + MT_M) % MT_N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfU : 0);
	}
	mt->index = 0;
}

/* Returns the next 32 bits. */
static uint32
next_bits(Twister *mt)
{
	uint32		y;

	if (mt->index >= MT_N)
		twist(mt);
	y = mt->state[mt->index++];
	y ^= y >> 11;
	y ^= (y << 7) & 0x9d2c5680U;
	y ^= (y << 15) & 0xefc60000U;
	return y ^ (y >> 18);
}

/* Returns a number below n, which is above 0, as Python's random does. */
static uint64
below(Twister *mt, uint64 n)
{
	int			bits = 64 - __builtin_clzll(n);
	uint64		r;

	do
	{
		if (bits <= 32)
			r = next_bits(mt) >> (32 - bits);
		else
		{
			r = next_bits(mt);
			r |= (uint64) (next_bits(mt) >> (64 - bits)) << 32;
		}
	} while (r >= n);
	return r;
}

/* Seeds a twister with a text, as Python does: the text and its SHA-512 are a number. */
static void
seed_text(Twister *mt, const Value *text)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA512);
	uint8	   *bytes = palloc(text->length + PG_SHA512_DIGEST_LENGTH);
	int			length = text->length + PG_SHA512_DIGEST_LENGTH;
	int			words = (length + 3) / 4;
	uint32	   *key = palloc0(words * sizeof(uint32));

	bounds_work((int64) text->length * 10);
	memcpy(bytes, text->u.string, text->length);
	if (pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, bytes, text->length) < 0 ||
		pg_cryptohash_final(hash, bytes + text->length, PG_SHA512_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute a hash");
	pg_cryptohash_free(hash);
	for (int i = 0; i < length; i++)
		key[i / 4] |= (uint32) bytes[length - 1 - i] << (i % 4 * 8);
	while (words > 1 && key[words - 1] == 0)
		words--;
	seed_key(mt, key, words);
}

/* Seeds a twister with an integer or a text. */
static void
seed_value(Eval *ev, Twister *mt, const Value *seed)
{
	Value		text;

	if (seed->kind == VAL_UNDEFINED)
		value_fail_undefined(seed);
	if (seed->kind == VAL_INT || seed->kind == VAL_BOOL)
	{
		int64		number = seed->kind == VAL_BOOL ? seed->u.boolean : seed->u.integer;
		uint64		size = number < 0 ? -(uint64) number : (uint64) number;
		uint32		key[2] = {(uint32) size, (uint32) (size >> 32)};

		seed_key(mt, key, key[1] != 0 ? 2 : 1);
		return;
	}
	text = value_str(&ev->budget, seed);
	seed_text(mt, &text);
}

/* Returns a number of a range, or an item of a list, at random. */
static Value
choose(Eval *ev, Twister *mt, const Value *argv)
{
	int64		start = value_given_not_none(&argv[1]) ? value_index(&argv[1], "start") : 0;
	int64		step = value_given_not_none(&argv[2]) ? value_index(&argv[2], "step") : 1;
	Value		list;
	int64		span;
	int64		count;

	if (argv[0].kind == VAL_INT)
	{
		if (pg_sub_s64_overflow(argv[0].u.integer, start, &span))
			value_fail("range is too large");
		if (step == 0)
			value_fail("zero step for randrange()");
		count = step > 0 ? (span > 0 ? (span - 1) / step + 1 : 0) :
			span < 0 && step != PG_INT64_MIN ? (-span - 1) / -step + 1 : 0;
		if (count <= 0)
			value_fail("empty range for randrange()");
		return value_int(start + step * (int64) below(mt, count));
	}
	if (argv[0].kind == VAL_UNDEFINED)
		value_fail_undefined(&argv[0]);
	if (!value_is_iterable(&argv[0]))
		value_fail("random can only be used on sequences and integers");
	if (value_given_not_none(&argv[1]) || value_given_not_none(&argv[2]))
		value_fail("start and step can only be used with integer values");
	if (argv[0].kind == VAL_DICT)
		value_fail("random can only be used on sequences and integers");
	list = value_collect(&ev->budget, &argv[0]);
	if (seq_count(&list) == 0)
		value_fail("cannot choose from an empty sequence");
	return seq_items(&list)[below(mt, seq_count(&list))];
}

/* The filter random: refused without a seed. */
Value
jinja_filter_random(Eval *ev, const Value *argv, const CallArgs *call)
{
	Twister	   *mt;

	if (!value_given_not_none(&argv[3]))
		value_fail_refused("A template must give the same result whenever it is rendered again: write random(seed=execution_id).",
						   "filter \"random\" without a seed is not supported");
	mt = palloc(sizeof(Twister));
	bounds_work(20000);
	seed_value(ev, mt, &argv[3]);
	return choose(ev, mt, argv);
}
