/*
 * jinja/exec.c
 *		Execution of statements: output, scopes, loops and macros.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/internal.h"

static void assign_target(Eval *ev, const TemplateNode *target, const Value *value);

/* ------------------------------------------------------------------------
 * Scopes
 * ------------------------------------------------------------------------
 */

/* Gives a name a value in a scope. */
static void
bind_value(Frame *frame, int name, const Value *value)
{
	int			i;

	bounds_work(frame->count);
	for (i = 0; i < frame->count; i++)
	{
		if (frame->bindings[i].name == name)
		{
			frame->bindings[i].value = *value;
			return;
		}
	}
	if (frame->count == frame->allocated)
	{
		frame->allocated = frame->allocated ? frame->allocated * 2 : 4;
		if (frame->bindings == NULL)
			frame->bindings = MemoryContextAlloc(GetMemoryChunkContext(frame),
												 frame->allocated * sizeof(Binding));
		else
			frame->bindings = repalloc(frame->bindings,
									   frame->allocated * sizeof(Binding));
	}
	frame->bindings[frame->count].name = name;
	frame->bindings[frame->count].value = *value;
	frame->count++;
}

/*
 * Opens a scope inside the current one and returns it. The names in "hidden"
 * are undefined in the scope until it sets them.
 */
Frame *
jinja_push_frame(Eval *ev, const NameList *hidden)
{
	Frame	   *frame = palloc0(sizeof(Frame));
	int			i;

	frame->parent = ev->frame;
	ev->frame = frame;
	for (i = 0; hidden && i < hidden->count; i++)
	{
		const TemplateName *name = &ev->template->names[hidden->names[i]];
		Value		undefined = value_undefined_name(name->name, name->length);

		bind_value(frame, hidden->names[i], &undefined);
	}
	return frame;
}

/*
 * Returns the number of a name that the engine itself binds, or -1 when the
 * template does not mention it.
 */
static int
find_name(const Eval *ev, const char *name)
{
	const Template *t = ev->template;
	int			i;

	bounds_work(t->nnames);
	for (i = 0; i < t->nnames; i++)
	{
		if (strcmp(t->names[i].name, name) == 0)
			return i;
	}
	return -1;
}

/*
 * Gives a name that the engine itself binds a value, when the template
 * mentions the name.
 */
static void
bind_known_name(Eval *ev, Frame *frame, const char *name, const Value *value)
{
	int			number = find_name(ev, name);

	if (number >= 0)
		bind_value(frame, number, value);
}

/*
 * Unpacks a value into the targets of a tuple. Raises when their numbers
 * differ.
 */
static void
assign_tuple(Eval *ev, const TemplateNode *target, const Value *value)
{
	int			wanted = target->items.count;
	Value	   *items = palloc((wanted + 1) * sizeof(Value));
	Iterator   *it;
	Value		extra;
	int			n = 0;
	int			i;

	if (!value_is_iterable(value))
		value_fail("cannot unpack non-iterable %s object", value_type(value));
	it = value_iterate(&ev->budget, value);
	while (n < wanted && iter_next(&ev->budget, it, &items[n]))
		n++;
	if (n < wanted)
		value_fail("not enough values to unpack (expected %d, got %d)", wanted, n);
	if (iter_next(&ev->budget, it, &extra))
		value_fail("too many values to unpack (expected %d)", wanted);
	for (i = 0; i < wanted; i++)
		assign_target(ev, target->items.items[i], &items[i]);
}

/* Assigns to a name, a tuple of targets or an attribute of a namespace. */
static void
assign_target(Eval *ev, const TemplateNode *target, const Value *value)
{
	Value		object;
	Value		kept;

	if (target->type == NODE_NAME)
	{
		kept = jinja_keep(ev, value, GetMemoryChunkContext(ev->frame));
		bind_value(ev->frame, target->name, &kept);
	}
	else if (target->type == NODE_TUPLE)
	{
		ev->pos = target->pos;
		assign_tuple(ev, target, value);
	}
	else
	{
		object = jinja_lookup(ev, target->name);
		ev->pos = target->pos;
		if (object.kind != VAL_NAMESPACE)
			value_fail("cannot assign attribute on non-namespace object");
		kept = jinja_keep(ev, value, GetMemoryChunkContext(object.u.dict));
		dict_set(&ev->budget, object.u.dict, &target->value, &kept);
	}
}

