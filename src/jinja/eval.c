/*
 * jinja/eval.c
 *		Evaluation of expressions, and of a template as a whole.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "jinja/internal.h"

/* ------------------------------------------------------------------------
 * Names
 * ------------------------------------------------------------------------
 */

/*
 * Returns the value of a free name, asking the caller's scope once for each
 * name. The scope runs in the caller's memory context, because it may keep
 * what it finds for the next template.
 */
static Value
lookup_free(Eval *ev, int name)
{
	const TemplateName *n = &ev->template->names[name];
	FreeName   *free = &ev->free[name];
	JsonbValue	json;

	if (!free->resolved)
	{
		MemoryContext own = MemoryContextSwitchTo(ev->caller);

		ev->in_lookup = true;
		free->binding = ev->scope->lookup(ev->scope->arg, n->name, n->length, &json);
		ev->in_lookup = false;
		MemoryContextSwitchTo(own);
		free->resolved = true;
		own = MemoryContextSwitchTo(ev->budget.context);
		switch (free->binding)
		{
			case TEMPLATE_VALUE:
				free->value = value_from_json(&json, 0);
				break;
			case TEMPLATE_STEP_VALUE:
				free->value = value_from_json(&json, VF_STEP);
				if (name < PG_UINT16_MAX)
					free->value.origin = name + 1;
				break;
			case TEMPLATE_STEP_VALUES:
				free->value = value_from_json(&json, VF_STEPS);
				break;
			case TEMPLATE_STRICT_VALUE:
				free->value = value_from_json(&json, VF_STRICT);
				break;
			case TEMPLATE_UNDEFINED:
				free->value = value_undefined_name(n->name, n->length);
				break;
			case TEMPLATE_LATER:
			case TEMPLATE_UNKNOWN:
				free->value = n->global ? jinja_make_function(n->global) :
					value_undefined_name(n->name, n->length);
				break;
		}
		MemoryContextSwitchTo(own);
	}
	return free->value;
}

/*
 * Sets *result to a member of the envelope that the value of a step came in;
 * returns false when there is none.
 */
bool
jinja_step_envelope(Eval *ev, const Value *step, const Value *key, Value *result)
{
	const TemplateName *n;
	TemplateBinding binding;
	JsonbValue	json;
	JsonbValue	member;
	MemoryContext own;

	if (step->origin == 0 || key->kind != VAL_STRING || ev->scope->envelope == NULL)
		return false;
	n = &ev->template->names[step->origin - 1];
	own = MemoryContextSwitchTo(ev->caller);
	ev->in_lookup = true;
	binding = ev->scope->envelope(ev->scope->arg, n->name, n->length, &json);
	ev->in_lookup = false;
	MemoryContextSwitchTo(own);
	if (binding != TEMPLATE_VALUE || json.type != jbvBinary ||
		!JsonContainerIsObject(json.val.binary.data) ||
		getKeyJsonValueFromContainer(json.val.binary.data, key->u.string, key->length, &member) ==
			NULL)
		return false;
	*result = value_from_json(&member, 0);
	return true;
}

/*
 * Returns the value of a name: from the innermost scope of the template that
 * binds it, otherwise from the caller's scope.
 */
Value
jinja_lookup(Eval *ev, int name)
{
	Frame	   *frame;
	int			i;

	for (frame = ev->frame; frame != NULL; frame = frame->parent)
	{
		bounds_work(frame->count + 1);
		for (i = 0; i < frame->count; i++)
		{
			if (frame->bindings[i].name != name)
				continue;
			/* a parameter whose default has not been evaluated yet */
			if (frame->bindings[i].value.kind == VAL_ABSENT)
				return value_undefined_name(ev->template->names[name].name,
											ev->template->names[name].length);
			return frame->bindings[i].value;
		}
	}
	return lookup_free(ev, name);
}

/* ------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------
 */

