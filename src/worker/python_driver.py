"""
The python3 process behind tasks of type python.

Frames on descriptor 3, each with a 4-byte length in network order:
  request   JSON {"execution_id", "step", "action", "context"}; the context has the
            workload and values of steps, if the program may ask for them
  answer    kind (S success, F failure, H hello, P progress), r or k (recycle or keep this
            process), 4-byte length of the error text, the error text, JSON

Everything else is the task's: stdout and stderr go to the worker's log,
stdin is empty.
"""
import _thread
import json
import linecache
import os
import struct
import sys
import types
from keyword import iskeyword

CHANNEL = 3
MAX_RESULT = 256 * 1024 * 1024
MAX_ERROR = 10000
MAX_TRACEBACK = 100000
MAX_CACHED = 200
WHOLE_INPUT_NAMES = {"input_data", "data", "input", "args", "payload", "params"}

# Modules that programs use without importing them
READY_MODULES = ("os", "json", "datetime", "uuid")

# co_flags of a function with *args or **kwargs
TAKES_MORE = 0x04 | 0x08

# Directories and URLs below which program text may be read
SCRIPTS = [prefix for prefix in sys.argv[-1].split(",") if prefix]

compiled = {}
channel_lock = _thread.allocate_lock()

# The variables of the process, and how they are kept: comparing that decodes none
own_environment = os.environ
kept_environment = getattr(own_environment, "_data", own_environment)


def read_exactly(size):
    """Reads a whole piece, because sockets hand out parts."""
    pieces = []
    while size > 0:
        piece = os.read(CHANNEL, min(size, 1 << 20))
        if not piece:
            os._exit(0)
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def write_answer(kind, recycle, error, body):
    """Sends one answer, or what a program tells of its progress."""
    error = error.encode("utf-8", "replace").replace(b"\0", b"?")
    frame = b"".join((kind, b"r" if recycle else b"k",
                      struct.pack("!I", len(error)), error, body))
    view = memoryview(struct.pack("!I", len(frame)) + frame)
    with channel_lock:
        while view:
            view = view[os.write(CHANNEL, view):]


def noetl_progress(progress=None, message=None):
    """Tells how far the task is: a number from 0 to 1, a text, or both."""
    told = {}
    if progress is not None:
        told["progress"] = float(progress)
    if message is not None:
        told["message"] = str(message)[:500]
    write_answer(b"P", False, "", json.dumps(told).encode())


def to_json_value(value):
    """Turns what JSON does not know into the nearest thing it does."""
    import base64
    import dataclasses
    import datetime
    import decimal
    import enum
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            return str(value)
        if value == value.to_integral_value() and abs(value.adjusted()) < 1000:
            return int(value)
        return float(value) if decimal.Decimal(repr(float(value))) == value else str(value)
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(data).decode("ascii")
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, types.GeneratorType):
        return list(value)
    for method in ("model_dump", "to_dict", "tolist"):
        if callable(getattr(value, method, None)) and not isinstance(value, type):
            return getattr(value, method)()
    return str(value)


