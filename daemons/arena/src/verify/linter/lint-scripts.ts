/**
 * Parsers that run inside the sandbox, one process for the blocks of all candidates. Each says first that it is there,
 * then a record for each block as soon as it is read: whoever kills the parser is the block after the last record.
 * No text is run: these only parse.
 */

/** stdin: JSON {blocks:[{code}]}; stdout: a JSON line each, the first `{"ready":true}`. */
export const pythonLint = String.raw`
import ast, json, os, sys, warnings

def say(value):
    line = (json.dumps(value) + '\n').encode('ascii')
    while line:
        line = line[os.write(1, line):]

def look(code):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        tree = ast.parse(code, 'answer.py')
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(one.name.split('.')[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split('.')[0])
    return {'error': None, 'imports': sorted(names)[:100], 'warnings': [str(one.message)[:200] for one in caught][:5]}

say({'ready': True})
for block in json.loads(sys.stdin.buffer.read())['blocks']:
    try:
        say(look(block['code']))
    except SyntaxError as fault:
        where = '' if fault.lineno is None else ' (line %d)' % fault.lineno
        say({'error': (type(fault).__name__ + ': ' + str(fault.msg))[:300] + where})
    except BaseException as fault:
        say({'error': (type(fault).__name__ + ': ' + str(fault))[:300]})
`;

/** The same for JavaScript, TypeScript, JSON, YAML and TOML: stdin JSON {blocks:[{language, code}]}. */
export const bunLint = String.raw`
import { readFileSync, writeSync } from 'node:fs';

const say = (value) => {
  let line = Buffer.from(JSON.stringify(value) + '\n');
  while (line.length > 0) line = line.subarray(writeSync(1, line));
};
const loaders = { javascript: 'js', typescript: 'ts', jsx: 'jsx', tsx: 'tsx' };
const data = { json: JSON.parse, yaml: Bun.YAML.parse, toml: Bun.TOML.parse };

const look = ({ language, code }) => {
  if (Object.hasOwn(data, language)) {
    data[language](code);
    return { error: null, imports: [] };
  }
  const transpiler = new Bun.Transpiler({ loader: loaders[language] });
  transpiler.transformSync(code);
  const names = transpiler.scanImports(code).map((one) => one.path);
  return { error: null, imports: [...new Set(names)].slice(0, 100) };
};
const textOf = (fault) => {
  const [first = fault] = fault?.errors ?? [];
  const line = first?.position?.line;
  return String(first?.message ?? first).slice(0, 300) + (line ? ' (line ' + line + ')' : '');
};

say({ ready: true });
for (const block of JSON.parse(readFileSync(0, 'utf8')).blocks) {
  try {
    say(look(block));
  } catch (fault) {
    say({ error: textOf(fault) });
  }
}
`;

/** stdin: the scripts, each ended by a NUL; stdout: `ready`, then exit code and what was said, all ended by NULs. */
export const bashLint = String.raw`
printf 'ready\0'
while IFS= read -r -d '' code; do
  said=$(/bin/bash -n /dev/stdin <<<"$code" 2>&1)
  printf '%d\0%.300s\0' "$?" "$said"
done
`;
