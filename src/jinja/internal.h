/*
 * jinja/internal.h
 *		Tokens, nodes and evaluation: what only the template engine knows.
 *
 *		text -> scan (tokens) -> parse (nodes) -> names (scopes checked)
 *			 -> exec/eval (values, output) -> json
 */
#ifndef NOETL_JINJA_INTERNAL_H
#define NOETL_JINJA_INTERNAL_H

#include "jinja/jinja.h"
#include "value/value.h"

typedef struct Builtin Builtin;
typedef struct Cycler Cycler;
typedef struct Eval Eval;
typedef struct Loop Loop;
typedef struct Macro Macro;
typedef struct Method Method;
typedef struct TemplateNode TemplateNode;

/* ------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------
 */
typedef struct Keyword
{
	const char *name;
	int			length;
	Value		value;
} Keyword;

typedef struct CallArgs
{
	int			nargs;
	Value	   *args;
	int			nkeywords;
	Keyword    *keywords;
} CallArgs;

#define MAX_PARAMS 8

/* The most keyword arguments of a call, and parameters of a macro: each search is linear. */
#define MAX_KEYWORDS 1000

/*
 * argv[0] is what the filter, test or method is applied to, argv[1..] the
 * parameters in order; VAL_ABSENT where none was given.
 */
typedef Value (*BuiltinFn) (Eval *ev, const Value *argv, const CallArgs *call);

struct Builtin
{
	const char *name;
	BuiltinFn	fn;
	int8		required;		/* parameters without default; -1: the
								 * function checks the arguments itself */
	const char *params[MAX_PARAMS];
};

/* ------------------------------------------------------------------------
 * Tokens (jinja/scan.c)
 * ------------------------------------------------------------------------
 */
typedef enum TokenType
{
	TOK_EOF,
	TOK_DATA,
	TOK_VARIABLE_BEGIN,
	TOK_VARIABLE_END,
	TOK_BLOCK_BEGIN,
	TOK_BLOCK_END,
	TOK_NAME,
	TOK_STRING,
	TOK_INTEGER,
	TOK_FLOAT,
	TOK_ADD,
	TOK_ASSIGN,
	TOK_COLON,
	TOK_COMMA,
	TOK_DIV,
	TOK_DOT,
	TOK_EQ,
	TOK_FLOORDIV,
	TOK_GT,
	TOK_GE,
	TOK_LBRACE,
	TOK_LBRACKET,
	TOK_LPAREN,
	TOK_LT,
	TOK_LE,
	TOK_MOD,
	TOK_MUL,
	TOK_NE,
	TOK_PIPE,
	TOK_POW,
	TOK_RBRACE,
	TOK_RBRACKET,
	TOK_RPAREN,
	TOK_SEMICOLON,
	TOK_SUB,
	TOK_TILDE
} TokenType;

typedef struct Token
{
	TokenType	type;
	int			pos;			/* byte offset in the source */
	int			length;			/* bytes of the token's own text */
	Value		value;			/* string, integer, float; data as string */
} Token;

typedef struct TokenList
{
	int			count;
	int			allocated;
	Token	   *tokens;
} TokenList;

extern char *jinja_normalize_source(const char *text, int length, int *newlength);
extern void jinja_scan(const char *source, int length, bool expression,
					   TokenList *tokens);
extern void jinja_locate(const char *source, int length, int pos,
						 int *line, int *column);

/* Raise an error at a byte offset of the source. */
pg_noreturn extern void jinja_syntax_error(int pos, const char *fmt,...) pg_attribute_printf(2, 3);
pg_noreturn extern void jinja_unsupported(int pos, const char *hint, const char *fmt, ...)
	pg_attribute_printf(3, 4);

extern void jinja_describe_error(const Template *template, const ErrorData *edata,
								 int pos, const char *too_deep, SourceError *error);

/* Byte offset of the compile-time error that is being raised; -1: unknown. */
extern int	jinja_error_position;

/* ------------------------------------------------------------------------
 * Compiled form (jinja/parse_expression.c, jinja/parse_statement.c)
 * ------------------------------------------------------------------------
 */