/* ------------------------------------------------------------------------
 * Output
 * ------------------------------------------------------------------------
 */

/* Appends text to the output of the template. */
static void
output_text(Eval *ev, const char *s, int length)
{
	value_check_size((int64) ev->out->len + length);
	bounds_work(length / 8);
	appendBinaryStringInfo(ev->out, s, length);
}

/* Prints a value. */
static void
print_value(Eval *ev, const Value *value)
{
	Value		text;

	value_check_size(ev->out->len);
	if (!ev->autoescape)
	{
		value_str_into(&ev->budget, ev->out, value);
		return;
	}
	text = value_soft_str(&ev->budget, value);
	text = utext_escape(&text);
	output_text(ev, text.u.string, text.length);
}

/*
 * Prints the result of a filter or call block; Jinja2 accepts only text as the
 * result.
 */
static void
print_block(Eval *ev, const TemplateNode *node, const Value *value)
{
	ev->pos = node->pos;
	if (value->kind != VAL_STRING)
		value_fail("%s block must give a string, not %s",
				   node->type == NODE_FILTER_BLOCK ? "filter" : "call", value_type(value));
	output_text(ev, value->u.string, value->length);
}

/*
 * Runs statements in a scope of their own; returns the text that they print,
 * filtered where the block has filters.
 */
static Value
capture(Eval *ev, const TemplateNode *node)
{
	const TemplateNode *filter = node->right;
	StringInfo	outer = ev->out;
	Frame	   *frame = ev->frame;
	StringInfoData buf;
	Value		text;

	initStringInfo(&buf);
	ev->out = &buf;
	jinja_push_frame(ev, &node->hidden);
	jinja_exec(ev, &node->body);
	text = utext_from_buffer(&buf);
	if (ev->autoescape)
		text.flags = VF_MARKUP;
	if (filter != NULL)
	{
		/* the innermost filter of a chain has no operand: it gets the text */
		const TemplateNode *chain[64];
		int			n = 0;

		for (; filter != NULL; filter = filter->left)
		{
			if (n == lengthof(chain))
				value_fail_limit("more than %d filters in a row", n);
			chain[n++] = filter;
		}
		while (n > 0)
			text = jinja_apply_filter(ev, chain[--n], &text);
	}
	ev->frame = frame;
	ev->out = outer;
	return text;
}

/* ------------------------------------------------------------------------
 * Loops
 * ------------------------------------------------------------------------
 */

/* Iterator over the items of a loop for which its condition holds. */
typedef struct FilteredIterator
{
	Iterator	base;
	Eval	   *ev;
	Iterator   *source;
	const TemplateNode *node;
	Frame	   *frame;
} FilteredIterator;

/* Returns the next item for which the condition of the loop holds. */
static bool
filtered_next(Budget *budget, Iterator *base, Value *item)
{
	FilteredIterator *it = (FilteredIterator *) base;
	Eval	   *ev = it->ev;
	Frame	   *saved = ev->frame;
	bool		found = false;

	while (!found && iter_next(&ev->budget, it->source, item))
	{
		Value		condition;

		ev->frame = it->frame;
		jinja_push_frame(ev, NULL);
		assign_target(ev, it->node->left, item);
		condition = jinja_eval(ev, it->node->third);
		found = value_truth(&ev->budget, &condition);
	}
	ev->frame = saved;
	return found;
}

/*
 * Sets *item to the next item of a loop, which may have been read ahead; false
 * at the end.
 */
bool
jinja_loop_advance(Budget *budget, Loop *loop, Value *item)
{
	if (loop->has_after)
	{
		*item = loop->after;
		loop->has_after = false;
	}
	else if (loop->exhausted || !iter_next(budget, loop->source, item))
	{
		loop->exhausted = true;
		return false;
	}
	loop->index0++;
	loop->before = loop->current;
	loop->current = *item;
	return true;
}

/* Reads one item ahead; returns false at the end. */
static bool
loop_peek(Budget *budget, Loop *loop)
{
	if (loop->has_after)
		return true;
	if (loop->exhausted || !iter_next(budget, loop->source, &loop->after))
	{
		loop->exhausted = true;
		return false;
	}
	loop->has_after = true;
	return true;
}

