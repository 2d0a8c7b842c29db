/*
 * jinja/memory.c
 *		What an evaluation frees before it ends.
 *
 * A statement, and each round of a loop, runs in a memory context of its own, a
 * Level, that is emptied at its end.  A value that outlives the level (the value of
 * a name, of a namespace) is copied out of it; where a copy costs more than it
 * frees, or the value has an identity, the level is kept until the evaluation
 * ends.
 *
 * A text or list that grows by "set x = x ~ y" or "set x = x + y" lives in a
 * buffer with room behind it: values never change, so that whoever has the
 * shorter value still sees it after the buffer has grown.
 */
#include "common/common.h"

#include "utils/memutils.h"

#include "jinja/internal.h"

/* Up to so many items a list is copied; a longer one keeps its level. */
#define SMALL_LIST	16

/* An evaluation that holds no more memory than this frees none before its end. */
#ifndef SMALL_EVALUATION
#define SMALL_EVALUATION	(32 * 1024)
#endif

/*
 * Opens a level; every allocation until jinja_end_level goes there.  In a small
 * evaluation the level stays without a context, and nothing changes.
 */
void
jinja_begin_level(Eval *ev, Level *level)
{
	level->context = NULL;
	if (ev->level == NULL && ev->budget.context->mem_allocated <= SMALL_EVALUATION)
		return;
	if (ev->nspares > 0)
		level->context = ev->spares[--ev->nspares];
	else
		level->context = AllocSetContextCreate(ev->budget.context, "template statement",
											   ALLOCSET_START_SMALL_SIZES);
	level->kept = false;
	level->outer = ev->level;
	ev->level = level;
	level->saved = MemoryContextSwitchTo(level->context);
}

/* Closes a level and frees what is in it, unless it is kept. */
void
jinja_end_level(Eval *ev, Level *level)
{
	if (level->context == NULL)
		return;
	MemoryContextSwitchTo(level->saved);
	ev->level = level->outer;
	if (level->kept)
		return;
	if (ev->nspares == lengthof(ev->spares))
		MemoryContextDelete(level->context);
	else
	{
		MemoryContextReset(level->context);
		ev->spares[ev->nspares++] = level->context;
	}
}

/* Keeps all open levels until the evaluation ends. */
static void
keep_levels(Eval *ev)
{
	Level	   *level;

	for (level = ev->level; level != NULL; level = level->outer)
		level->kept = true;
}

/* Returns a copy of a text in a context. */
static const char *
copy_text(MemoryContext context, const char *s, int length)
{
	char	   *copy = MemoryContextAllocHuge(context, length + 1);

	bounds_work(length / 8);
	memcpy(copy, s, length);
	copy[length] = '\0';
	return copy;
}

/* Returns whether the text or list stands in a buffer that may grow. */
static bool
is_growing(const Eval *ev, const void *s)
{
	int			i;

	for (i = 0; i < GROWING; i++)
	{
		if (ev->growing[i].start == s)
			return true;
	}
	return false;
}

/* Returns whether a list or tuple is cheap to copy: few short texts and numbers. */
static bool
is_small_list(const Value *value)
{
	Value	   *items = seq_items(value);
	int			i;

	if (seq_count(value) > SMALL_LIST)
		return false;
	for (i = 0; i < seq_count(value); i++)
	{
		if (items[i].kind > VAL_STRING ||
			(items[i].kind == VAL_STRING && items[i].length > 64))
			return false;
	}
	return true;
}

/* Returns a string that lives as long as a context. */
static Value
keep_string(Eval *ev, const Value *value, MemoryContext context)
{
	Value		result = *value;

	if (is_growing(ev, value->u.string))
		return result;
	if (ev->level->context->mem_allocated <= value->length)
		keep_levels(ev);
	else
		result.u.string = copy_text(context, value->u.string, value->length);
	return result;
}

/* Returns an undefined value that lives as long as a context. */
static Value
keep_undefined(Eval *ev, const Value *value, MemoryContext context)
{
	Value		result = *value;
	Undefined  *copy = MemoryContextAlloc(context, sizeof(Undefined));

	*copy = *value->u.undefined;
	if (copy->hint != NULL)
		copy->hint = copy_text(context, copy->hint, strlen(copy->hint));
	if (copy->owner != NULL)
		copy->owner = copy_text(context, copy->owner, strlen(copy->owner));
	copy->name = jinja_keep(ev, &copy->name, context);
	result.u.undefined = copy;
	return result;
}

/* Returns a list or tuple that lives as long as a context. */
static Value
keep_list(Eval *ev, const Value *value, MemoryContext context)
{
	Value		result = *value;
	int			i;

	if (GetMemoryChunkContext(value->u.list) == context ||
		GetMemoryChunkContext(value->u.list) == ev->budget.context)
		return result;
	if (value->u.list->json == NULL && !is_small_list(value))
	{
		keep_levels(ev);
		return result;
	}
	result.u.list = MemoryContextAlloc(context, sizeof(ValueList));
	*result.u.list = *value->u.list;
	if (value->u.list->json != NULL)
	{
		result.u.list->items = NULL;
		return result;
	}
	result.u.list->items = MemoryContextAlloc(context, (seq_count(value) + 1) * sizeof(Value));
	for (i = 0; i < seq_count(value); i++)
		result.u.list->items[i] = jinja_keep(ev, &seq_items(value)[i], context);
	return result;
}