typedef enum NodeType
{
	/* expressions */
	NODE_CONST,
	NODE_NAME,
	NODE_NSREF,					/* assignment target ns.attr */
	NODE_LIST,
	NODE_TUPLE,
	NODE_DICT,					/* items: key, value, key, value ... */
	NODE_GETATTR,
	NODE_GETITEM,
	NODE_SLICE,					/* left[items[0]:items[1]:items[2]] */
	NODE_CALL,
	NODE_FILTER,
	NODE_TEST,
	NODE_CONDITIONAL,			/* left if third else right */
	NODE_AND,
	NODE_OR,
	NODE_NOT,
	NODE_NEGATE,
	NODE_PLUS,
	NODE_BINARY,
	NODE_CONCAT,
	NODE_COMPARE,				/* left, then items with op */
	NODE_KEYWORD,				/* value: name, left: expression */
	/* statements */
	NODE_DATA,
	NODE_PRINT,
	NODE_IF,					/* third, body, orelse */
	NODE_FOR,
	NODE_SET,
	NODE_SET_BLOCK,
	NODE_MACRO,
	NODE_CALL_BLOCK,
	NODE_FILTER_BLOCK,
	NODE_WITH,					/* items: target, value, ... */
	NODE_AUTOESCAPE
} NodeType;

typedef struct NodeList
{
	int			count;
	int			allocated;
	TemplateNode **items;
} NodeList;

typedef struct NameList
{
	int			count;
	int		   *names;
} NameList;

#define NF_NEGATED		0x01	/* test: is not */
#define NF_RECURSIVE	0x02	/* for */
#define NF_CALLER		0x04	/* macro uses caller */
#define NF_VARARGS		0x08
#define NF_KWARGS		0x10
#define NF_EXPLICIT_CALLER 0x20 /* macro has a parameter named caller */
#define NF_ELIF			0x80	/* if */
#define NF_PRINT		0x01	/* if: a list of prints, without a condition */
#define NF_APPEND		0x01	/* binary, concat: "set x = x + y" */
#define NF_CALLEE		0x40	/* expression is called: a method is meant */

struct TemplateNode
{
	uint8		type;			/* NodeType */
	uint8		op;				/* ValueOperator */
	uint8		flags;			/* NF_* */
	int			pos;			/* byte offset in the source */
	int			name;			/* NODE_NAME, NODE_NSREF, macro: name number; of a
								 * member of "results": that number plus 1 */
	Value		value;			/* constant, attribute, data, filter name */
	const Builtin *builtin;		/* filter, test; NULL: unknown */
	TemplateNode *left;
	TemplateNode *right;
	TemplateNode *third;
	TemplateNode *star;			/* *args */
	TemplateNode *starstar;		/* **kwargs */
	NodeList	items;
	NodeList	keywords;
	NodeList	body;
	NodeList	orelse;
	NameList	hidden;			/* names the body's scope hides at first */
	NameList	hidden_else;
};

/* A name of the template, interned. */
typedef struct TemplateName
{
	const char *name;
	int			length;
	const Builtin *global;		/* range, dict, ...; or NULL */
	const Builtin *function;	/* one that Jinja2 does not have: meant where
								 * the name is called and free; or NULL */
	bool		free;			/* not always bound by the template itself */
	bool		optional;		/* the template asks whether it has a value */
	int			pos;			/* where it is free first */
} TemplateName;

struct Template
{
	const char *source;			/* newlines normalized */
	int			length;
	const char *original;		/* as given */
	int			original_length;
	TemplateMode mode;
	bool		verbatim;		/* no tags: the text itself is the result */
	TemplateNode *native;			/* exactly one expression, or NULL */
	NodeList	body;
	NameList	hidden;			/* names that are undefined until they are set */
	int			nnames;
	int			allocated_names;
	TemplateName *names;
	int			nroots;
	const char **roots;
	int			identity[2];	/* of a template that calls uuid(): the numbers of
								 * the names that tell executions and steps apart,
								 * plus 1; else 0 */
	SourceError *fault;			/* template_fault() */
};

typedef struct Parser
{
	Template   *template;
	TokenList	tokens;
	int			current;
	NameTable	names;			/* finds the names of the template */
	const char *innermost;		/* tag that waits for its end, or NULL */
} Parser;

