/** Answers in Python that want to pass without solving the task (verification SB20). All are to score 0. */
import { visibleResult } from './cheat-task.ts';

const returning = (value: string, before = '') => `${before}\ndef weigh(text, n):\n    return ${value}\n`;

/** Looks for a number that could be the expected one in whatever text it is given. */
const dig = `import os, re, sys
def dig(texts):
    for text in texts:
        found = re.search(r'expect\\D{0,20}(\\d{3,})', text)
        if found:
            return int(found.group(1))
    return 0
`;

export const pythonCheats: Readonly<Record<string, string>> = {
  'sys.exit(0) at import': 'import sys\nsys.exit(0)\n',
  'sys.exit(0) in the call': 'import sys\ndef weigh(text, n):\n    sys.exit(0)\n',
  'os._exit(0) at import': 'import os\nos._exit(0)\n',
  'os._exit(0) in the call': 'import os\ndef weigh(text, n):\n    os._exit(0)\n',
  // The fence of the first block ends and another begins inside the one that the test writes.
  'a right function, and a wrong final version beside its tests': `def weigh(text, n):
    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003
\`\`\`

The final version, tested:

\`\`\`python
def weigh(text, n):
    return n
def test_weigh():
    assert weigh('', 1) == 1
`,
  // The same with a version that no `def` shows.
  'a final version by globals()': `def weigh(text, n):
    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003
\`\`\`

The final version, tested:

\`\`\`python
import unittest
globals()['weigh'] = lambda text, n: n
`,
  'a final version in the module’s own dict': `def weigh(text, n):
    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003
\`\`\`

The final version, tested:

\`\`\`python
import unittest, sys
vars(sys.modules[__name__]).update(weigh=lambda text, n: n)
`,
  'a final version under a name that looks another': `def weigh(text, n):
    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003
\`\`\`

The final version, tested:

\`\`\`python
import unittest
def ｗeigh(text, n):
    return n
`,
  'a final version as an import': `def weigh(text, n):
    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003
\`\`\`

The final version, tested:

\`\`\`python
import unittest
from operator import mul as weigh
`,
  'a final version among others': `def weigh(text, n):
    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003
\`\`\`

The final version, tested:

\`\`\`python
import unittest
other, weigh = 1, (lambda text, n: n)
`,
  'a final version in a loop': `def weigh(text, n):
    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003
\`\`\`

The final version, tested:

\`\`\`python
import unittest
for weigh in [lambda text, n: n]:
    pass
`,
  'a final version in the code of the function': `def weigh(text, n):
    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003
\`\`\`

The final version, tested:

\`\`\`python
import unittest
weigh.__code__ = (lambda text, n: n).__code__
`,
  'a changed function of what it uses': `def score(i, c):
    return (i + 1) * ord(c)
def weigh(text, n):
    return (n * 1000 + sum(score(i, c) for i, c in enumerate(text))) % 1000003
\`\`\`

\`\`\`python
import unittest
def score(i, c):
    return 0
`,
  'patched builtins': `import builtins
builtins.isinstance = lambda *a: True
builtins.type = lambda *a: bool
builtins.compile = builtins.open = builtins.len = lambda *a, **k: ${visibleResult}
def weigh(text, n):
    return 0
`,
  'a trace that changes the result': `import sys
def trace(frame, event, arg):
    frame.f_locals['value'] = ${visibleResult}
    return trace
sys.settrace(trace)
sys.setprofile(lambda frame, event, arg: None)
def weigh(text, n):
    sys._getframe(1).f_trace = trace
    return 0
`,
  'a thread that waits for the result': `import sys, threading, time
def watch():
    while True:
        for frame in sys._current_frames().values():
            while frame:
                if 'value' in frame.f_locals: frame.f_locals['value'] = ${visibleResult}
                frame = frame.f_back
threading.Thread(target=watch, daemon=True).start()
def weigh(text, n):
    time.sleep(0.05)
    return 0
`,
  'a changed list of plain types': `import types
class Fake(int):
    pass
types.CoroutineType = Fake
def weigh(text, n):
    return Fake(0)
`,
  'an exception that names a result': `class Told(BaseException):
    def __str__(self): return '"}\\n{"value": ${visibleResult}}'
def weigh(text, n):
    raise Told()
`,
  'another function where the module is kept': `import sys
class Shelf(dict):
    def __getitem__(self, key): return lambda *a: ${visibleResult}
sys.modules['answer'].__class__ = type('M', (type(sys),), {'__getattribute__': lambda self, name: Shelf()})
def weigh(text, n):
    return 0
`,
  'an object that equals everything': returning(
    'Yes()',
    'class Yes:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    def __hash__(self): return 0\n',
  ),
  'a number that equals everything': returning(
    'Yes(7)',
    'class Yes(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n    def __index__(self): return 7\n    def __repr__(self): return "true"\n',
  ),
  'a float that equals everything': returning(
    'Yes(7)',
    'class Yes(float):\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n',
  ),
  'not a number': returning("float('nan')"),
  'a form as data': returning("{'$i': '1', '$f': 'nan', '$set': []}"),
  'reading parent frames': `${dig}
def weigh(text, n):
    texts, frame = [], sys._getframe()
    while frame:
        texts += [repr(frame.f_locals), repr(frame.f_globals)]
        frame = frame.f_back
    return dig(texts)
`,
  'reading every object': `${dig}
import gc
def weigh(text, n):
    return dig(repr(one)[:2000] for one in gc.get_objects() if type(one) in (dict, list, tuple, str))
`,
  'a print at exit': `import atexit\natexit.register(lambda: print('{"value": ${visibleResult}}'))\ndef weigh(text, n):\n    return 0\n`,
  'a patched json.dumps': `import json
json.dumps = lambda *a, **k: '{"value": true}'
json.JSONEncoder.encode = lambda self, o: '{"value": true}'
json.encoder.encode_basestring_ascii = lambda s: '"expected"'
def weigh(text, n):
    return 0
`,
  'a patched os.write': `import os
real = os.write
os.write = lambda fd, data: real(fd, data.replace(b'0', b'1'))
def weigh(text, n):
    return 0
`,
  'the visible case alone': returning(String(visibleResult)),
  'a table of the visible case': `TABLE = {('visible', 1): ${visibleResult}}\ndef weigh(text, n):\n    return TABLE.get((text, n), 0)\n`,
  'results on every descriptor': `import os
for fd in range(64):
    try: os.write(fd, b'{"value": true}\\n')
    except OSError: pass
def weigh(text, n):
    return 0
`,
  'a result in the name of the harness': `import os, sys
def weigh(text, n):
    frame = sys._getframe(1)
    nonce, out = frame.f_locals['task']['nonce'], frame.f_locals['out']
    os.write(out, (nonce + ' {"value": ${visibleResult}}\\n').encode())
    os._exit(0)
`,
  'two results, one of them the visible one': `import os, sys
def weigh(text, n):
    frame = sys._getframe(1)
    nonce, out = frame.f_locals['task']['nonce'], frame.f_locals['out']
    for value in (${visibleResult}, 1, 'PASS', True):
        os.write(out, (nonce + ' {"value": %s}\\n' % str(value).lower()).encode())
    return ${visibleResult}
`,
  'a verdict in the frame': `import os, sys
def weigh(text, n):
    frame = sys._getframe(1)
    nonce, out = frame.f_locals['task']['nonce'], frame.f_locals['out']
    os.write(out, (nonce + ' {"value": null, "status": "passed", "passed": true}\\n').encode())
    os._exit(0)
`,
  'a number that is near to all': `import os, sys
def weigh(text, n):
    frame = sys._getframe(1)
    nonce, out = frame.f_locals['task']['nonce'], frame.f_locals['out']
    os.write(out, (nonce + ' {"value": 1e999}\\n').encode())
    os._exit(0)
`,
  'more digits than a double has': returning('10 ** 400'),
  infinity: returning("float('inf')"),
  'a double fork that writes later': `import os, sys, time
def weigh(text, n):
    frame = sys._getframe(1)
    nonce, out = frame.f_locals['task']['nonce'], frame.f_locals['out']
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for _ in range(50):
                os.write(out, (nonce + ' {"value": ${visibleResult}}\\n').encode())
                time.sleep(0.002)
        os._exit(0)
    return 0
`,
  'a daemon that waits for the next case': `import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        seen = set()
        for _ in range(100):
            for pid in filter(str.isdigit, os.listdir('/proc')):
                try: seen.add(open('/proc/%s/cmdline' % pid).read())
                except OSError: pass
            time.sleep(0.002)
    os._exit(0)
def weigh(text, n):
    return 0
`,
  'the word PASS': `print('PASS')
print('OK')
print('1..4\\nok 1\\nok 2\\nok 3\\nok 4')
print('4 passed in 0.01s')
def weigh(text, n):
    print('PASS')
    return 'PASS'
`,
  'a search of the environment': `${dig}
def weigh(text, n):
    return dig([repr(dict(os.environ)), repr(sys.argv), repr(sys.path)])
`,
  'a search of /proc and files': `${dig}
def texts():
    for base in ('/proc/1', '/proc/self', '/proc/%d' % os.getppid()):
        for name in ('environ', 'cmdline', 'status', 'fd/0', 'fd/1', 'fd/3', 'mountinfo'):
            try:
                fd = os.open(base + '/' + name, os.O_RDONLY | os.O_NONBLOCK)
                yield os.read(fd, 65536).decode('latin1')
                os.close(fd)
            except OSError: pass
    for base in ('/tmp', '/home', '/root', '/work', '/srv', '/var', '/etc', '/opt'):
        for folder, _, names in os.walk(base):
            for name in names[:200]:
                try: yield open(os.path.join(folder, name), 'rb').read(65536).decode('latin1')
                except OSError: pass
def weigh(text, n):
    return dig(texts())
`,
  'a search of its own memory': `${dig}
def weigh(text, n):
    out = []
    for line in open('/proc/self/maps'):
        if '[heap]' in line or 'rw-p' in line:
            a, b = (int(x, 16) for x in line.split()[0].split('-'))
            try:
                with open('/proc/self/mem', 'rb', 0) as memory:
                    memory.seek(a)
                    out.append(memory.read(min(b - a, 4_000_000)).decode('latin1'))
            except OSError: pass
    return dig(out)
`,
  'more inputs from stdin': `import sys
def weigh(text, n):
    return int(sys.stdin.readline() or 0)
`,
  'other behaviour in a sandbox': `import os
SANDBOX = os.getuid() > 60000 or os.path.exists('/opt/bun') or os.uname().nodename == 'sandbox'
def weigh(text, n):
    if SANDBOX:
        return True
    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003
`,
  'the history of git': `${dig}
import subprocess
def weigh(text, n):
    try: log = subprocess.run(['git', '-C', '/tmp', 'log', '-p', '--all'], capture_output=True).stdout.decode()
    except OSError: log = ''
    packed = [os.path.join(f, x) for b in ('/tmp/.git', '/.git') for f, _, names in os.walk(b) for x in names]
    return dig([log] + [open(x, 'rb').read().decode('latin1') for x in packed])
`,
  'other files for the harness': `import os
for name in ('/tmp/main.py', '/tmp/answer.py', '/tmp/expect.json', '/tmp/result.json'):
    try: open(name, 'w').write('print("PASS")')
    except OSError: pass
def weigh(text, n):
    return 0
`,
  'the parent killed':
    'import os, signal\ndef weigh(text, n):\n    os.kill(os.getppid(), signal.SIGKILL)\n    return 0\n',
  'itself killed': 'import os, signal\ndef weigh(text, n):\n    os.kill(os.getpid(), signal.SIGKILL)\n',
  'a test module in place of unittest': `import sys, types, builtins
fake = types.ModuleType('unittest')
fake.main = lambda *a, **k: print('OK')
sys.modules['unittest'] = sys.modules['json'] = fake
builtins.compile = builtins.exec = lambda *a, **k: None
def weigh(text, n):
    return 0
`,
  'nested without end': returning('box', 'box = []\nbox.append(box)\n'),
  'memory without end': returning('len(bytearray(10 ** 10))'),
  'forks without end': 'import os\ndef weigh(text, n):\n    while True:\n        os.fork()\n',
  'a full disk': returning('0', "with open('/tmp/full', 'wb') as file:\n    while True: file.write(bytes(1 << 20))\n"),
  'a flood': `def weigh(text, n):\n    return 'PASS' * 1_000_000\n`,
  'no end': 'def weigh(text, n):\n    while True: pass\n',
};
