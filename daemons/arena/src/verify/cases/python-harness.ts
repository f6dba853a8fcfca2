/**
 * Runs inside the sandbox, in one process with hostile code: it decides nothing. It reads {nonce, entry, args} from stdin,
 * calls the answer's function once and writes one line `NONCE JSON` to what was stdout; whatever the answer prints goes to
 * stderr. The answer may read and change all of this. What it cannot do is know what the host will compare with.
 */
export const pythonHarness = String.raw`
import json, math, os, sys, types

def decode(v):
    if type(v) is list:
        return [decode(x) for x in v]
    if type(v) is not dict:
        return v
    if len(v) == 1:
        k, x = next(iter(v.items()))
        if k == '$f':
            return float(x)
        if k == '$i':
            sys.set_int_max_str_digits(0)
            return int(x)
        if k == '$set':
            return set(decode(y) for y in x)
    return {(k[1:] if k.startswith('$$') else k): decode(x) for k, x in v.items()}

def key_of(k):
    if isinstance(k, str):
        k = str.__str__(k)
        return '$' + k if k.startswith('$') else k
    if k is None or k is True or k is False:
        return {None: 'null', True: 'true', False: 'false'}[k]
    if isinstance(k, int):
        return int.__repr__(k)
    if isinstance(k, float):
        return float.__repr__(k)
    raise TypeError('key')

def encode(v, depth=0):
    if v is None or v is True or v is False:
        return v
    if depth > 60:
        raise TypeError('depth')
    if isinstance(v, str):
        return str.__str__(v)
    if isinstance(v, int):
        i = int.__add__(v, 0)
        return i if -9007199254740991 <= i <= 9007199254740991 else {'$i': int.__repr__(i)}
    if isinstance(v, float):
        f = float.__add__(v, 0.0)
        if f != f:
            return {'$f': 'nan'}
        if f in (math.inf, -math.inf):
            return {'$f': 'inf' if f > 0 else '-inf'}
        return f
    for kind in (list, tuple):
        if isinstance(v, kind):
            return [encode(x, depth + 1) for x in kind.__iter__(v)]
    for kind in (set, frozenset):
        if isinstance(v, kind):
            return {'$set': [encode(x, depth + 1) for x in kind.__iter__(v)]}
    if isinstance(v, dict):
        out = {}
        for k, x in dict.items(v):
            k = key_of(k)
            if k in out:
                raise TypeError('two keys of one name')
            out[k] = encode(x, depth + 1)
        return out
    raise TypeError('no plain data')

def main(dumps, write, leave):
    out = os.dup(1)
    os.dup2(2, 1)
    task = json.loads(sys.stdin.buffer.read())
    os.close(0)
    os.open('/dev/null', os.O_RDONLY)
    sys.stdin = open(0, 'r')
    why, text, value = 'load', '', None
    try:
        with open('/tmp/answer.py', encoding='utf-8') as file:
            code = file.read()
        module = types.ModuleType('answer')
        module.__file__ = '/tmp/answer.py'
        sys.modules['answer'] = module
        exec(compile(code, '/tmp/answer.py', 'exec', dont_inherit=True), module.__dict__)
        why = 'no_entry'
        entry = module.__dict__[task['entry']]
        why = 'raised'
        value = entry(*[decode(x) for x in task['args']])
        if type(value) is types.CoroutineType:
            import asyncio
            value = asyncio.run(value)
        why = 'not_plain'
        sys.set_int_max_str_digits(0)
        body = dumps({'value': encode(value)}, allow_nan=False)
    except BaseException as fault:
        try:
            text = (type(fault).__name__ + ': ' + str(fault))[:200]
        except BaseException:
            pass
        body = dumps({'fault': why, 'text': text})
    line = (task['nonce'] + ' ' + body + '\n').encode('ascii')
    while line:
        line = line[write(out, line):]
    leave(0)

main(json.dumps, os.write, os._exit)
`;