/* Returns loop.length; reads an iterator to its end. */
int64
jinja_loop_length(Budget *budget, Loop *loop)
{
	if (loop->length < 0)
	{
		if (value_has_length(&loop->iterable))
			loop->length = value_length(budget, &loop->iterable);
		else
		{
			/* the rest lives as long as the loop, not as the statement that asks */
			MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(loop));
			Value		source = value_iterator(loop->source);
			Value		rest = value_collect(budget, &source);

			loop->source = iter_array(seq_count(&rest), seq_items(&rest));
			MemoryContextSwitchTo(old);
			loop->exhausted = false;
			loop->length = seq_count(&rest) + loop->index0 + 1 + loop->has_after;
		}
	}
	return loop->length;
}

/* Returns loop.nextitem or loop.previtem. */
static Value
loop_neighbour(Budget *budget, Loop *loop, bool next)
{
	if (next)
		return loop_peek(budget, loop) ? loop->after :
			value_undefined_hint("there is no next item");
	return loop->index0 > 0 ? loop->before :
		value_undefined_hint("there is no previous item");
}

/*
 * Sets *result to an attribute of "loop"; returns false when "loop" has none
 * of that name. Methods are not attributes here.
 */
bool
jinja_loop_attribute(Budget *budget, Loop *loop, const char *name, int length,
					 Value *result)
{
	Value		n = utext_make(name, length);

	if (utext_is(&n, "index"))
		*result = value_int(loop->index0 + 1);
	else if (utext_is(&n, "index0"))
		*result = value_int(loop->index0);
	else if (utext_is(&n, "first"))
		*result = value_bool(loop->index0 == 0);
	else if (utext_is(&n, "last"))
		*result = value_bool(!loop_peek(budget, loop));
	else if (utext_is(&n, "length"))
		*result = value_int(jinja_loop_length(budget, loop));
	else if (utext_is(&n, "revindex"))
		*result = value_int(jinja_loop_length(budget, loop) - loop->index0);
	else if (utext_is(&n, "revindex0"))
		*result = value_int(jinja_loop_length(budget, loop) - loop->index0 - 1);
	else if (utext_is(&n, "depth"))
		*result = value_int(loop->depth0 + 1);
	else if (utext_is(&n, "depth0"))
		*result = value_int(loop->depth0);
	else if (utext_is(&n, "previtem"))
		*result = loop_neighbour(budget, loop, false);
	else if (utext_is(&n, "nextitem"))
		*result = loop_neighbour(budget, loop, true);
	else
		return false;
	return true;
}

/*
 * Runs the body of a loop for each item, or the else part when there is no
 * item.
 */
static void
run_loop(Eval *ev, const TemplateNode *node, const Value *iterable, int depth0)
{
	Frame	   *outer = ev->frame;
	Loop	   *loop = palloc0(sizeof(Loop));
	Value		loop_value = value_object(&loop->base);
	int			loop_name = find_name(ev, "loop");
	Value		item;
	bool		empty = true;

	ev->pos = node->right->pos;
	loop->base.type = &jinja_loop_type;
	loop->source = value_iterate(&ev->budget, iterable);
	loop->iterable = *iterable;
	loop->node = node->flags & NF_RECURSIVE ? unconstify(TemplateNode *, node) : NULL;
	loop->frame = outer;
	loop->index0 = -1;
	loop->depth0 = depth0;
	loop->length = -1;
	if (node->third)
	{
		FilteredIterator *it = palloc(sizeof(FilteredIterator));

		it->base.next = filtered_next;
		it->base.type = "generator";
		it->ev = ev;
		it->source = loop->source;
		it->node = node;
		it->frame = outer;
		loop->source = &it->base;
		loop->iterable = value_iterator(&it->base);
	}
	if (loop->node != NULL || node->third != NULL)
		ev->closures++;
	while (jinja_loop_advance(&ev->budget, loop, &item))
	{
		int64		closures = ev->closures;
		Level		level;

		empty = false;
		jinja_begin_level(ev, &level);
		jinja_push_frame(ev, &node->hidden);
		assign_target(ev, node->left, &item);
		if (loop_name >= 0)
			bind_value(ev->frame, loop_name, &loop_value);
		jinja_exec(ev, &node->body);
		ev->frame = outer;
		if (ev->closures != closures)
			level.kept = true;
		jinja_end_level(ev, &level);
	}
	if (empty && node->orelse.count > 0)
	{
		jinja_push_frame(ev, &node->hidden_else);
		jinja_exec(ev, &node->orelse);
		ev->frame = outer;
	}
}

