/** Every run-time dependency and why it is here. A dependency without a reason fails, and so does a reason without one. */
import { closure, edges } from './imports.ts';
import type { Measure } from './ruler.ts';
import { manifests, sources } from './sources.ts';

export const reasons: Readonly<Record<string, string>> = {
  bun: 'the runtime itself, as an npm package, so that `npm ci` is the whole installation',
  'smol-toml': 'reads labmesh.toml: strict TOML 1.0 with positions in its errors; Bun.TOML gives no position',
  '@hono/node-server':
    'turns requests of the mTLS listener into web Requests for Hono; Bun.serve cannot show the peer certificate',
  '@noble/hashes':
    'keyed BLAKE2s and HMAC for WireGuard’s handshake, which the runtime has not; SHA-256 of certificates in a browser',
  '@noble/post-quantum': 'ML-KEM-512 for Rosenpass; the runtime has 768 and 1024 only',
  'hyparquet-writer':
    'writes Parquet exports of preference data, nested columns and all; plain JavaScript, a row group at a time',
  hono: 'routes of labd, made from the operations table',
  kysely: 'one typed SQL for SQLite, PostgreSQL and CockroachDB, with migrations in code and no code generation',
  'openid-client': 'OpenID Connect with any issuer: discovery, PKCE, device code, checks of the id token',
  pg: 'the PostgreSQL driver that Kysely is made for; pools, time-outs and error codes are proven',
  ws: 'WebSockets over the mTLS listener, which the runtime’s own cannot take, and the client that checks a server by its certificate',
  yaml: 'reads and writes ~/.labctl/config.yaml and keeps its comments; -o yaml',
  zod: 'the schemas at the edges: parses configuration, requests and answers into narrow types with named faults',
  '@cfworker/json-schema':
    'JSON Schema 2020-12 as an interpreter: schemas come from clients, and others make code of them at run time',
  '@jitl/quickjs-singlefile-mjs-release-sync':
    'QuickJS as WebAssembly inside JavaScript, so that it is in the single file too: sandbox level L0',
  'quickjs-emscripten-core': 'the typed door to that module, with memory, stack and interrupt limits',
  'markdown-it': 'finds the fenced blocks of an answer as CommonMark has them',
  'libsodium-wrappers':
    'XChaCha20-Poly1305, ChaCha20-Poly1305 and keyed BLAKE2b as WebAssembly inside JavaScript; the runtime has none of them',
  'node-llama-cpp': 'the built-in engine (optional): llama.cpp as a prebuilt library, nothing is fetched at run time',
};

/** The run-time dependencies that package.json files declare (root and workspaces, own packages left out). */
export function declared(): string[] {
  const all = [...manifests().values()].flatMap((one) =>
    Object.keys({ ...one.dependencies, ...one.optionalDependencies }),
  );
  return [...new Set(all)].filter((name) => !name.startsWith('@labmesh/')).toSorted();
}

/** The npm packages that code which runs (no tests) imports, with the first place. */
export function imported(): Map<string, string> {
  // What only tests import stands in `testing`; nothing that ships reaches it.
  const runs = (path: string) => /^(?:packages|daemons|apps)\//.test(path) && !/\.test\.tsx?$|\/testing\//.test(path);
  const found = new Map<string, string>();
  for (const edge of edges()) {
    if (edge.kind !== 'npm' || edge.typeOnly || !runs(edge.from) || found.has(edge.to)) continue;
    found.set(edge.to, `${edge.from}:${edge.line}`);
  }
  return found;
}

/** For each daemon the number of npm packages its imports reach. */
export function daemonDependencies(): Measure[] {
  const daemons = [...manifests().keys()].filter((folder) => folder.startsWith('daemons/'));
  return daemons.map((folder) => {
    const own = sources().filter((source) => source.workspace === folder && !source.test);
    const reached = closure(
      own.map((source) => source.path),
      edges(),
    );
    const names = edges().filter((edge) => edge.kind === 'npm' && !edge.typeOnly && reached.has(edge.from));
    const unique = [...new Set(names.map((edge) => edge.to))].toSorted();
    return { name: 'daemonDependencies', value: unique.length, where: `${folder} (${unique.join(', ')})` };
  });
}
