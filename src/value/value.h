/*
 * value/value.h
 *		JSON values as Python sees them, and the operations on them.
 *
 * A Value is immutable and lives in a memory context that is deleted or reset
 * as a whole; no function frees a value.  Every function allocates in
 * CurrentMemoryContext, except that what belongs to a value that is there
 * already (the items of a list from jsonb, the state of an iterator) goes to
 * the memory context of that value.
 *
 * The functions form families:
 *
 *		value_		any value: truth, order, text, JSON, errors, limits
 *		seq_		lists and tuples
 *		dict_		dicts
 *		iter_		iterators
 *		number_		bool, int and float
 *		utext_		strings: Python's str over UTF-8
 *		unicode_	properties of one character (value/unicode.h)
 *		format_		numbers as text, printf-style (value/format.h)
 *		datetime_	dates and times (value/datetime.h)
 */
#ifndef NOETL_VALUE_VALUE_H
#define NOETL_VALUE_VALUE_H

#include <ctype.h>
#include <limits.h>

#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "common/common.h"
#include "value/unicode.h"

/* ------------------------------------------------------------------------
 * Types
 * ------------------------------------------------------------------------
 */
typedef enum ValueKind
{
	VAL_ABSENT,					/* no value at all: an argument not given */
	VAL_UNDEFINED,
	VAL_NONE,
	VAL_BOOL,
	VAL_INT,
	VAL_BIGINT,					/* an integer that does not fit int64 */
	VAL_FLOAT,
	VAL_STRING,
	VAL_LIST,
	VAL_TUPLE,
	VAL_DICT,
	VAL_RANGE,
	VAL_VIEW,					/* dict.keys(), .values(), .items() */
	VAL_ITERATOR,				/* a generator: can be walked once */
	VAL_NAMESPACE,				/* a dict whose members can be assigned */
	VAL_OBJECT,					/* an object of a type that is defined above
								 * this room */
	VAL_DATETIME,				/* an instant in a zone */
	VAL_DATE,
	VAL_TIME,					/* a time of day */
	VAL_TIMEDELTA
} ValueKind;

#define VF_MARKUP	0x01		/* string: HTML that needs no escaping */
#define VF_STEP		0x02		/* value of a step: .data/.result fall back */
#define VF_STEPS	0x04		/* dict whose members are values of steps */
#define VF_GROUP	0x08		/* tuple (grouper, list) made by groupby */
#define VF_STRICT	0x10		/* dict: to print a member that it lacks is an
								 * error; undefined: such a member */

typedef struct Value Value;
typedef struct ValueList ValueList;
typedef struct ValueDict ValueDict;
typedef struct ValueRange ValueRange;
typedef struct ValueView ValueView;
typedef struct Undefined Undefined;
typedef struct Iterator Iterator;
typedef struct ValueObject ValueObject;
typedef struct ValueDatetime ValueDatetime;

/*
 * What one evaluation may consume.  Operations that walk over values or build
 * large ones count against it.  A function that takes a Budget accepts NULL
 * where its comment says so.
 */
typedef struct Budget
{
	MemoryContext context;		/* holds all values of the evaluation */
	int64		iterations;		/* steps of iterators so far */
} Budget;

struct Value
{
	uint8		kind;			/* ValueKind */
	uint8		flags;			/* VF_* */
	uint16		origin;			/* free for the room above: the engine notes the
								 * name of the step there */
	int32		length;			/* VAL_STRING: bytes */
	union
	{
		bool		boolean;
		int64		integer;		/* also VAL_DATE: days since 2000-01-01;
									 * VAL_TIME, VAL_TIMEDELTA: microseconds */
		double		real;
		Numeric		big;
		const char *string;		/* not NUL-terminated */
		ValueList  *list;		/* VAL_LIST, VAL_TUPLE */
		ValueDict  *dict;		/* VAL_DICT, VAL_NAMESPACE */
		ValueRange *range;
		ValueView  *view;
		Undefined  *undefined;
		Iterator   *iterator;
		ValueObject	   *object;
		ValueDatetime *datetime;	/* VAL_DATETIME */
	}			u;
};