/* Runs "for". */
static void
exec_for(Eval *ev, const TemplateNode *node)
{
	Level		level;
	Value		iterable;

	jinja_begin_level(ev, &level);
	iterable = jinja_eval(ev, node->right);
	run_loop(ev, node, &iterable, 0);
	jinja_end_level(ev, &level);
}

/* Returns what loop(iterable) inside a recursive loop prints. */
Value
jinja_call_loop(Eval *ev, Loop *loop, const CallArgs *call)
{
	StringInfo	outer = ev->out;
	Frame	   *frame = ev->frame;
	StringInfoData buf;
	Value		result;

	check_stack_depth();
	if (call->nargs != 1 || call->nkeywords != 0)
		value_fail("loop() takes exactly one argument");
	if (loop->node == NULL)
		value_fail("the loop must have the 'recursive' marker to be called recursively");
	initStringInfo(&buf);
	ev->out = &buf;
	ev->frame = loop->frame;
	run_loop(ev, loop->node, &call->args[0], loop->depth0 + 1);
	ev->frame = frame;
	ev->out = outer;
	result = utext_from_buffer(&buf);
	if (ev->autoescape)
		result.flags = VF_MARKUP;
	return result;
}

/* ------------------------------------------------------------------------
 * Macros
 * ------------------------------------------------------------------------
 */

/*
 * Returns a macro as a value, together with the scope that it is defined in.
 */
static Value
make_macro(Eval *ev, const TemplateNode *node)
{
	Macro	   *macro = palloc0(sizeof(Macro));

	macro->base.type = &jinja_macro_type;
	macro->node = node;
	macro->closure = ev->frame;
	ev->closures++;
	if (node->type == NODE_MACRO)
	{
		macro->name = ev->template->names[node->name].name;
		macro->name_length = ev->template->names[node->name].length;
	}
	return value_object(&macro->base);
}

/*
 * Removes a keyword argument from a call; returns false when the call has none
 * of that name.
 */
static bool
take_keyword(CallArgs *call, const char *name, Value *value)
{
	int			i;

	bounds_work(call->nkeywords);
	for (i = 0; i < call->nkeywords; i++)
	{
		if (strlen(name) == call->keywords[i].length &&
			memcmp(call->keywords[i].name, name, call->keywords[i].length) == 0)
		{
			*value = call->keywords[i].value;
			call->nkeywords--;
			memmove(&call->keywords[i], &call->keywords[i + 1],
					(call->nkeywords - i) * sizeof(Keyword));
			return true;
		}
	}
	return false;
}

/*
 * Binds the parameters of a macro to the arguments of a call. Returns whether
 * the parameter "caller" was bound.
 */
static bool
bind_parameters(Eval *ev, Macro *macro, CallArgs *call, Frame *frame)
{
	const NodeList *params = &macro->node->items;
	bool		found_caller = false;
	int			i;

	for (i = 0; i < params->count; i += 2)
	{
		const char *name = ev->template->names[params->items[i]->name].name;
		Value		value = {VAL_ABSENT};

		if (i / 2 < call->nargs)
			value = call->args[i / 2];
		else
		{
			take_keyword(call, name, &value);
			if (strcmp(name, "caller") == 0)
				found_caller = true;
		}
		bind_value(frame, params->items[i]->name, &value);
	}
	if (call->nargs >= params->count / 2)
		found_caller = (macro->node->flags & NF_EXPLICIT_CALLER) != 0;
	return found_caller;
}

/* Gives parameters without an argument their defaults. */
static void
bind_defaults(Eval *ev, Macro *macro, Frame *frame)
{
	const NodeList *params = &macro->node->items;
	int			i;

	for (i = 0; i < params->count; i += 2)
	{
		int			name = params->items[i]->name;
		Value		value;
		int			k;

		bounds_work(frame->count);
		for (k = 0; k < frame->count && frame->bindings[k].name != name; k++)
			;
		if (frame->bindings[k].value.kind != VAL_ABSENT)
			continue;
		if (params->items[i + 1])
			value = jinja_eval(ev, params->items[i + 1]);
		else
			value = value_undefined_hint(
				psprintf("parameter '%s' was not provided",
						 value_clip_name(ev->template->names[name].name,
										 ev->template->names[name].length)));
		bind_value(frame, name, &value);
	}
}