def plain(value, outer=()):
    """Rebuilds a value that json refuses: odd keys, NaN; raises for NUL in texts."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if value != value:
            return "NaN"
        return value if value not in (float("inf"), float("-inf")) else \
            "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("the result has a text with a NUL character, which cannot be stored")
        return value
    if id(value) in outer:
        raise ValueError("the result contains itself")
    outer = outer + (id(value),)
    if isinstance(value, dict):
        return {str(plain(k) if isinstance(k, (str, float)) else key_text(k)): plain(v, outer)
                for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, outer) for v in value]
    return plain(to_json_value(value), outer)


def key_text(key):
    """Writes a key as json.dumps would, any other key as text."""
    if key is None or isinstance(key, bool):
        return json.dumps(key)
    return str(key)


# Made once: json.dumps() would make one for each result
encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=to_json_value,
                          separators=(",", ":")).encode


def to_json(value):
    """Serialises a result in a form that jsonb accepts."""
    try:
        text = encode(value)
    except (TypeError, ValueError):
        text = None
    if text is None or "\\u0000" in text:
        text = json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    body = text.encode("utf-8", "replace")
    if len(body) > MAX_RESULT:
        raise ValueError("the result has %d bytes, more than the limit of %d"
                         % (len(body), MAX_RESULT))
    return body


def climbs(url):
    """Tells whether a URL has parts by which it leaves the place that it begins with."""
    return "/.." in url or "%2e" in url.lower() or "\\" in url


def allowed_script(place):
    """Raises unless --scripts of the worker has a prefix of a file or a URL."""
    for prefix in SCRIPTS:
        if "://" in prefix:
            if place.startswith(prefix.rstrip("/") + "/") and not climbs(place):
                return
        elif "://" not in place:
            if place.startswith(os.path.realpath(prefix).rstrip("/") + "/"):
                return
    raise PermissionError("script %s is not below what --scripts of the worker names" % place)


def fetch_script(url, source):
    """Reads program text from a URL; a redirect must stay below --scripts too."""
    import urllib.request

    class Redirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):
            allowed_script(newurl)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    allowed_script(url)
    request = urllib.request.Request(url, headers=source.get("headers") or {})
    opener = urllib.request.build_opener(Redirects)
    with opener.open(request, timeout=source.get("timeout") or 30) as answer:
        return answer.read().decode("utf-8")


def read_script(script):
    """Reads program text that the action only names: a path, a URL, or a map of its parts."""
    if isinstance(script, str):
        script = {"path": script}
    source = script.get("source") or {}
    if isinstance(source, str):
        source = {"type": source}
    path = script.get("path") or script.get("uri") or ""
    if "\n" in path:
        raise ValueError("script names a file or a URL; write program text under code")
    kind = source.get("type") or (path.split("://")[0].lower() if "://" in path else "file")
    if kind == "file":
        path = os.path.realpath(path)
        allowed_script(path)
        with open(path, encoding="utf-8") as file:
            return file.read()
    if kind in ("http", "https"):
        if "://" not in path:
            path = source.get("endpoint", "").rstrip("/") + "/" + path.lstrip("/")
        if not path.startswith(("http://", "https://")):
            raise ValueError("%s is no http address" % path)
        return fetch_script(path, source)
    raise ValueError("scripts cannot be read from %s, only from file, http and https" % kind)


def source_of(action):
    """Finds the program text in the action."""
    code = action.get("code")
    for key in ("code_b64", "code_base64"):
        if code is None and action.get(key) is not None:
            import base64
            code = base64.b64decode(action[key]).decode("utf-8")
    for key in ("script", "file"):
        if code is None and action.get(key):
            code = read_script(action[key])
    if not isinstance(code, str) or not code.strip():
        raise ValueError("the python task has no code")
    return code


class Rest:
    """What a program without a value of its own has defined."""

    def __init__(self, names):
        self.names = names


def body_function(text, name, names):
    """
    Makes a program with a return outside of functions the body of one.  Its input are
    parameters, because a name that a body assigns is otherwise unknown before that.
    """
    import ast

    def end_of_body():
        return ast.parse("return __noetl_rest__(locals())").body[0]

    class Returns(ast.NodeTransformer):
        def skip(self, node):
            return node

        visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = skip

        def visit_Return(self, node):
            return ast.copy_location(end_of_body(), node) if node.value is None else node

    tree = ast.parse(text, name)
    declared = {global_name for node in ast.walk(tree) if isinstance(node, ast.Global)
                for global_name in node.names}
    body = ast.parse("def __noetl_body__(%s): pass" % ", ".join(
        parameter for parameter in names if parameter not in declared))
    body.body[0].body = Returns().visit(tree).body + [end_of_body()]
    return ast.fix_missing_locations(body)


def missing_result(code):
    """Says why a program that only defines names gives no result; None: it does something."""
    import ast
    functions = []
    for node in ast.parse(dedented(code)).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions.append(node.name)
        elif isinstance(node, ast.Assign):
            if not all(isinstance(target, (ast.Name, ast.Tuple)) for target in node.targets):
                return None
        elif isinstance(node, ast.If) and any(
                isinstance(name, ast.Name) and name.id == "__name__" for name in ast.walk(node.test)):
            continue        # a task is no program that is started as __main__
        elif not (isinstance(node, (ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass)) or
                  isinstance(node, ast.Expr) and isinstance(node.value, (ast.Constant, ast.Name))):
            return None
    if functions:
        return "nothing calls its function %s(); a function that is to be called is named main" \
            % functions[-1]
    return "it has no function main, assigns no variable result and returns nothing"


def dedented(code):
    """Returns a program without the indentation that all of its lines have."""
    if next(line for line in code.splitlines() if line.strip())[0] not in " \t":
        return code
    import textwrap
    return textwrap.dedent(code)


def compile_code(code, step, names):
    """
    Compiles a program once.  names are those of its input, which count when it is
    written as the body of a function.  linecache lets tracebacks show its lines.
    """
    name = "<step %s>" % step
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    program = compiled.get((name, code)) or compiled.get((name, code, names))
    if program is None:
        if len(compiled) >= MAX_CACHED:
            compiled.clear()
        text = dedented(code)
        try:
            program = compiled[name, code] = compile(text, name, "exec", dont_inherit=True)
        except SyntaxError as error:
            if "'return' outside function" not in str(error):
                raise
            tree = body_function(text, name, names)
            program = compiled[name, code, names] = compile(tree, name, "exec", dont_inherit=True)
    return program


class StepValue(dict):
    """
    The value of a step.  A member that it does not have is looked for as templates
    do: in its data; data and result are the value itself.
    """

    def __missing__(self, key):
        data = dict.get(self, "data")
        if "status" in self and isinstance(data, dict) and key in data:
            return data[key]
        if key in ("data", "result"):
            return self
        if key == "status":
            return "success"
        raise KeyError(key)

    def get(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            return default


def context_of(request, data):
    """Puts together what templates of the step see: the workload, steps, the input."""
    given = request.get("context") or {}
    workload = given.get("workload") or {}
    steps = {name: StepValue(value) if isinstance(value, dict) else value
             for name, value in (given.get("results") or {}).items()}
    context = dict(workload) if isinstance(workload, dict) else {}
    context.update((k, v) for k, v in given.items() if k[:1] != "_")
    context.update(steps, results=steps, workload=workload, execution_id=request["execution_id"])
    context.update(data)
    return context


def bind_by_name(main, data):
    """
    Returns the input of a plain function all of whose parameters have a value of their
    name in the input; None: bind() has to look at the signature, which takes its time.
    """
    if type(main) is not types.FunctionType or main.__dict__:
        return None
    code = main.__code__
    if code.co_flags & TAKES_MORE or \
            getattr(code, "co_posonlyargcount", 0):
        return None
    try:
        return {name: data[name]
                for name in code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]}
    except KeyError:
        return None


def bind(main, data, context):
    """Matches the input, and what is called context, with the parameters of main."""
    by_name = bind_by_name(main, data)
    if by_name is not None:
        return (), by_name
    import inspect
    try:
        parameters = inspect.signature(main).parameters.values()
    except (TypeError, ValueError):
        return (), dict(data)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    first = [p for p in parameters if p.kind == p.POSITIONAL_ONLY]
    takes_all = any(p.kind == p.VAR_KEYWORD for p in parameters)
    known = first + named
    texts = getattr(getattr(main, "__code__", None), "co_consts", ())
    if "context" not in data and (any(p.name == "context" for p in known) or
                                  takes_all and "context" in texts):
        data = dict(data, context=context)
    if len(known) == 1 and not takes_all and known[0].name not in data:
        only = known[0]
        if only.default is only.empty or (data and only.name in WHOLE_INPUT_NAMES):
            return ((), {only.name: data}) if named else ((data,), {})
    missing = [p.name for p in known if p.default is p.empty and p.name not in data]
    if missing:
        raise TypeError("main() is missing the input %s (the input has: %s)"
                        % (", ".join(map(repr, missing)),
                           ", ".join(map(repr, data)) or "nothing"))
    args = []
    for p in first:
        if p.name not in data:
            break
        args.append(data[p.name])
    names = {p.name for p in named}
    used = {p.name for p in first}
    return args, {k: v for k, v in data.items()
                  if k in names or (takes_all and k not in used)}


async def awaited(value):
    """Makes a coroutine of anything awaitable, which asyncio.run wants."""
    return await value


async def collected(values):
    """Makes a list of what an asynchronous generator yields."""
    return [value async for value in values]


def call(main, data, context):
    """Calls main, and awaits it when it is asynchronous."""
    args, kwargs = bind(main, data, context)
    value = main(*args, **kwargs)
    if hasattr(value, "__await__"):
        import asyncio
        value = asyncio.run(awaited(value))
    elif hasattr(value, "__aiter__"):
        import asyncio
        value = asyncio.run(collected(value))
    return value


def run_program(program, space, variables):
    """Executes a program and returns its value, or the Rest of it."""
    exec(program, space)
    body = space.pop("__noetl_body__", None)
    if body is None:
        return Rest(space)
    taken = body.__code__.co_varnames[:body.__code__.co_argcount]
    value = body(**{name: variables[name] for name in taken})
    return list(value) if isinstance(value, types.GeneratorType) else value


def run_code(request):
    """Runs one program in a module of its own and returns its value."""
    action = request["action"]
    step = request["step"]
    data = action.get("data")
    if data is None:
        data = {}
    elif not isinstance(data, dict):
        data = {"input": data}
    code = source_of(action)
    context = context_of(request, data)
    variables = {"input_data": data, "context": context}
    variables.update((k, v) for k, v in data.items() if k.isidentifier() and not iskeyword(k))
    variables.update(execution_id=request["execution_id"], step=step)
    program = compile_code(code, step, tuple(sorted(variables)))
    module = types.ModuleType("noetl_task")
    sys.modules["noetl_task"] = module
    space = module.__dict__
    for name in READY_MODULES:
        if name in code:
            space[name] = __import__(name)
    if "noetl_progress" in code:
        space["noetl_progress"] = noetl_progress
    has_main = "main" in program.co_names and any(
        getattr(c, "co_name", None) == "main" for c in program.co_consts)
    space.update((k, v) for k, v in variables.items()
                 if not has_main or k not in data or k in ("execution_id", "step"))
    space["__noetl_rest__"] = Rest
    try:
        value = run_program(program, space, variables)
        if not isinstance(value, Rest):
            return value
        space = value.names
        if callable(space.get("main")):
            return call(space["main"], data, context)
        reason = missing_result(code) if "result" not in space else None
        if reason is not None:
            raise RuntimeError("the program gives no result: " + reason)
    except SystemExit as e:
        if e.code not in (None, 0):
            raise
    return space.get("result")


def place_of(trace):
    """Says where in the program an exception has left it: its innermost line."""
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.startswith("<step "):
            name = code.co_name
            place = " (line %d%s)" % (trace.tb_lineno, "" if name[0] in "<_" and
                                      name in ("<module>", "__noetl_body__") else ", in " + name)
        trace = trace.tb_next
    return place


def failure(error):
    """Describes an exception, without the frames of this driver."""
    import traceback
    here = run_code.__code__.co_filename
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == here:
        trace = trace.tb_next
    text = str(error)
    message = (type(error).__name__ + (": " + text if text else ""))[:MAX_ERROR]
    message += place_of(trace)
    lines = "".join(traceback.format_exception(type(error), error, trace))
    return message, to_json({"status": "error", "error": message.replace("\0", "?"),
                             "traceback": lines[-MAX_TRACEBACK:].replace("\0", "?")})


def thread_count():
    """Counts threads, of which there are others only where threading is imported."""
    threading = sys.modules.get("threading")
    return threading.active_count() if threading else 1


def answer_to(frame, home, environment):
    """Runs a task; leaves the process as it was, as far as that goes."""
    threads = thread_count()
    streams = sys.stdin, sys.stdout, sys.stderr
    path = list(sys.path)
    owner = os.getpid()
    try:
        kind, error, body = b"S", "", to_json(run_code(json.loads(frame)))
    except BaseException as e:
        kind = b"F"
        try:
            error, body = failure(e)
        except BaseException as worse:
            error = type(e).__name__ + " (and no details: " + type(worse).__name__ + ")"
            body = to_json({"status": "error", "error": error})
    for stream in (sys.stdout, sys.stderr) + streams[1:]:
        try:
            stream.flush()
        except Exception:
            pass
    if os.getpid() != owner:
        os._exit(0)             # a fork of the task came back here
    sys.stdin, sys.stdout, sys.stderr = streams
    sys.path[:] = path
    recycle = thread_count() > threads or sys.stdout.closed or sys.stderr.closed
    try:
        if os.getcwd() != home:
            os.chdir(home)
    except OSError:
        recycle = True
    if os.environ is not own_environment or kept_environment != environment[0]:
        os.environ = own_environment
        os.environ.clear()
        os.environ.update(environment[1])
    return kind, recycle, error, body


def serve():
    """Answers one request after the other."""
    os.set_inheritable(CHANNEL, False)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.argv = ["noetl-worker"]
    home = os.getcwd()
    environment = dict(kept_environment), dict(os.environ)
    write_answer(b"H", False, "", sys.version.split()[0].encode())
    while True:
        size, = struct.unpack("!I", read_exactly(4))
        write_answer(*answer_to(read_exactly(size), home, environment))


if sys.version_info < (3, 7):
    sys.exit("python tasks need python 3.7 or later")
serve()