/* A list that came from jsonb keeps the container until someone walks it. */
struct ValueList
{
	int			count;
	Value	   *items;			/* NULL: not deformed yet */
	JsonbContainer *json;
};

typedef struct DictEntry
{
	Value		key;
	Value		value;
	uint32		hash;
} DictEntry;

/* A dict keeps insertion order, as Python's does; a small one has no index. */
struct ValueDict
{
	int			count;
	int			allocated;
	DictEntry  *entries;		/* NULL with json set: not deformed yet */
	int			nbuckets;		/* power of two, 0: no index */
	int32	   *buckets;		/* entry number or -1 */
	JsonbContainer *json;
};

struct ValueRange
{
	int64		start;
	int64		step;
	int64		count;
	int64		stop;
};

typedef enum ViewKind
{
	VIEW_KEYS,
	VIEW_VALUES,
	VIEW_ITEMS
} ViewKind;

struct ValueView
{
	ViewKind	kind;
	ValueDict  *dict;
	uint8		flags;			/* VF_STEPS of the dict */
};

/* Why a value is undefined; becomes text only when an operation fails. */
struct Undefined
{
	const char *hint;			/* or NULL */
	const char *owner;			/* type that lacks the attribute, or NULL */
	Value		name;
};

/* An iterator; a kind of iterator has this struct as its first member. */
struct Iterator
{
	/* Sets *item and returns true, or returns false at the end. */
	bool		(*next) (Budget *budget, Iterator *it, Value *item);
	const char *type;			/* Python's name of the type, for messages */
};

/*
 * A type of objects that a room above defines.  A callback that is NULL means
 * that objects of the type lack the operation.
 */
typedef struct ValueObjectType
{
	const char *name;			/* Python's name of the type */
	int64		(*length) (Budget *budget, const ValueObject *object);
	Iterator   *(*iterate) (ValueObject *object);
	void		(*repr) (Budget *budget, StringInfo buf, const ValueObject *object);
	/* Compares two objects of the type; NULL: an object equals itself only. */
	bool		(*identical) (const ValueObject *a, const ValueObject *b);
	/* Raises that the object is no JSON value; NULL: the general message. */
	void		(*refuse) (const ValueObject *object);
} ValueObjectType;

/* An object; each type of objects has this struct as its first member. */
struct ValueObject
{
	const ValueObjectType *type;
};

typedef enum ValueOperator
{
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_FLOORDIV,
	OP_MOD,
	OP_POW,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_IN,
	OP_NOT_IN
} ValueOperator;

/* ------------------------------------------------------------------------
 * Constructors
 * ------------------------------------------------------------------------
 */
static inline Value
value_none(void)
{
	Value		v = {VAL_NONE};

	return v;
}

static inline Value
value_bool(bool b)
{
	Value		v = {VAL_BOOL};

	v.u.boolean = b;
	return v;
}

static inline Value
value_int(int64 i)
{
	Value		v = {VAL_INT};

	v.u.integer = i;
	return v;
}

static inline Value
value_float(double d)
{
	Value		v = {VAL_FLOAT};

	v.u.real = d;
	return v;
}

static inline Value
value_object(ValueObject *object)
{
	Value		v = {VAL_OBJECT};

	v.u.object = object;
	return v;
}

/* Returns whether an argument was given. */
static inline bool
value_given(const Value *v)
{
	return v->kind != VAL_ABSENT;
}

/* Returns whether an argument was given and is not none. */
static inline bool
value_given_not_none(const Value *v)
{
	return v->kind != VAL_ABSENT && v->kind != VAL_NONE;
}

/* The items of lists and tuples are not copied and must live long enough. */
extern Value value_list(int count, Value *items);
extern Value value_tuple(int count, Value *items);
extern Value value_pair(const Value *a, const Value *b);
extern Value value_new_dict(int size);
extern Value value_iterator(Iterator *it);
extern Value value_undefined_name(const char *name, int length);
extern Value value_undefined_attribute(const Value *owner, const Value *name);
extern Value value_undefined_hint(const char *hint);

