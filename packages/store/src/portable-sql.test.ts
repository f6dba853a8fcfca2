/** ST-2: words that not all engines know, or not alike, stand in no SQL of ours. Looked for in texts, not in comments. */
import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Glob } from 'bun';
import { parseSync, Visitor } from 'oxc-parser';

const root = join(import.meta.dir, '../../..');

const forbidden: readonly [name: string, pattern: RegExp][] = [
  ['SERIAL', /[(,]\s*"?\w+"?\s+(big|small)?serial[248]?\b/i],
  ['AUTOINCREMENT', /\b(autoincrement|generated\s+(always|by\s+default)\s+as\s+identity|nextval)\b/i],
  ['triggers', /\bcreate\s+(or\s+replace\s+)?(constraint\s+)?trigger\b/i],
  ['LISTEN/NOTIFY', /^\s*(un)?listen\s+["\w*]+\s*;?\s*$|^\s*notify\s+["\w]+\s*(,.*)?;?\s*$|\bpg_notify\b/i],
  ['advisory locks', /\bpg_(try_)?advisory/i],
  ['ILIKE', /\bilike\b|~~\*|\bsimilar\s+to\b/i],
  ['JSON operators', /->>|#>|@>|<@|^->\$?$|\bjsonb?_\w+\s*\(|\bjson_extract\b|::jsonb?\b|\bas\s+jsonb?\b/i],
  ['rowid', /\b_?rowid_?\b/i],
];

/** Forbidden words in the texts of one file, as `path:line: word`. */
function findings(path: string, code: string): string[] {
  const { program } = parseSync(path, code);
  const found: string[] = [];
  const look = (text: string, at: number) => {
    const line = code.slice(0, at).split('\n').length;
    for (const [name, pattern] of forbidden) if (pattern.test(text)) found.push(`${path}:${line}: ${name}`);
  };
  new Visitor({
    Literal: (node) => {
      if (typeof node.value === 'string') look(node.value, node.start);
    },
    TemplateLiteral: (node) => {
      look(node.quasis.map((quasi) => quasi.value.cooked ?? '').join(' x '), node.start);
    },
  }).visit(program);
  return found;
}

test('packages/store and daemons/labd', () => {
  const paths = ['packages/store', 'daemons/labd'].flatMap((folder) =>
    [...new Glob('src/**/*.ts').scanSync({ cwd: join(root, folder), absolute: true })].filter(
      (path) => !path.endsWith('.test.ts'),
    ),
  );
  expect(paths.length).toBeGreaterThan(20);
  const found = paths.flatMap((path) => findings(relative(root, path), readFileSync(path, 'utf8')));
  expect(found).toEqual([]);
});

describe('the search itself', () => {
  const look = (code: string) => findings('x.ts', code);

  test.each([
    "const a = 'create table t (id bigserial primary key)';",
    'const a = `create table t (${x} text, "n" SERIAL)`;',
    "const a = 'id integer primary key autoincrement';",
    "const a = 'CREATE TRIGGER t AFTER INSERT ON s';",
    'await sql`listen changes`.execute(db);',
    "await client.query('NOTIFY changes');",
    'sql`select pg_notify(${a}, ${b})`',
    'sql`select pg_try_advisory_lock(1)`',
    "db.where('name', 'ilike', 'a%')",
    'sql`select facts->>${key} from servers`',
    'sql`select * from servers where labels @> ${a}`',
    "db.ref('facts', '->$')",
    'sql`select json_extract(facts, ${a})`',
    "db.orderBy('rowid')",
  ])('%s is found', (code) => expect(look(code)).toHaveLength(1));

  test.each([
    "const a = 'create table t (id text, serial text not null)';",
    "const key = 'labd.listen';",
    "const hint = 'listen on another port';",
    '// never ilike, never pg_notify',
    "const arrow = 'agent -> labd';",
    "const text = 'notify the operator of it';",
  ])('%s is not', (code) => expect(look(code)).toEqual([]));
});
