"""
The python3 process behind tasks of type python.

Frames on descriptor 3, each with a 4-byte length in network order:
  request   JSON {"execution_id", "step", "action"}
  answer    kind (S success, F failure, H hello), r or k (recycle or keep this
            process), 4-byte length of the error text, the error text, JSON

Everything else is the task's: stdout and stderr go to the worker's log,
stdin is empty.
"""
import json
import linecache
import os
import struct
import sys
import types

CHANNEL = 3
MAX_RESULT = 256 * 1024 * 1024
MAX_ERROR = 10000
MAX_TRACEBACK = 100000
MAX_CACHED = 200
WHOLE_INPUT_NAMES = {"input_data", "data", "input", "context", "args", "payload", "params"}

# Directories and URLs below which program text may be read
SCRIPTS = [prefix for prefix in sys.argv[-1].split(",") if prefix]

compiled = {}


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
    """Sends one answer."""
    error = error.encode("utf-8", "replace").replace(b"\0", b"?")
    frame = b"".join((kind, b"r" if recycle else b"k",
                      struct.pack("!I", len(error)), error, body))
    view = memoryview(struct.pack("!I", len(frame)) + frame)
    while view:
        view = view[os.write(CHANNEL, view):]


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
    """Rebuilds a value that json refuses: odd keys, NaN, NUL in texts."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if value != value:
            return "NaN"
        return value if value not in (float("inf"), float("-inf")) else \
            "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
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


def to_json(value):
    """Serialises a result in a form that jsonb accepts."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False,
                          default=to_json_value, separators=(",", ":"))
    except (TypeError, ValueError):
        text = None
    if text is None or "\\u0000" in text:
        text = json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    body = text.encode("utf-8", "replace")
    if len(body) > MAX_RESULT:
        raise ValueError("the result has %d bytes, more than the limit of %d"
                         % (len(body), MAX_RESULT))
    return body


def allowed_script(place):
    """Raises unless --scripts of the worker has a prefix of a file or a URL."""
    for prefix in SCRIPTS:
        if "://" in prefix:
            if place.startswith(prefix.rstrip("/") + "/") and "/../" not in place:
                return
        elif "://" not in place:
            if place.startswith(os.path.realpath(prefix).rstrip("/") + "/"):
                return
    raise PermissionError("script %s is not below what --scripts of the worker names" % place)


def fetch_script(url, source):
    """Reads program text from a URL; a redirect must stay below --scripts too."""
    import urllib.request
    allowed_script(url)
    request = urllib.request.Request(url, headers=source.get("headers") or {})
    with urllib.request.urlopen(request, timeout=source.get("timeout") or 30) as answer:
        allowed_script(answer.geturl())
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
    kind = source.get("type") or ("http" if "://" in path else "file")
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
    raise ValueError("scripts cannot be read from a source of type %s" % kind)


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


def compile_code(code, step):
    """Compiles a program once; linecache lets tracebacks show its lines."""
    name = "<step %s>" % step
    program = compiled.get((name, code))
    if program is None:
        if len(compiled) >= MAX_CACHED:
            compiled.clear()
        first = next(line for line in code.splitlines() if line.strip())
        text = code
        if first[0] in " \t":
            import textwrap
            text = textwrap.dedent(code)
        program = compile(text, name, "exec", dont_inherit=True)
        compiled[(name, code)] = program
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    return program


def bind(main, data):
    """Matches the input with the parameters of main."""
    import inspect
    try:
        parameters = inspect.signature(main).parameters.values()
    except (TypeError, ValueError):
        return (), dict(data)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    first = [p for p in parameters if p.kind == p.POSITIONAL_ONLY]
    takes_all = any(p.kind == p.VAR_KEYWORD for p in parameters)
    known = first + named
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


def call(main, data):
    """Calls main, and awaits it when it is asynchronous."""
    args, kwargs = bind(main, data)
    value = main(*args, **kwargs)
    if hasattr(value, "__await__"):
        import asyncio
        value = asyncio.run(awaited(value))
    return value


def run_code(request):
    """Runs one program in a module of its own and returns its value."""
    action = request["action"]
    step = request["step"]
    data = action.get("data")
    if data is None:
        data = {}
    elif not isinstance(data, dict):
        data = {"input": data}
    program = compile_code(source_of(action), step)
    module = types.ModuleType("noetl_task")
    sys.modules["noetl_task"] = module
    space = module.__dict__
    has_main = "main" in program.co_names and any(
        getattr(c, "co_name", None) == "main" for c in program.co_consts)
    if not has_main:
        space.update((k, v) for k, v in data.items() if k.isidentifier())
    space.update(execution_id=request["execution_id"], step=step)
    if "input_data" not in data:
        space["input_data"] = data
    try:
        exec(program, space)
        main = space.get("main")
        if callable(main):
            return call(main, data)
    except SystemExit as e:
        if e.code not in (None, 0):
            raise
    return space.get("result")


def failure(error):
    """Describes an exception, without the frames of this driver."""
    import traceback
    here = run_code.__code__.co_filename
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == here:
        trace = trace.tb_next
    text = str(error)
    message = type(error).__name__ + (": " + text if text else "")
    lines = "".join(traceback.format_exception(type(error), error, trace))
    message = message[:MAX_ERROR]
    return message, to_json({"status": "error", "error": message,
                             "traceback": lines[-MAX_TRACEBACK:]})


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
    if os.environ != environment:
        os.environ.clear()
        os.environ.update(environment)
    return kind, recycle, error, body


def serve():
    """Answers one request after the other."""
    os.set_inheritable(CHANNEL, False)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.argv = ["noetl-worker"]
    home = os.getcwd()
    environment = dict(os.environ)
    write_answer(b"H", False, "", sys.version.split()[0].encode())
    while True:
        size, = struct.unpack("!I", read_exactly(4))
        write_answer(*answer_to(read_exactly(size), home, environment))


if sys.version_info < (3, 7):
    sys.exit("python tasks need python 3.7 or later")
serve()