/* ------------------------------------------------------------------------
 * Errors (value/error.c) and limits (value/limits.c)
 * ------------------------------------------------------------------------
 */

/* Raises a data exception: what Python calls TypeError, ValueError and so on. */
pg_noreturn extern void value_fail(const char *fmt,...) pg_attribute_printf(1, 2);

/* Raises that a limit is exceeded. */
pg_noreturn extern void value_fail_limit(const char *fmt,...) pg_attribute_printf(1, 2);

/* Raises that a feature of Python or Jinja2 is not supported. */
pg_noreturn extern void value_fail_refused(const char *hint, const char *fmt, ...)
	pg_attribute_printf(2, 3);

/* Raises that JSON has no form for the value. */
pg_noreturn extern void value_fail_not_json(const Value *value);

/* Returns whether an undefined value is a member that its owner does not have. */
extern bool value_undefined_is_member(const Value *value);
/* Raises the error that an operation on an undefined value is. */
pg_noreturn extern void value_fail_undefined(const Value *value);

/* Returns whether the evaluated data or expression is at fault, not the server. */
extern bool value_error_is_data(int sqlerrcode);

extern void value_check_memory(void);
extern void value_check_size(int64 bytes);
extern void value_check_items(int64 count);
extern void value_count_iteration(Budget *budget);

/* ------------------------------------------------------------------------
 * Any value (value/value.c)
 *
 * The budget may be NULL for values that contain no iterator, view or object.
 * ------------------------------------------------------------------------
 */
extern const char *value_type(const Value *value);
extern bool value_truth(Budget *budget, const Value *value);
extern bool value_equal(Budget *budget, const Value *a, const Value *b);
extern bool value_identical(const Value *a, const Value *b);
extern int	value_compare(Budget *budget, const Value *a, const Value *b,
						  const char *op);
extern bool value_order(Budget *budget, ValueOperator op, const Value *a,
						const Value *b);
extern bool value_contains(Budget *budget, const Value *container,
						   const Value *item);
extern int64 value_length(Budget *budget, const Value *value);
extern uint32 value_hash(Budget *budget, const Value *value);
extern bool value_has_length(const Value *value);

/* ------------------------------------------------------------------------
 * Lists, tuples, dicts (value/container.c)
 * ------------------------------------------------------------------------
 */
extern Value *seq_items(const Value *value);
extern int	seq_count(const Value *value);
extern void dict_deform(ValueDict *dict, uint8 flags);
extern bool dict_get(Budget *budget, const Value *dict, const Value *key,
					 Value *result);
extern bool dict_get_text(const Value *dict, const char *key, int length,
						  Value *result);
extern void dict_set(Budget *budget, ValueDict *dict, const Value *key,
					 const Value *value);

/* ------------------------------------------------------------------------
 * Iteration (value/iterate.c)
 * ------------------------------------------------------------------------
 */
extern Iterator *value_iterate(Budget *budget, const Value *value);
extern bool value_is_iterable(const Value *value);
extern Value value_collect(Budget *budget, const Value *value);
extern Iterator *iter_array(int count, Value *items);
extern Iterator *iter_backward(Budget *budget, const Value *value);

/*
 * The next item of an iteration; every step is counted against the limit.
 * What an iterator allocates lives as long as the iterator does.
 */
static inline bool
iter_next(Budget *budget, Iterator *it, Value *item)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(it));
	bool		found;

	value_count_iteration(budget);
	found = it->next(budget, it, item);
	MemoryContextSwitchTo(old);
	return found;
}

/* ------------------------------------------------------------------------
 * Numbers (value/number.c)
 * ------------------------------------------------------------------------
 */
extern bool value_is_number(const Value *value);
extern bool value_is_integer(const Value *value);
extern int64 value_index(const Value *value, const char *what);
extern Value number_binary(ValueOperator op, const Value *a, const Value *b);
extern Value number_negate(const Value *a);
extern Value number_abs(const Value *a);
extern int	number_compare(const Value *a, const Value *b, bool *unordered);
extern double number_to_double(const Value *value);
extern Numeric number_to_numeric(const Value *value);
extern Value number_from_double_trunc(double d);
extern Value number_from_json(Numeric n);
extern Value number_round(const Value *value, int64 digits);
extern Value number_ceil_floor(const Value *value, int64 digits, bool ceil_up);
extern bool number_parse_int(const char *s, int length, int base, Value *result);
extern bool number_parse_float(const char *s, int length, double *result);
extern char *number_repr_double(double d);
extern char *number_text(const Value *value, int *length);
extern uint32 number_hash(const Value *value);

