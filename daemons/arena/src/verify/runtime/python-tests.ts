/** Runs inside the sandbox: the answer's own tests, by pytest when it is there, else by unittest. Writes `NONCE JSON`. */
export const pythonTests = String.raw`
import json, os, sys, types, unittest

def by_pytest(pytest):
    seen = {}
    class Count:
        def pytest_runtest_logreport(self, report):
            ok = report.outcome == 'passed'
            seen[report.nodeid] = seen.get(report.nodeid, True) and ok
        def pytest_collectreport(self, report):
            if report.failed:
                seen[report.nodeid] = False
    sys.path.insert(0, '/tmp')
    pytest.main(['-q', '-p', 'no:cacheprovider', '--rootdir=/tmp', '/tmp/answer.py'], plugins=[Count()])
    return {'tool': 'pytest', 'passed': sum(seen.values()), 'total': len(seen)}

def by_unittest():
    with open('/tmp/answer.py', encoding='utf-8') as file:
        code = file.read()
    module = types.ModuleType('answer')
    module.__file__ = '/tmp/answer.py'
    sys.modules['answer'] = module
    exec(compile(code, '/tmp/answer.py', 'exec', dont_inherit=True), module.__dict__)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    for name, one in list(module.__dict__.items()):
        if name.startswith('test') and type(one) is types.FunctionType and one.__code__.co_argcount == 0:
            suite.addTest(unittest.FunctionTestCase(one))
    total = suite.countTestCases()
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(suite)
    bad = len(result.failures) + len(result.errors) + len(result.skipped) + len(result.unexpectedSuccesses)
    return {'tool': 'unittest', 'passed': max(0, total - bad), 'total': total}

def main(dumps, write, leave):
    out = os.dup(1)
    os.dup2(2, 1)
    nonce = sys.stdin.read()
    try:
        import pytest
    except ImportError:
        pytest = None
    try:
        body = dumps({'value': by_pytest(pytest) if pytest else by_unittest()})
    except BaseException:
        body = dumps({'fault': 'raised', 'text': ''})
    line = (nonce + ' ' + body + '\n').encode('ascii')
    while line:
        line = line[write(out, line):]
    leave(0)

main(json.dumps, os.write, os._exit)
`;