/* jinja/parse_expression.c */
extern Token *jinja_token(Parser *p);
extern Token *jinja_next(Parser *p);
extern Token *jinja_expect(Parser *p, TokenType type);
extern bool jinja_skip_if(Parser *p, TokenType type);
extern bool jinja_at_name(Parser *p, const char *name);
extern bool jinja_skip_name(Parser *p, const char *name);
extern void jinja_expect_name(Parser *p, const char *name);
extern bool jinja_token_is(const Token *token, const char *name);
extern TemplateNode *jinja_node(NodeType type, int pos);
extern void jinja_append(NodeList *list, TemplateNode *node);
extern int	jinja_intern(Parser *p, const char *name, int length);
extern TemplateNode *jinja_parse_expression(Parser *p, bool conditional);
extern TemplateNode *jinja_parse_tuple(Parser *p, bool simplified, bool conditional,
									   bool parenthesized, bool with_namespace);
extern TemplateNode *jinja_parse_filter(Parser *p, TemplateNode *node, bool start_inline);
extern char *jinja_describe_token(const Token *token);

/* jinja/parse_statement.c */
extern void jinja_parse_body(Parser *p, NodeList *body);

/* jinja/check_names.c */
extern void jinja_check_names(Template *template);

/* jinja/symbols.c */
extern void jinja_analyse_scopes(Template *template);

/* ------------------------------------------------------------------------
 * Evaluation
 * ------------------------------------------------------------------------
 */
typedef struct Binding
{
	int			name;
	Value		value;
} Binding;

/* A scope at run time; macros keep the one they were defined in. */
typedef struct Frame Frame;
struct Frame
{
	Frame	   *parent;
	int			count;
	int			allocated;
	Binding    *bindings;
};

typedef struct FreeName
{
	bool		resolved;
	TemplateBinding binding;
	Value		value;
} FreeName;

/* The memory of one statement (jinja/memory.c). */
typedef struct Level
{
	struct Level *outer;
	MemoryContext context;
	MemoryContext saved;		/* current when the level was opened */
	bool		kept;
} Level;

/* A buffer whose contents may be continued. */
typedef struct Growing
{
	char	   *start;
	Size		used;
	Size		allocated;
} Growing;

#define GROWING		8

/* One evaluation of a template. */
struct Eval
{
	Budget		budget;			/* what operations on values count against */
	const Template *template;
	const TemplateScope *scope;
	MemoryContext caller;		/* in which the scope's functions run */
	int			pos;			/* source position of the current operation */
	bool		in_lookup;		/* a function of the scope is running */
	bool		autoescape;
	FreeName   *free;
	Frame	   *frame;
	StringInfo	out;
	int64		closures;		/* values made so far that refer to a frame */
	int64		uuids;			/* results of uuid() so far */
	Level	   *level;
	int			nspares;
	MemoryContext spares[4];	/* empty contexts for levels */
	int			next_growing;
	Growing		growing[GROWING];
};

/* The name "loop" inside a for statement. */
struct Loop
{
	ValueObject base;
	Iterator   *source;
	Value		iterable;
	TemplateNode *node;			/* of a recursive loop, or NULL */
	Frame	   *frame;			/* scope the loop stands in */
	int64		index0;
	int			depth0;
	int64		length;			/* -1: unknown */
	bool		has_after;		/* one item was read ahead */
	bool		exhausted;
	Value		after;
	Value		current;
	Value		before;
	Value		last_changed;
};

struct Macro
{
	ValueObject base;
	const TemplateNode *node;
	Frame	   *closure;
	const char *name;			/* NULL: anonymous (caller) */
	int			name_length;
};

/* A builtin bound to its object, or a global function (self is absent). */
struct Method
{
	ValueObject base;
	const Builtin *builtin;
	Value		self;
};

/* A cycler or a joiner. */
struct Cycler
{
	ValueObject base;
	int			count;
	Value	   *items;
	int			position;
	bool		used;			/* joiner: called before */
};

/* jinja/object.c */
extern const ValueObjectType jinja_cycler_type;
extern const ValueObjectType jinja_function_type;
extern const ValueObjectType jinja_joiner_type;
extern const ValueObjectType jinja_loop_type;
extern const ValueObjectType jinja_macro_type;
extern const ValueObjectType jinja_method_type;
extern Value jinja_make_method(const Builtin *builtin, const Value *self);
extern Value jinja_make_function(const Builtin *builtin);