/*
 * Binds caller, kwargs and varargs, and raises for arguments that are left
 * over.
 */
static void
bind_special(Eval *ev, Macro *macro, CallArgs *call, Frame *frame,
			 bool found_caller)
{
	const TemplateNode *node = macro->node;
	int			nparams = node->items.count / 2;
	Value		value;
	Value		extra;
	int			i;

	if ((node->flags & NF_CALLER) && !found_caller)
	{
		if (!take_keyword(call, "caller", &value) || value.kind == VAL_NONE)
			value = value_undefined_hint("No caller defined");
		bind_known_name(ev, frame, "caller", &value);
	}
	if (node->flags & NF_KWARGS)
	{
		extra = value_new_dict(call->nkeywords);
		for (i = 0; i < call->nkeywords; i++)
		{
			Value		key = utext_make(call->keywords[i].name, call->keywords[i].length);

			dict_set(&ev->budget, extra.u.dict, &key, &call->keywords[i].value);
		}
		bind_known_name(ev, frame, "kwargs", &extra);
	}
	else if (call->nkeywords > 0)
		value_fail("macro %s takes no keyword argument '%s'",
				   macro->name ? value_clip_name(macro->name, macro->name_length) : "block",
				   value_clip_name(call->keywords[0].name, call->keywords[0].length));
	if (node->flags & NF_VARARGS)
	{
		i = Min(nparams, call->nargs);
		value = value_tuple(call->nargs - i, call->args ? call->args + i : NULL);
		bind_known_name(ev, frame, "varargs", &value);
	}
	else if (call->nargs > nparams)
		value_fail("macro %s takes not more than %d argument(s)",
				   macro->name ? value_clip_name(macro->name, macro->name_length) : "block",
				   nparams);
}

/* Calls a macro; returns what it prints. */
Value
jinja_call_macro(Eval *ev, Macro *macro, const CallArgs *given)
{
	StringInfo	outer = ev->out;
	Frame	   *saved = ev->frame;
	CallArgs	call = *given;
	Frame	   *frame;
	bool		found_caller;
	StringInfoData buf;
	Value		result;

	check_stack_depth();
	value_count_iteration(&ev->budget);
	if (call.nkeywords > 0)
	{
		call.keywords = palloc(call.nkeywords * sizeof(Keyword));
		memcpy(call.keywords, given->keywords, call.nkeywords * sizeof(Keyword));
	}
	initStringInfo(&buf);
	ev->frame = macro->closure;
	frame = jinja_push_frame(ev, &macro->node->hidden);
	ev->out = &buf;
	found_caller = bind_parameters(ev, macro, &call, frame);
	bind_special(ev, macro, &call, frame, found_caller);
	bind_defaults(ev, macro, frame);
	jinja_exec(ev, &macro->node->body);
	ev->frame = saved;
	ev->out = outer;
	result = utext_from_buffer(&buf);
	if (ev->autoescape)
		result.flags = VF_MARKUP;
	return result;
}

/* Runs "call": the block becomes the macro "caller" of the call. */
static void
exec_call_block(Eval *ev, const TemplateNode *node)
{
	Value		caller = make_macro(ev, node);
	Value		callee = jinja_eval(ev, node->left->left);
	CallArgs	call;
	Keyword    *keywords;
	Value		result;

	jinja_eval_args(ev, node->left, &call);
	keywords = palloc((call.nkeywords + 1) * sizeof(Keyword));
	if (call.nkeywords > 0)
		memcpy(keywords, call.keywords, call.nkeywords * sizeof(Keyword));
	keywords[call.nkeywords].name = "caller";
	keywords[call.nkeywords].length = 6;
	keywords[call.nkeywords].value = caller;
	call.keywords = keywords;
	call.nkeywords++;
	ev->pos = node->left->pos;
	result = jinja_call(ev, &callee, &call);
	print_block(ev, node, &result);
}

/* ------------------------------------------------------------------------
 * Statements
 * ------------------------------------------------------------------------
 */

