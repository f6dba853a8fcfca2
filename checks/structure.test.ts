import { describe, expect, test } from 'bun:test';
import { cycles, type Edge, edges } from './imports.ts';
import { files, parseSource, sources } from './sources.ts';
import { badNames, bannedConstructs, barrel } from './structure.ts';

const sourcesMin = 60;

/** Tools that load their settings by default export. */
const defaultExportAllowed: readonly string[] = [];

describe('structure', () => {
  test('the scan saw the tree', () => expect(sources().length).toBeGreaterThan(sourcesMin));

  test('every file parses', () => {
    expect(sources().flatMap((source) => source.errors.map((error) => `${source.path}: ${error}`))).toEqual([]);
  });

  test('every import leads somewhere, by a name that can be read', () => {
    const lost = edges().filter(
      (edge) => edge.kind === 'unresolved' || (edge.kind === 'opaque' && !observed(edge.from)),
    );
    expect(lost.map((edge) => `${edge.from}:${edge.line}: import of '${edge.specifier}' (${edge.kind})`)).toEqual([]);
  });

  test('no import cycles', () => expect(cycles(edges()).map((way) => way.join(' > '))).toEqual([]));

  test('only tests import what stands in a testing folder', () => {
    const shipped = edges().filter(
      (edge) => edge.to.includes('/testing/') && !edge.from.includes('/testing/') && !observed(edge.from),
    );
    expect(shipped.map((edge) => `${edge.from}:${edge.line}: imports ${edge.to}`)).toEqual([]);
  });

  test('no barrels', () => expect(sources().flatMap(barrel)).toEqual([]));

  test('no default exports, enums, namespaces, decorators, tests held back', () => {
    const checked = sources().filter((source) => !defaultExportAllowed.includes(source.path));
    expect(checked.flatMap(bannedConstructs)).toEqual([]);
  });

  test('file and folder names', () => expect(files().flatMap(badNames)).toEqual([]));
});

/** Tests and tools may load what they are told to. */
function observed(path: string): boolean {
  return /^(?:tests|bench|tools|checks)\//.test(path) || path.endsWith('.test.ts');
}

describe('the rules themselves', () => {
  const banned = (text: string) => bannedConstructs(parseSource('packages/kit/src/x.ts', text));

  test.each([
    ['export default 1;', 'default export'],
    ["export { default } from './y.ts';", 'default export'],
    ['const a = 1;\nexport { a as default };', 'default export'],
    ['\nenum A { B }', ':2: enum'],
    ['namespace A { export const b = 1 }', 'namespace'],
    ['@d class A {}', 'decorator'],
    ["test.only('x', () => {});", 'only'],
    ["describe.skip('x', () => {});", 'skip'],
    ["await expect(a()).rejects.toThrow('x');", 'rejects'],
    ['await expect(a()).resolves.toBe(1);', 'resolves'],
  ])('%p is found', (text, what) => expect(banned(text).join()).toContain(what));

  test('ordinary code is not', () => {
    expect(
      banned("export const a = 1;\nexport type B = string;\ntest.skipIf(!a)('x', () => {});\nexpect(await a).toBe(1);"),
    ).toEqual([]);
  });

  test('barrels', () => {
    const found = (text: string) => barrel(parseSource('packages/kit/src/x.ts', text)).length;
    expect(found("export * from './a.ts';\nexport { b } from './b.ts';")).toBe(1);
    expect(found("import { a } from './a.ts';\nexport { a };")).toBe(1);
    expect(found("export { b } from './b.ts';\nexport const c = 1;")).toBe(0);
    expect(found("import './a.ts';")).toBe(0);
  });

  test('cycles', () => {
    const edge = (from: string, to: string): Edge => ({
      from,
      to,
      kind: 'file',
      line: 1,
      specifier: '',
      typeOnly: false,
    });
    expect(cycles([edge('a', 'b'), edge('b', 'c'), edge('c', 'b')])).toEqual([['b', 'c', 'b']]);
    expect(cycles([edge('a', 'b'), edge('b', 'c'), edge('a', 'c')])).toEqual([]);
  });

  test.each([
    'packages/kit/src/utils/a.ts',
    'packages/kit/src/camelCase.ts',
    'packages/kit/src/relay-v2.ts',
    'tests/helpers/a.ts',
    'daemons/gateway/src/legacy/a.ts',
  ])('%s is a bad name', (path) => expect(badNames(path)).toHaveLength(1));

  test.each(['packages/kit/src/http/serve.test.ts', 'models/tiny/pack.mjs', 'tests/gateway/stream.test.ts'])(
    '%s is a good name',
    (path) => expect(badNames(path)).toEqual([]),
  );
});