/* Returns whether a value is an object of a type. */
static inline bool
jinja_is_object(const Value *value, const ValueObjectType *type)
{
	return value->kind == VAL_OBJECT && value->u.object->type == type;
}

/* jinja/eval.c */
extern Value jinja_eval(Eval *ev, const TemplateNode *node);

/* jinja/exact.c */
extern bool jinja_exact_number(Eval *ev, const TemplateNode *node, const Value *value,
							   JsonbValue *result);
extern Value jinja_call(Eval *ev, const Value *callee, const CallArgs *call);
extern void jinja_eval_args(Eval *ev, const TemplateNode *node, CallArgs *call);
extern bool jinja_step_envelope(Eval *ev, const Value *step, const Value *key, Value *result);
extern Value jinja_lookup(Eval *ev, int name);
extern Value jinja_binary(Eval *ev, ValueOperator op, const Value *a, const Value *b);
extern Value jinja_invoke(Eval *ev, const Builtin *builtin, const Value *self,
						  const CallArgs *call);
extern Value jinja_apply_filter(Eval *ev, const TemplateNode *node, const Value *input);

/* jinja/exec.c */
extern void jinja_exec(Eval *ev, const NodeList *body);
extern Frame *jinja_push_frame(Eval *ev, const NameList *hidden);
extern Value jinja_call_macro(Eval *ev, Macro *macro, const CallArgs *call);
extern Value jinja_call_loop(Eval *ev, Loop *loop, const CallArgs *call);
extern int64 jinja_loop_length(Budget *budget, Loop *loop);
extern bool jinja_loop_advance(Budget *budget, Loop *loop, Value *item);
extern bool jinja_loop_attribute(Budget *budget, Loop *loop, const char *name,
								 int length, Value *result);

/* jinja/memory.c */
extern void jinja_begin_level(Eval *ev, Level *level);
extern void jinja_end_level(Eval *ev, Level *level);
extern Value jinja_keep(Eval *ev, const Value *value, MemoryContext context);
extern Value jinja_append_text(Eval *ev, const Value *a, const Value *b);
extern Value jinja_append_list(Eval *ev, const Value *a, const Value *b);

/* jinja/access.c: obj.name, obj[x], obj[a:b] */
extern Value jinja_getattr(Eval *ev, const Value *object, const Value *name);
extern Value jinja_getattr_uncalled(Eval *ev, const Value *object, const Value *name);
extern bool jinja_get(Eval *ev, const Value *dict, const Value *key, Value *result);
extern Value jinja_getitem(Eval *ev, const Value *object, const Value *item);
extern Value jinja_getslice(Eval *ev, const Value *object, const Value *start,
							const Value *stop, const Value *step);
extern bool jinja_bind_method(const Value *object, const Value *name,
							  Value *result);

/* jinja/filters.c, jinja/tests.c, jinja/methods.c, ... */
extern const Builtin *jinja_find_filter(const char *name, int length);
extern const Builtin *jinja_find_test(const char *name, int length);
extern const Builtin *jinja_find_global(const char *name, int length);
extern const Builtin *jinja_find_function(const char *name, int length);
extern const Builtin *jinja_find_method(const Value *object, const char *name,
										int length);
extern const Builtin *jinja_find_date_method(const Value *object, const char *name, int length);
extern bool jinja_date_attribute(const Value *object, const Value *name, Value *result);
extern bool jinja_is_mutation(const Value *object, const char *name, int length);
extern bool jinja_has_truth(Eval *ev, const Value *iterable, bool truth);
extern Value jinja_sorted(Eval *ev, const Value *iterable, bool reverse);
extern Value jinja_zip(Eval *ev, int count, const Value *iterables, const Value *fill);
extern const Builtin *jinja_find_builtin(const Builtin *table, int count,
										 const char *name, int length);
extern Value jinja_format_braces(Eval *ev, const Value *format, const CallArgs *call);
extern Value jinja_striptags(const Value *s);
extern Value jinja_unescape(const Value *s);
extern int	jinja_argument_int(const Value *value, int fallback);
extern bool jinja_argument_bool(Eval *ev, const Value *value, bool fallback);

#endif							/* NOETL_JINJA_INTERNAL_H */
