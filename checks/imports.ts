/** The import graph: who imports what, each edge resolved to a file, a built-in module or an npm package. */
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { Visitor } from 'oxc-parser';
import { type Source, files, manifests, sources } from './sources.ts';

export type Edge = {
  from: string;
  line: number;
  specifier: string;
  /** `unresolved`: a file that does not exist; `opaque`: `import(x)` of something that is no string. */
  kind: 'file' | 'builtin' | 'npm' | 'unresolved' | 'opaque';
  /** The file's path, the built-in's name with prefix (`node:fs`, `bun`), the npm package's name, else ''. */
  to: string;
  /** Erased before it runs. */
  typeOnly: boolean;
};

export type World = { paths: ReadonlySet<string>; workspaces: ReadonlyMap<string, string> };

/** The real tree: its paths, and `@labmesh/kit` → `packages/kit`. */
export function realWorld(): World {
  const workspaces = new Map([...manifests()].filter(([folder]) => folder !== '').map(([f, m]) => [m.name, f]));
  return { paths: new Set(files()), workspaces };
}

function resolve(from: string, specifier: string, world: World): Pick<Edge, 'kind' | 'to'> {
  const file = (path: string): Pick<Edge, 'kind' | 'to'> =>
    world.paths.has(path) ? { kind: 'file', to: path } : { kind: 'unresolved', to: '' };
  if (specifier.startsWith('.')) return file(posix.join(posix.dirname(from), specifier));
  const scope = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const folder = world.workspaces.get(scope);
  if (folder !== undefined) return file(`${folder}/src/${specifier.slice(scope.length + 1)}.ts`);
  if (specifier === 'bun' || specifier.startsWith('bun:')) return { kind: 'builtin', to: specifier };
  if (specifier.startsWith('node:')) return { kind: 'builtin', to: specifier };
  return isBuiltin(specifier) ? { kind: 'builtin', to: `node:${specifier}` } : { kind: 'npm', to: scope };
}

type Found = { specifier: string | undefined; at: number; typeOnly: boolean };

function literal(node: { type: string; value?: unknown } | undefined): string | undefined {
  return node?.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined;
}

/** `import(…)`, `require(…)`, `require.resolve(…)`, `new URL('…', import.meta.url)` are all ways to reach a file. */
function callsOf(source: Source): Found[] {
  const found: Found[] = [];
  new Visitor({
    ImportExpression: (node) => found.push({ specifier: literal(node.source), at: node.start, typeOnly: false }),
    TSImportType: (node) => found.push({ specifier: literal(node.source), at: node.start, typeOnly: true }),
    CallExpression: (node) => {
      const callee = node.callee.type === 'MemberExpression' ? node.callee.object : node.callee;
      if (callee.type !== 'Identifier' || callee.name !== 'require') return;
      found.push({ specifier: literal(node.arguments[0]), at: node.start, typeOnly: false });
    },
    NewExpression: (node) => {
      const path = literal(node.arguments[0]);
      if (node.callee.type !== 'Identifier' || node.callee.name !== 'URL' || !/\.m?[tj]s$/.test(path ?? '')) return;
      if (node.arguments[1]?.type === 'MemberExpression') {
        found.push({ specifier: path, at: node.start, typeOnly: false });
      }
    },
  }).visit(source.program);
  return found;
}

/** The edges that leave one file, in order of kind then place. */
export function edgesOf(source: Source, world: World): Edge[] {
  const found: Found[] = callsOf(source);
  for (const one of source.module.staticImports) {
    const typeOnly = one.entries.length > 0 && one.entries.every((entry) => entry.isType);
    found.push({ specifier: one.moduleRequest.value, at: one.start, typeOnly });
  }
  for (const one of source.module.staticExports) {
    const request = one.entries.find((entry) => entry.moduleRequest)?.moduleRequest;
    const typeOnly = one.entries.every((entry) => entry.isType);
    if (request) found.push({ specifier: request.value, at: one.start, typeOnly });
  }
  return found.map(({ specifier, at, typeOnly }) => {
    const base = { from: source.path, line: source.lineAt(at), typeOnly };
    if (specifier === undefined) return { ...base, specifier: '', kind: 'opaque', to: '' };
    return { ...base, specifier, ...resolve(source.path, specifier, world) };
  });
}

let all: Edge[] | undefined;

/** Every edge of the tree. */
export function edges(): Edge[] {
  const world = realWorld();
  all ??= sources().flatMap((source) => edgesOf(source, world));
  return all;
}

/** Edges by the file they leave. */
export function edgesByFile(list: readonly Edge[]): Map<string, Edge[]> {
  return Map.groupBy(list, (edge) => edge.from);
}

/** Every file reached from `starts`, with the path of imports that leads there (first element a start). */
export function closure(starts: readonly string[], list: readonly Edge[]): Map<string, string[]> {
  const leaving = edgesByFile(list);
  const reached = new Map(starts.map((start) => [start, [start]]));
  for (const [path, way] of reached) {
    for (const edge of leaving.get(path) ?? []) {
      if (edge.kind === 'file' && !reached.has(edge.to)) reached.set(edge.to, [...way, edge.to]);
    }
  }
  return reached;
}

/** Groups of files that import each other in a circle, each as a path that ends where it began. */
export function cycles(list: readonly Edge[]): string[][] {
  const leaving = edgesByFile(list);
  const state = new Map<string, 'open' | 'done'>();
  const found: string[][] = [];
  const visit = (path: string, way: string[]) => {
    state.set(path, 'open');
    for (const edge of leaving.get(path) ?? []) {
      if (edge.kind !== 'file') continue;
      if (state.get(edge.to) === 'open') found.push([...way.slice(way.indexOf(edge.to)), edge.to]);
      else if (!state.has(edge.to)) visit(edge.to, [...way, edge.to]);
    }
    state.set(path, 'done');
  };
  for (const path of leaving.keys()) if (!state.has(path)) visit(path, [path]);
  return found;
}