/* Runs "if".  The branch of an elif is an "if" of its own. */
static void
exec_if(Eval *ev, const TemplateNode *node)
{
	for (;;)
	{
		Value		condition = jinja_eval(ev, node->third);

		if (value_truth(&ev->budget, &condition))
		{
			jinja_exec(ev, &node->body);
			return;
		}
		if (node->orelse.count != 1 || node->orelse.items[0]->type != NODE_IF)
			break;
		node = node->orelse.items[0];
	}
	jinja_exec(ev, &node->orelse);
}

/* Runs "with"; the values are evaluated in the scope outside. */
static void
exec_with(Eval *ev, const TemplateNode *node)
{
	Frame	   *outer = ev->frame;
	Frame	   *frame = jinja_push_frame(ev, &node->hidden);
	int			i;

	for (i = 0; i < node->items.count; i += 2)
	{
		Value		value;

		ev->frame = outer;
		value = jinja_eval(ev, node->items.items[i + 1]);
		ev->frame = frame;
		assign_target(ev, node->items.items[i], &value);
	}
	jinja_exec(ev, &node->body);
	ev->frame = outer;
}

/* Runs "autoescape". */
static void
exec_autoescape(Eval *ev, const TemplateNode *node)
{
	Value		on = jinja_eval(ev, node->left);
	Frame	   *outer = ev->frame;
	bool		saved = ev->autoescape;

	ev->autoescape = value_truth(&ev->budget, &on);
	jinja_push_frame(ev, &node->hidden);
	jinja_exec(ev, &node->body);
	ev->frame = outer;
	ev->autoescape = saved;
}

/* Returns whether an expression allocates next to nothing. */
static bool
is_access(const TemplateNode *node)
{
	while (node->type == NODE_GETATTR)
		node = node->left;
	return node->type == NODE_NAME || node->type == NODE_CONST;
}

/* Runs a statement in a level of its own: print, set or a block. */
static void
exec_in_level(Eval *ev, const TemplateNode *node)
{
	Level		level;
	Value		value;

	jinja_begin_level(ev, &level);
	switch ((NodeType) node->type)
	{
		case NODE_PRINT:
			value = jinja_eval(ev, node->left);
			print_value(ev, &value);
			break;
		case NODE_SET:
			value = jinja_eval(ev, node->right);
			assign_target(ev, node->left, &value);
			break;
		case NODE_SET_BLOCK:
			value = capture(ev, node);
			if (ev->autoescape && value.kind == VAL_STRING)
				value.flags |= VF_MARKUP;
			assign_target(ev, node->left, &value);
			break;
		case NODE_CALL_BLOCK:
			exec_call_block(ev, node);
			break;
		default:
			value = capture(ev, node);
			print_block(ev, node, &value);
			break;
	}
	jinja_end_level(ev, &level);
}

/* Runs one statement. */
static void
exec_statement(Eval *ev, const TemplateNode *node)
{
	Value		value;

	switch ((NodeType) node->type)
	{
		case NODE_DATA:
			output_text(ev, node->value.u.string, node->value.length);
			break;
		case NODE_PRINT:
			if (!is_access(node->left))
				exec_in_level(ev, node);
			else
			{
				value = jinja_eval(ev, node->left);
				print_value(ev, &value);
			}
			break;
		case NODE_IF:
			exec_if(ev, node);
			break;
		case NODE_FOR:
			exec_for(ev, node);
			break;
		case NODE_SET:
			if (is_access(node->right) || node->right->type == NODE_LIST ||
				node->right->type == NODE_TUPLE || node->right->type == NODE_DICT)
			{
				value = jinja_eval(ev, node->right);
				assign_target(ev, node->left, &value);
				break;
			}
			/* FALLTHROUGH */
		case NODE_SET_BLOCK:
		case NODE_CALL_BLOCK:
		case NODE_FILTER_BLOCK:
			exec_in_level(ev, node);
			break;
		case NODE_MACRO:
			value = make_macro(ev, node);
			bind_value(ev->frame, node->name, &value);
			break;
		case NODE_WITH:
			exec_with(ev, node);
			break;
		case NODE_AUTOESCAPE:
			exec_autoescape(ev, node);
			break;
		default:
			elog(ERROR, "unexpected template node type %d", node->type);
	}
}

/* Runs a list of statements. */
void
jinja_exec(Eval *ev, const NodeList *body)
{
	int			i;

	check_stack_depth();
	for (i = 0; i < body->count; i++)
	{
		bounds_work(40);
		exec_statement(ev, body->items[i]);
	}
}
