/**
 * Reads Python inside the sandbox with Python's own parser and names what is dangerous in it (verification BR2). The code
 * is parsed, never run. Names and comments never match: only calls, arguments and assignments do. One JSON line in
 * ({"blocks": [text …]}), one out ({"findings": [[block, rule, line] …]}).
 */
export const auditPython = String.raw`
import ast, json, re, sys

SECRET = re.compile(r'(^|_)(password|passwd|pwd|secret|token|api_?key|private_?key)$', re.I)
found = []
counts = {}

def dotted(node):
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
        return '.'.join(reversed(parts))
    return ''

def built(node):
    """A text that was put together from values."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        return text(node.left) or text(node.right)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == 'format' and text(node.func.value)

def text(node):
    if isinstance(node, ast.BinOp):
        return text(node.left) or text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))

def literal(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) >= 4

class Audit(ast.NodeVisitor):
    def __init__(self, block):
        self.block = block
        self.names = {}

    def add(self, rule, node):
        # Bounded by rule: a thousand of one kind do not push out what another finds.
        counts[rule] = counts.get(rule, 0) + 1
        if counts[rule] <= 60: found.append([self.block, rule, getattr(node, 'lineno', 0)])

    def visit_Import(self, node):
        for one in node.names:
            self.names[one.asname or one.name.split('.')[0]] = one.name if one.asname else one.name.split('.')[0]

    def visit_ImportFrom(self, node):
        for one in node.names:
            self.names[one.asname or one.name] = (node.module or '') + '.' + one.name

    def called(self, func):
        name = dotted(func)
        head, _, rest = name.partition('.')
        full = self.names.get(head, head)
        return full + ('.' + rest if rest else '')

    def visit_Call(self, node):
        name = self.called(node.func)
        if name in ('eval', 'builtins.eval'): self.add('B307', node)
        elif name in ('exec', 'builtins.exec'): self.add('B102', node)
        elif name in ('os.system', 'os.popen'): self.add('B605', node)
        elif re.fullmatch(r'(c?[pP]ickle|_pickle|dill)\.(load|loads|Unpickler)', name): self.add('B301', node)
        elif name in ('yaml.load', 'yaml.load_all', 'yaml.unsafe_load', 'yaml.full_load'):
            loaders = [dotted(word.value) for word in node.keywords if word.arg == 'Loader'] + [dotted(one) for one in node.args[1:2]]
            if not any(one.endswith('SafeLoader') for one in loaders): self.add('B506', node)
        elif re.fullmatch(r'random\.(random|randint|randrange|choice|choices|uniform|triangular|getrandbits)', name): self.add('B311', node)
        for word in node.keywords:
            if word.arg == 'shell' and isinstance(word.value, ast.Constant) and word.value.value is True: self.add('B602', node)
            if word.arg and SECRET.search(word.arg) and literal(word.value): self.add('B105', node)
            if word.arg is None and isinstance(word.value, ast.Call) and dotted(word.value.func) in ('locals', 'globals', 'vars'):
                if isinstance(node.func, ast.Attribute) and node.func.attr == 'format': self.add('format_injection', node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ('execute', 'executemany', 'executescript', 'raw'):
            if node.args and built(node.args[0]): self.add('sql_injection', node)
        self.generic_visit(node)

    def visit_Assign(self, node):
        for target in node.targets:
            name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ''
            if isinstance(target, ast.Subscript) and literal(target.slice): name = target.slice.value
            if name and SECRET.search(name) and literal(node.value): self.add('B105', node)
        self.generic_visit(node)

    def visit_Assert(self, node):
        self.add('B101', node)
        self.generic_visit(node)

sys.setrecursionlimit(5000)
for index, block in enumerate(json.load(sys.stdin)['blocks']):
    try:
        # As bytes, since a file may say in which encoding its code is to be read.
        tree = ast.parse(block['code'].encode('utf-8', 'replace'))
    except SyntaxError:
        # A program that does not parse is never run; a piece has to be readable.
        if block['isProgram']: continue
        raise
    Audit(index).visit(tree)
print(json.dumps({'findings': found}))
`;