/* ------------------------------------------------------------------------
 * Strings (value/string.c)
 * ------------------------------------------------------------------------
 */
extern Value utext_make(const char *s, int length);
extern Value utext_from_cstring(const char *string);
extern Value utext_from_buffer(StringInfo buf);
extern int64 utext_chars(const char *s, int length);
extern int	utext_offset(const char *s, int length, int64 chars);
extern int	utext_previous(const char *s, int end);
extern uint32 utext_decode(const char *s, int length, int *used);
extern void utext_append_char(StringInfo buf, uint32 c);
extern Value utext_repeat(const Value *s, int64 times);
extern Value utext_concat(const Value *a, const Value *b);
extern int	utext_compare(const Value *a, const Value *b);
extern int	utext_find(const char *s, int length, const char *sub, int sublength,
					   int from);
extern int	utext_rfind(const char *s, int length, const char *sub, int sublength,
						int end);
extern Value utext_strip(const Value *s, const Value *chars, bool left, bool right);
extern Value utext_replace(const Value *s, const Value *old, const Value *new,
						   int64 count);
extern Value utext_split(const Value *s, const Value *sep, int64 max, bool right);
extern Value utext_splitlines(const Value *s, bool keepends);
extern int	utext_append_mapped(StringInfo buf, const Value *word, int pos,
								 CaseMap map);
extern Value utext_upper(const Value *s);
extern Value utext_lower(const Value *s);
extern Value utext_title(const Value *s);
extern Value utext_capitalize(const Value *s);
extern Value utext_casefold(const Value *s);
extern Value utext_swapcase(const Value *s);
extern Value utext_pad(const Value *s, int64 width, const Value *fill, int side);
extern Value utext_slice(const Value *s, int64 start, int64 stop, int64 step,
						 int64 count);
extern Value utext_escape(const Value *s);
extern void utext_escape_into(StringInfo buf, const char *s, int length);
extern bool utext_is(const Value *s, const char *literal);
extern char *utext_cstring(const Value *s);

/* ------------------------------------------------------------------------
 * Text of values (value/repr.c, value/pprint.c)
 * ------------------------------------------------------------------------
 */
extern Value value_str(Budget *budget, const Value *value);
extern Value value_soft_str(Budget *budget, const Value *value);
extern Value value_repr(Budget *budget, const Value *value);
extern Value value_ascii(Budget *budget, const Value *value);
extern Value value_pprint(Budget *budget, const Value *value);
extern void value_str_into(Budget *budget, StringInfo buf, const Value *value);
extern void value_repr_into(Budget *budget, StringInfo buf, const Value *value);
extern void value_repr_string(StringInfo buf, const char *s, int length);
extern char *value_quote(const Value *value);
extern char *value_clip_name(const char *name, int length);

/* ------------------------------------------------------------------------
 * JSON (value/json.c)
 * ------------------------------------------------------------------------
 */
extern Value value_from_json(const JsonbValue *json, uint8 flags);
extern bool value_from_json_text(const char *s, int length, Value *result);
extern void value_to_json(Budget *budget, const Value *value, JsonbValue *result);
extern void value_json_text(Budget *budget, StringInfo buf, const Value *value,
							const Value *indent, bool sort, bool ascii);
extern void value_coerce_text(const char *s, int length, JsonbValue *result);

/*
 * Returns the truth of a JSON value as a condition: Python's, except that these
 * strings (trimmed, in any case) are false too: 0, false, no, n, off, none,
 * null, {}, [].
 */
extern bool value_json_truth(const JsonbValue *value);

#include "value/format.h"
#include "value/datetime.h"

#endif							/* NOETL_VALUE_VALUE_H */
