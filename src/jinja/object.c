/*
 * jinja/object.c
 *		The types of objects that only templates have: loops, macros, methods,
 *		global functions, cyclers and joiners.
 */
#include "common/common.h"

#include "jinja/internal.h"

/* ------------------------------------------------------------------------
 * loop
 * ------------------------------------------------------------------------
 */

/* Iterator over the rest of a loop; each item comes with the loop. */
typedef struct LoopIterator
{
	Iterator	base;
	Value		loop;
} LoopIterator;

/* Returns the next item of a loop, as a pair with the loop. */
static bool
loop_next(Budget *budget, Iterator *base, Value *item)
{
	LoopIterator *it = (LoopIterator *) base;
	Value		next;

	if (!jinja_loop_advance(budget, (Loop *) it->loop.u.object, &next))
		return false;
	*item = value_pair(&next, &it->loop);
	return true;
}

/* Returns an iterator over the rest of a loop. */
static Iterator *
loop_iterate(ValueObject *object)
{
	LoopIterator *it = palloc(sizeof(LoopIterator));

	it->base.next = loop_next;
	it->base.type = "LoopContext";
	it->loop = value_object(object);
	return &it->base;
}

/* Returns len(loop). */
static int64
loop_length(Budget *budget, const ValueObject *object)
{
	return jinja_loop_length(budget, (Loop *) unconstify(ValueObject *, object));
}

/* Appends repr(loop). */
static void
loop_repr(Budget *budget, StringInfo buf, const ValueObject *object)
{
	appendStringInfo(buf, "<LoopContext " INT64_FORMAT "/" INT64_FORMAT ">",
					 ((const Loop *) object)->index0 + 1, loop_length(budget, object));
}

const ValueObjectType jinja_loop_type = {
	.name = "LoopContext",
	.length = loop_length,
	.iterate = loop_iterate,
	.repr = loop_repr,
};

/* ------------------------------------------------------------------------
 * Macros
 * ------------------------------------------------------------------------
 */

/* Appends repr(macro). */
static void
macro_repr(Budget *budget, StringInfo buf, const ValueObject *object)
{
	const Macro *macro = (const Macro *) object;

	if (macro->name == NULL)
	{
		appendStringInfoString(buf, "<Macro anonymous>");
		return;
	}
	appendStringInfoString(buf, "<Macro ");
	value_repr_string(buf, macro->name, macro->name_length);
	appendStringInfoChar(buf, '>');
}

const ValueObjectType jinja_macro_type = {
	.name = "Macro",
	.repr = macro_repr,
};

/* ------------------------------------------------------------------------
 * Methods and global functions
 * ------------------------------------------------------------------------
 */

/* Returns whether two methods are the same builtin of the same object. */
static bool
method_identical(const ValueObject *a, const ValueObject *b)
{
	const Method *x = (const Method *) a;
	const Method *y = (const Method *) b;

	return x->builtin == y->builtin && value_identical(&x->self, &y->self);
}

/* Raises that a method is no JSON value. */
static void
method_refuse(const ValueObject *object)
{
	const Method *method = (const Method *) object;

	value_fail_refused("Call it with (), or write ['name'] for the key of an object.",
					   "method \"%s\" of '%s' object is not a value",
					   method->builtin->name, value_type(&method->self));
}

/* Raises that a global function is no JSON value. */
static void
function_refuse(const ValueObject *object)
{
	value_fail_refused("Call it with ().", "function \"%s\" is not a value",
					   ((const Method *) object)->builtin->name);
}

const ValueObjectType jinja_method_type = {
	.name = "builtin_function_or_method",
	.identical = method_identical,
	.refuse = method_refuse,
};

const ValueObjectType jinja_function_type = {
	.name = "type",
	.identical = method_identical,
	.refuse = function_refuse,
};

/* Returns a builtin bound to its object. */
Value
jinja_make_method(const Builtin *builtin, const Value *self)
{
	Method	   *method = palloc(sizeof(Method));

	method->base.type = &jinja_method_type;
	method->builtin = builtin;
	method->self = *self;
	return value_object(&method->base);
}

/* Returns a global function as a value. */
Value
jinja_make_function(const Builtin *builtin)
{
	Method	   *function = palloc0(sizeof(Method));

	function->base.type = &jinja_function_type;
	function->builtin = builtin;
	return value_object(&function->base);
}

/* ------------------------------------------------------------------------
 * Cyclers and joiners
 * ------------------------------------------------------------------------
 */
const ValueObjectType jinja_cycler_type = {
	.name = "Cycler",
};

const ValueObjectType jinja_joiner_type = {
	.name = "Joiner",
};