/* Adds the items of *args to a call. */
static void
append_star(Eval *ev, const TemplateNode *node, CallArgs *call)
{
	Value		star = jinja_eval(ev, node);
	Value		list;
	int			n;

	if (!value_is_iterable(&star))
		value_fail("argument after * must be an iterable, not %s", value_type(&star));
	list = value_collect(&ev->budget, &star);
	n = seq_count(&list);
	call->args = call->args ?
		repalloc_huge(call->args, (call->nargs + n + 1) * sizeof(Value)) :
		palloc_extended((n + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	memcpy(call->args + call->nargs, seq_items(&list), n * sizeof(Value));
	call->nargs += n;
}

/*
 * Adds a keyword argument to a call. Raises when the keyword is there already.
 */
static void
append_keyword(CallArgs *call, const char *name, int length, const Value *value)
{
	int			i;

	if (call->nkeywords == MAX_KEYWORDS)
		value_fail_limit("more than %d keyword arguments", MAX_KEYWORDS);
	bounds_work(call->nkeywords);
	for (i = 0; i < call->nkeywords; i++)
	{
		if (call->keywords[i].length == length &&
			memcmp(call->keywords[i].name, name, length) == 0)
			value_fail("got multiple values for keyword argument '%s'",
					   value_clip_name(name, length));
	}
	if (call->keywords == NULL)
		call->keywords = palloc(sizeof(Keyword));
	else
		call->keywords = repalloc(call->keywords, (call->nkeywords + 1) * sizeof(Keyword));
	call->keywords[call->nkeywords].name = name;
	call->keywords[call->nkeywords].length = length;
	call->keywords[call->nkeywords].value = *value;
	call->nkeywords++;
}

/* Adds the members of **kwargs to a call. */
static void
append_starstar(Eval *ev, const TemplateNode *node, CallArgs *call)
{
	Value		dict = jinja_eval(ev, node);
	int			i;

	if (dict.kind != VAL_DICT)
		value_fail("argument after ** must be a mapping, not %s", value_type(&dict));
	dict_deform(dict.u.dict, dict.flags);
	for (i = 0; i < dict.u.dict->count; i++)
	{
		DictEntry  *entry = &dict.u.dict->entries[i];

		if (entry->key.kind != VAL_STRING)
			value_fail("keywords must be strings");
		append_keyword(call, entry->key.u.string, entry->key.length, &entry->value);
	}
}

/* Evaluates the arguments of a call, filter or test. */
void
jinja_eval_args(Eval *ev, const TemplateNode *node, CallArgs *call)
{
	int			i;

	memset(call, 0, sizeof(CallArgs));
	if (node->items.count > 0)
	{
		call->args = palloc(node->items.count * sizeof(Value));
		for (i = 0; i < node->items.count; i++)
			call->args[i] = jinja_eval(ev, node->items.items[i]);
		call->nargs = node->items.count;
	}
	if (node->star)
		append_star(ev, node->star, call);
	for (i = 0; i < node->keywords.count; i++)
	{
		const TemplateNode *keyword = node->keywords.items[i];
		Value		value = jinja_eval(ev, keyword->left);

		append_keyword(call, keyword->value.u.string, keyword->value.length, &value);
	}
	if (node->starstar)
		append_starstar(ev, node->starstar, call);
}

/*
 * Puts the arguments of a call where a builtin expects them, and calls it.
 * Raises when they do not fit its parameters.
 */
Value
jinja_invoke(Eval *ev, const Builtin *builtin, const Value *self,
			 const CallArgs *call)
{
	Value		argv[MAX_PARAMS + 1];
	int			nparams = 0;
	int			i;
	int			k;

	memset(argv, 0, sizeof(argv));
	argv[0] = *self;
	if (builtin->required < 0)
		return builtin->fn(ev, argv, call);
	while (nparams < MAX_PARAMS && builtin->params[nparams] != NULL)
		nparams++;
	if (call->nargs > nparams)
		value_fail("%s() takes at most %d arguments (%d given)",
				   builtin->name, nparams, call->nargs);
	for (i = 0; i < call->nargs; i++)
		argv[i + 1] = call->args[i];
	for (k = 0; k < call->nkeywords; k++)
	{
		const Keyword *keyword = &call->keywords[k];

		for (i = 0; i < nparams; i++)
		{
			if (strlen(builtin->params[i]) == keyword->length &&
				memcmp(builtin->params[i], keyword->name, keyword->length) == 0)
				break;
		}
		if (i == nparams)
			value_fail("%s() got an unexpected keyword argument '%s'",
					   builtin->name, value_clip_name(keyword->name, keyword->length));
		if (value_given(&argv[i + 1]))
			value_fail("%s() got multiple values for argument '%s'",
					   builtin->name, builtin->params[i]);
		argv[i + 1] = keyword->value;
	}
	for (i = 0; i < builtin->required; i++)
	{
		if (!value_given(&argv[i + 1]))
			value_fail("%s() missing required argument '%s'",
					   builtin->name, builtin->params[i]);
	}
	return builtin->fn(ev, argv, call);
}

/*
 * Returns the result of calling a joiner: empty text the first time, then its
 * separator.
 */
static Value
call_joiner(Cycler *joiner, const CallArgs *call)
{
	if (call->nargs > 0 || call->nkeywords > 0)
		value_fail("joiner takes no arguments when called");
	if (joiner->used)
		return joiner->items[0];
	joiner->used = true;
	return utext_make("", 0);
}

/* Calls a value.  Raises when it is not callable. */
Value
jinja_call(Eval *ev, const Value *callee, const CallArgs *call)
{
	ValueObject	   *object = callee->u.object;
	Value		none = value_none();

	check_stack_depth();
	if (callee->kind == VAL_UNDEFINED)
		value_fail_undefined(callee);
	if (jinja_is_object(callee, &jinja_method_type))
		return jinja_invoke(ev, ((Method *) object)->builtin,
							&((Method *) object)->self, call);
	if (jinja_is_object(callee, &jinja_function_type))
		return jinja_invoke(ev, ((Method *) object)->builtin, &none, call);
	if (jinja_is_object(callee, &jinja_macro_type))
		return jinja_call_macro(ev, (Macro *) object, call);
	if (jinja_is_object(callee, &jinja_loop_type))
		return jinja_call_loop(ev, (Loop *) object, call);
	if (jinja_is_object(callee, &jinja_joiner_type))
		return call_joiner((Cycler *) object, call);
	value_fail("'%s' object is not callable", value_type(callee));
}

/*
 * Evaluates a name that is called.  A function that Jinja2 does not have is meant only
 * when neither the template nor its scope has the name.
 */
static Value
eval_called_name(Eval *ev, const TemplateNode *node)
{
	const TemplateName *name = &ev->template->names[node->name];
	Value		value = jinja_eval(ev, node);

	if (value.kind != VAL_UNDEFINED || name->function == NULL ||
		!ev->free[node->name].resolved ||
		(ev->free[node->name].binding != TEMPLATE_UNKNOWN &&
		 ev->free[node->name].binding != TEMPLATE_LATER) ||
		value.u.undefined != ev->free[node->name].value.u.undefined)
		return value;
	return jinja_make_function(name->function);
}

/* Evaluates the callee of a call, where x.name means a method first. */
static Value
eval_callee(Eval *ev, const TemplateNode *node)
{
	Value		object;

	if (node->type == NODE_NAME)
		return eval_called_name(ev, node);
	if (node->type != NODE_GETATTR)
		return jinja_eval(ev, node);
	object = jinja_eval(ev, node->left);
	ev->pos = node->pos;
	return jinja_getattr(ev, &object, &node->value);
}

/* Evaluates a call. */
static Value
eval_call(Eval *ev, const TemplateNode *node)
{
	Value		callee = eval_callee(ev, node->left);
	CallArgs	call;

	jinja_eval_args(ev, node, &call);
	ev->pos = node->pos;
	return jinja_call(ev, &callee, &call);
}

/* Raises when the filter or test of a node is unknown. */
static void
require_builtin(const TemplateNode *node, const char *kind)
{
	if (node->builtin == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("no %s named \"%s\"", kind,
						value_clip_name(node->value.u.string, node->value.length))));
}

/* Returns the result of the filter of a node, applied to a value. */
Value
jinja_apply_filter(Eval *ev, const TemplateNode *node, const Value *input)
{
	CallArgs	call;

	jinja_eval_args(ev, node, &call);
	ev->pos = node->pos;
	require_builtin(node, "filter");
	return jinja_invoke(ev, node->builtin, input, &call);
}

/* Evaluates "x is test". */
static Value
eval_test(Eval *ev, const TemplateNode *node)
{
	Value		operand = jinja_eval(ev, node->left);
	CallArgs	call;
	Value		result;

	jinja_eval_args(ev, node, &call);
	ev->pos = node->pos;
	require_builtin(node, "test");
	result = jinja_invoke(ev, node->builtin, &operand, &call);
	if (node->flags & NF_NEGATED)
		return value_bool(!value_truth(&ev->budget, &result));
	return result;
}

/* ------------------------------------------------------------------------
 * Operators
 * ------------------------------------------------------------------------
 */

/* Returns a list or tuple repeated. */
static Value
repeat_list(Eval *ev, const Value *list, int64 times)
{
	int			n = seq_count(list);
	Value	   *from = seq_items(list);
	Value	   *items;
	Value		result;
	int64		i;

	if (times <= 0 || n == 0)
		times = n = 0;
	value_check_items(times);
	value_check_items(times * n);
	bounds_check_memory(times * n * sizeof(Value));
	items = palloc_extended((times * n + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	for (i = 0; i < times; i++)
		memcpy(items + i * n, from, n * sizeof(Value));
	result = value_list(times * n, items);
	result.kind = list->kind;
	value_check_memory();
	return result;
}

/* Returns the items of two lists or tuples in one. */
static Value
concat_lists(Eval *ev, const Value *a, const Value *b)
{
	int64		n = (int64) seq_count(a) + seq_count(b);
	Value	   *items;
	Value		result;

	bounds_check_memory(n * sizeof(Value));
	bounds_work(n);
	items = palloc_extended((n + 1) * sizeof(Value), MCXT_ALLOC_HUGE);
	memcpy(items, seq_items(a), seq_count(a) * sizeof(Value));
	memcpy(items + seq_count(a), seq_items(b), seq_count(b) * sizeof(Value));
	result = value_list(n, items);
	result.kind = a->kind;
	return result;
}

/* Returns whether "*" can repeat the value. */
static bool
is_repeatable(const Value *v)
{
	return v->kind == VAL_STRING || v->kind == VAL_LIST || v->kind == VAL_TUPLE;
}

/* Returns the result of an arithmetic operator on values of any kind. */
Value
jinja_binary(Eval *ev, ValueOperator op, const Value *a, const Value *b)
{
	static const char *const names[] = {
		[OP_ADD] = "+", [OP_SUB] = "-", [OP_MUL] = "*", [OP_DIV] = "/",
		[OP_FLOORDIV] = "//", [OP_MOD] = "%", [OP_POW] = "** or pow()"
	};
	Value		result;

	if (value_is_number(a) && value_is_number(b))
		return number_binary(op, a, b);
	if (a->kind == VAL_STRING && op == OP_MOD)
		return format_percent(&ev->budget, a, b);
	if (a->kind == VAL_UNDEFINED)
		value_fail_undefined(a);
	if (b->kind == VAL_UNDEFINED)
		value_fail_undefined(b);
	if (op == OP_ADD && a->kind == b->kind)
	{
		if (a->kind == VAL_STRING)
			return utext_concat(a, b);
		if (a->kind == VAL_LIST || a->kind == VAL_TUPLE)
			return concat_lists(ev, a, b);
	}
	if (op == OP_MUL && is_repeatable(a) && value_is_integer(b))
	{
		int64		times = value_index(b, "*");

		return a->kind == VAL_STRING ? utext_repeat(a, times) : repeat_list(ev, a, times);
	}
	if (op == OP_MUL && is_repeatable(b) && value_is_integer(a))
		return jinja_binary(ev, op, b, a);
	if ((value_is_datetime(a) || value_is_datetime(b)) && datetime_binary(op, a, b, &result))
		return result;
	value_fail("unsupported operand type(s) for %s: '%s' and '%s'",
			   names[op], value_type(a), value_type(b));
}

/* Returns the result of one comparison. */
static bool
compare_operation(Eval *ev, ValueOperator op, const Value *a, const Value *b)
{
	switch (op)
	{
		case OP_EQ:
			return value_equal(&ev->budget, a, b);
		case OP_NE:
			return !value_equal(&ev->budget, a, b);
		case OP_IN:
			return value_contains(&ev->budget, b, a);
		case OP_NOT_IN:
			return !value_contains(&ev->budget, b, a);
		default:
			return value_order(&ev->budget, op, a, b);
	}
}

/* Evaluates a chain of comparisons: a < b < c. */
static Value
eval_compare(Eval *ev, const TemplateNode *node)
{
	Value		left = jinja_eval(ev, node->left);
	int			i;

	for (i = 0; i < node->items.count; i++)
	{
		const TemplateNode *operand = node->items.items[i];
		Value		right = jinja_eval(ev, operand->left);

		ev->pos = operand->pos;
		if (!compare_operation(ev, operand->op, &left, &right))
			return value_bool(false);
		left = right;
	}
	return value_bool(true);
}

/* Returns a text with more parts behind it, for "set x = x ~ y". */
static Value
append_parts(Eval *ev, const Value *parts, int count)
{
	Value		result = parts[0];
	int			i;

	for (i = 1; i < count; i++)
	{
		Value		text = value_soft_str(&ev->budget, &parts[i]);

		result = jinja_append_text(ev, &result, &text);
	}
	return result;
}

/* Returns a + b for "set a = a + b". */
static Value
append_binary(Eval *ev, const Value *a, const Value *b)
{
	if (a->kind == VAL_STRING && b->kind == VAL_STRING &&
		((a->flags | b->flags) & VF_MARKUP) == 0)
		return jinja_append_text(ev, a, b);
	if ((a->kind == VAL_LIST || a->kind == VAL_TUPLE) && a->kind == b->kind)
		return jinja_append_list(ev, a, b);
	return jinja_binary(ev, OP_ADD, a, b);
}

/* Evaluates a ~ b ~ c. */
static Value
eval_concat(Eval *ev, const TemplateNode *node)
{
	StringInfoData buf;
	Value	   *parts = palloc(node->items.count * sizeof(Value));
	bool		markup = false;
	Value		result;
	int			i;

	for (i = 0; i < node->items.count; i++)
	{
		parts[i] = jinja_eval(ev, node->items.items[i]);
		if (ev->autoescape && parts[i].kind == VAL_STRING &&
			(parts[i].flags & VF_MARKUP))
			markup = true;
	}
	ev->pos = node->pos;
	if ((node->flags & NF_APPEND) && parts[0].kind == VAL_STRING && !markup)
		return append_parts(ev, parts, node->items.count);
	initStringInfo(&buf);
	for (i = 0; i < node->items.count; i++)
	{
		Value		text = value_soft_str(&ev->budget, &parts[i]);

		if (markup)
			text = utext_escape(&text);
		value_check_size((int64) buf.len + text.length);
		appendBinaryStringInfo(&buf, text.u.string, text.length);
	}
	result = utext_from_buffer(&buf);
	if (markup)
		result.flags = VF_MARKUP;
	return result;
}

/* Evaluates {a: b}. */
static Value
eval_dict(Eval *ev, const TemplateNode *node)
{
	Value		dict = value_new_dict(node->items.count / 2);
	int			i;

	for (i = 0; i < node->items.count; i += 2)
	{
		Value		key = jinja_eval(ev, node->items.items[i]);
		Value		value = jinja_eval(ev, node->items.items[i + 1]);

		ev->pos = node->items.items[i]->pos;
		key.flags &= ~(VF_STEP | VF_STEPS);
		dict_set(&ev->budget, dict.u.dict, &key, &value);
	}
	return dict;
}

/* Evaluates [a, b] or (a, b). */
static Value
eval_list(Eval *ev, const TemplateNode *node)
{
	Value	   *items = palloc((node->items.count + 1) * sizeof(Value));
	Value		list;
	int			i;

	for (i = 0; i < node->items.count; i++)
		items[i] = jinja_eval(ev, node->items.items[i]);
	list = value_list(node->items.count, items);
	if (node->type == NODE_TUPLE)
		list.kind = VAL_TUPLE;
	return list;
}

/* Returns a member of an object; that of "results" is the value of a step. */
static Value
value_of_results(const TemplateNode *node, const Value *object, const Value *member)
{
	Value		value = *member;

	if (node->name > 0 && node->name <= PG_UINT16_MAX && (object->flags & VF_STEPS) != 0 &&
		(value.flags & VF_STEP) != 0)
		value.origin = node->name;
	return value;
}

/* Evaluates object[a:b:c]. */
static Value
eval_slice(Eval *ev, const TemplateNode *node)
{
	Value		object = jinja_eval(ev, node->left);
	Value		bounds[3];
	int			i;

	memset(bounds, 0, sizeof(bounds));
	for (i = 0; i < 3; i++)
	{
		if (node->items.items[i])
			bounds[i] = jinja_eval(ev, node->items.items[i]);
	}
	ev->pos = node->pos;
	return jinja_getslice(ev, &object, &bounds[0], &bounds[1], &bounds[2]);
}

/* Evaluates -a and +a. */
static Value
eval_sign(Eval *ev, const TemplateNode *node)
{
	Value		operand = jinja_eval(ev, node->left);
	Value		zero = value_int(0);

	ev->pos = node->pos;
	if (operand.kind == VAL_UNDEFINED)
		value_fail_undefined(&operand);
	if (operand.kind == VAL_TIMEDELTA)
	{
		Value		sign = value_int(node->type == NODE_NEGATE ? -1 : 1);

		return jinja_binary(ev, OP_MUL, &operand, &sign);
	}
	if (!value_is_number(&operand))
		value_fail("bad operand type for unary %s: '%s'",
				   node->type == NODE_NEGATE ? "-" : "+", value_type(&operand));
	if (node->type == NODE_NEGATE)
		return number_negate(&operand);
	return operand.kind == VAL_BOOL ? number_binary(OP_ADD, &operand, &zero) : operand;
}

/* Evaluates "a if b else c". */
static Value
eval_conditional(Eval *ev, const TemplateNode *node)
{
	Value		condition = jinja_eval(ev, node->third);

	if (value_truth(&ev->budget, &condition))
		return jinja_eval(ev, node->left);
	if (node->right)
		return jinja_eval(ev, node->right);
	return value_undefined_hint("the inline if-expression evaluated to false and no else section was defined");
}

/* Evaluates an expression. */
Value
jinja_eval(Eval *ev, const TemplateNode *node)
{
	Value		a;
	Value		b;

	check_stack_depth();
	bounds_work(15);
	switch ((NodeType) node->type)
	{
		case NODE_CONST:
			return node->value;
		case NODE_NAME:
			ev->pos = node->pos;
			return jinja_lookup(ev, node->name);
		case NODE_LIST:
		case NODE_TUPLE:
			return eval_list(ev, node);
		case NODE_DICT:
			return eval_dict(ev, node);
		case NODE_GETATTR:
			a = jinja_eval(ev, node->left);
			ev->pos = node->pos;
			b = jinja_getattr_uncalled(ev, &a, &node->value);
			return value_of_results(node, &a, &b);
		case NODE_GETITEM:
			a = jinja_eval(ev, node->left);
			b = jinja_eval(ev, node->right);
			ev->pos = node->pos;
			b = jinja_getitem(ev, &a, &b);
			return value_of_results(node, &a, &b);
		case NODE_SLICE:
			return eval_slice(ev, node);
		case NODE_CALL:
			return eval_call(ev, node);
		case NODE_FILTER:
			a = jinja_eval(ev, node->left);
			return jinja_apply_filter(ev, node, &a);
		case NODE_TEST:
			return eval_test(ev, node);
		case NODE_CONDITIONAL:
			return eval_conditional(ev, node);
		case NODE_AND:
			a = jinja_eval(ev, node->left);
			return value_truth(&ev->budget, &a) ? jinja_eval(ev, node->right) : a;
		case NODE_OR:
			a = jinja_eval(ev, node->left);
			return value_truth(&ev->budget, &a) ? a : jinja_eval(ev, node->right);
		case NODE_NOT:
			a = jinja_eval(ev, node->left);
			return value_bool(!value_truth(&ev->budget, &a));
		case NODE_NEGATE:
		case NODE_PLUS:
			return eval_sign(ev, node);
		case NODE_BINARY:
			a = jinja_eval(ev, node->left);
			b = jinja_eval(ev, node->right);
			ev->pos = node->pos;
			if (node->flags & NF_APPEND)
				return append_binary(ev, &a, &b);
			return jinja_binary(ev, node->op, &a, &b);
		case NODE_CONCAT:
			return eval_concat(ev, node);
		case NODE_COMPARE:
			return eval_compare(ev, node);
		default:
			elog(ERROR, "unexpected template node type %d", node->type);
	}
}

/* ------------------------------------------------------------------------
 * Entry points
 * ------------------------------------------------------------------------
 */

/* What an evaluation gives. */
typedef enum Purpose
{
	FOR_VALUE,
	FOR_TRUTH
} Purpose;

/*
 * Renders the statements of a template into text, and sets *result to what the
 * text is as JSON.
 */
static void
render_body(Eval *ev, JsonbValue *result)
{
	StringInfoData buf;

	initStringInfo(&buf);
	ev->out = &buf;
	jinja_exec(ev, &ev->template->body);
	value_coerce_text(buf.data, buf.len, result);
}

/*
 * Returns the truth of the value of a condition; strings follow the rule of
 * value_json_truth.
 */
static bool
truth_as_condition(Eval *ev, const Value *value)
{
	JsonbValue	json;

	if (value->kind != VAL_STRING)
		return value_truth(&ev->budget, value);
	json.type = jbvString;
	json.val.string.val = unconstify(char *, value->u.string);
	json.val.string.len = value->length;
	return value_json_truth(&json);
}

/*
 * Evaluates a template and sets *result or *truth, as the purpose asks. Raises
 * on errors.
 */
static void
evaluate(Eval *ev, Purpose purpose, JsonbValue *result, bool *truth)
{
	Value		value;

	jinja_push_frame(ev, &ev->template->hidden);
	if (ev->template->verbatim)
	{
		result->type = jbvString;
		result->val.string.val = unconstify(char *, ev->template->original);
		result->val.string.len = ev->template->original_length;
	}
	else if (ev->template->native)
	{
		value = jinja_eval(ev, ev->template->native);
		if (ev->scope->refuse_missing && value.kind == VAL_UNDEFINED &&
			value_undefined_is_member(&value))
			value_fail_undefined(&value);
		if (purpose == FOR_TRUTH)
		{
			*truth = truth_as_condition(ev, &value);
			return;
		}
		if (!jinja_exact_number(ev, ev->template->native, &value, result))
			value_to_json(&ev->budget, &value, result);
		if (result->type == jbvBinary)
			value_check_size(result->val.binary.len);
		return;
	}
	else
		render_body(ev, result);
	if (purpose == FOR_TRUTH)
		*truth = value_json_truth(result);
}

/*
 * Evaluates a template in a memory context of its own. Returns false and fills
 * *error for errors of the template; raises any other error, and all errors of
 * the caller's scope.
 */
static bool
run_evaluation(const Template *template, const TemplateScope *scope, Purpose purpose,
			   JsonbValue *result, bool *truth, SourceError *error)
{
	MemoryContext caller = CurrentMemoryContext;
	uint32		holdoff = InterruptHoldoffCount;
	Eval		ev = {.template = template, .scope = scope};
	Bounds		bounds;
	volatile bool ok = true;

	if (template->fault != NULL)
	{
		*error = *template->fault;
		return false;
	}
	ev.pos = -1;
	ev.caller = caller;
	ev.budget.context = AllocSetContextCreate(caller, "template evaluation",
											  ALLOCSET_DEFAULT_SIZES);
	bounds_begin(&bounds, "template evaluation", ev.budget.context, true);
	PG_TRY();
	{
		JsonbValue	value;

		MemoryContextSwitchTo(ev.budget.context);
		memset(&value, 0, sizeof(value));
		ev.free = palloc0((template->nnames + 1) * sizeof(FreeName));
		evaluate(&ev, purpose, &value, truth);
		MemoryContextSwitchTo(caller);
		if (purpose == FOR_VALUE)
			json_copy(&value, result);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		bounds_end(&bounds);
		MemoryContextSwitchTo(caller);
		edata = CopyErrorData();
		if (ev.in_lookup || !value_error_is_data(edata->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		InterruptHoldoffCount = holdoff;
		jinja_describe_error(template, edata, ev.pos,
							 "template nests or recurses too deeply", error);
		ok = false;
	}
	PG_END_TRY();
	bounds_end(&bounds);
	MemoryContextDelete(ev.budget.context);
	return ok;
}

/* Renders a template; false and *error when that fails. */
bool
template_render(const Template *template, const TemplateScope *scope,
				JsonbValue *result, SourceError *error)
{
	return run_evaluation(template, scope, FOR_VALUE, result, NULL, error);
}

/*
 * Sets *result to the truth of a condition; false and *error when that fails.
 */
bool
template_truth(const Template *template, const TemplateScope *scope,
			   bool *result, SourceError *error)
{
	return run_evaluation(template, scope, FOR_TRUTH, NULL, result, error);
}