/* Returns a dict that lives as long as a context. */
static Value
keep_dict(Eval *ev, const Value *value, MemoryContext context)
{
	Value		result = *value;

	if (GetMemoryChunkContext(value->u.dict) == context ||
		GetMemoryChunkContext(value->u.dict) == ev->budget.context)
		return result;
	if (value->u.dict->json == NULL)
	{
		keep_levels(ev);
		return result;
	}
	result.u.dict = MemoryContextAllocZero(context, sizeof(ValueDict));
	result.u.dict->count = value->u.dict->count;
	result.u.dict->json = value->u.dict->json;
	return result;
}

/*
 * Returns the value for a place that lives as long as a context, which is not
 * the context of a level inside.  It is the value itself or a copy.
 */
Value
jinja_keep(Eval *ev, const Value *value, MemoryContext context)
{
	Value		result = *value;

	if (ev->level == NULL || ev->level->context == context)
		return result;
	switch ((ValueKind) value->kind)
	{
		case VAL_ABSENT:
		case VAL_NONE:
		case VAL_BOOL:
		case VAL_INT:
		case VAL_FLOAT:
		case VAL_DATE:
		case VAL_TIME:
		case VAL_TIMEDELTA:
			return result;
		case VAL_DATETIME:
			result.u.datetime = MemoryContextAlloc(context, sizeof(ValueDatetime));
			*result.u.datetime = *value->u.datetime;
			return result;
		case VAL_STRING:
			return keep_string(ev, value, context);
		case VAL_UNDEFINED:
			return keep_undefined(ev, value, context);
		case VAL_LIST:
		case VAL_TUPLE:
			return keep_list(ev, value, context);
		case VAL_DICT:
			return keep_dict(ev, value, context);
		case VAL_BIGINT:
			result.u.big = (Numeric) copy_text(context, (const char *) value->u.big,
											   VARSIZE(value->u.big));
			return result;
		default:
			keep_levels(ev);
			return result;
	}
}

/* ------------------------------------------------------------------------
 * Growing texts and lists
 * ------------------------------------------------------------------------
 */

/*
 * Returns the room of "size" bytes behind the first "used" bytes at "start",
 * in the buffer that these bytes end, or in a new one that begins with a copy
 * of them.  *start becomes the beginning of the buffer.
 */
static char *
grow(Eval *ev, const void **start, Size used, Size size)
{
	Growing    *found = NULL;
	int			i;

	for (i = 0; i < GROWING && found == NULL; i++)
	{
		if (ev->growing[i].start == *start && ev->growing[i].used == used)
			found = &ev->growing[i];
	}
	if (found == NULL || used + size > found->allocated)
	{
		Size		allocated = (used + size) * 2;
		char	   *buffer;

		bounds_check_memory(allocated);
		bounds_work(used / 8);
		buffer = MemoryContextAllocHuge(ev->budget.context, allocated);
		memcpy(buffer, *start, used);
		if (found == NULL)
			found = &ev->growing[ev->next_growing++ % GROWING];
		found->start = buffer;
		found->allocated = allocated;
	}
	found->used = used + size;
	*start = found->start;
	return found->start + used;
}

/* Returns a + b, two strings of which none is Markup, for "set a = a + b". */
Value
jinja_append_text(Eval *ev, const Value *a, const Value *b)
{
	const void *start = a->u.string;

	value_check_size((int64) a->length + b->length);
	bounds_work(b->length / 8);
	if (b->length > 0)
		memcpy(grow(ev, &start, a->length, b->length), b->u.string, b->length);
	return utext_make(start, a->length + b->length);
}

/* Returns a + b, two lists or two tuples, for "set a = a + b". */
Value
jinja_append_list(Eval *ev, const Value *a, const Value *b)
{
	const void *start = seq_items(a);
	int			first = is_growing(ev, start) ? seq_count(a) : 0;
	int64		n = (int64) seq_count(a) + seq_count(b);
	Value	   *added = (Value *) grow(ev, &start, seq_count(a) * sizeof(Value),
									   seq_count(b) * sizeof(Value));
	Value	   *items = unconstify(Value *, (const Value *) start);
	Value		result;
	MemoryContext old;
	int			i;

	bounds_work(5 * (int64) seq_count(b));
	if (seq_count(b) > 0)
		memcpy(added, seq_items(b), seq_count(b) * sizeof(Value));
	for (i = first; i < n; i++)
		items[i] = jinja_keep(ev, &items[i], ev->budget.context);
	old = MemoryContextSwitchTo(ev->budget.context);
	result = value_list(n, items);
	MemoryContextSwitchTo(old);
	result.kind = a->kind;
	return result;
}
