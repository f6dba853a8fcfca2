/**
 * Completes package-lock.json with the optional packages of platforms that the registry in use does not carry.
 * npm leaves those out of the lock file and then `npm ci` refuses it as incomplete, on every machine. An entry made
 * here holds what is known without fetching: the version its parent pins, and the platform its name tells. It is
 * never installed where the platform differs. Run after each `npm install` that changed the lock file.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Entry = { version?: string; optionalDependencies?: Record<string, string>; [key: string]: unknown };

export type Lock = { packages: Record<string, Entry> };

const systems = new Map(
  'android darwin freebsd netbsd openbsd openharmony linux win32'.split(' ').map((name) => [name, name] as const),
)
  .set('mac', 'darwin')
  .set('win', 'win32')
  .set('windows', 'win32');

const processors = new Map(
  'x64 arm64 arm ia32 riscv64 s390x ppc64 loong64'.split(' ').map((name) => [name, name] as const),
)
  .set('aarch64', 'arm64')
  .set('armv7l', 'arm')
  .set('ppc64le', 'ppc64');

/** The platform a package name tells (`@oxlint/binding-linux-x64-musl`), in the fields of a lock entry, or undefined. */
export function platformOf(name: string): { cpu: string[]; os: string[]; libc?: string[] } | undefined {
  const words = (name.split('/').at(-1) ?? '').split('-');
  const find = (names: ReadonlyMap<string, string>) => words.map((word) => names.get(word)).find(Boolean);
  const [os, cpu] = [find(systems), find(processors)];
  if (os === undefined || cpu === undefined) return undefined;
  const libc = words.includes('musl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : undefined;
  return { cpu: [cpu], os: [os], ...(libc === undefined ? {} : { libc }) };
}

const rank = (field: string) => (field === 'version' ? 0 : 1);

/** Adds the missing entries to a parsed lock file. Gives their names. */
export function completeLock(lock: Lock): string[] {
  const added: string[] = [];
  for (const entry of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const platform = platformOf(name);
      const place = `node_modules/${name}`;
      if (platform === undefined || lock.packages[place] !== undefined || !/^\d/.test(version)) continue;
      const flags = { ...(entry['dev'] === true ? { dev: true } : {}), optional: true };
      const made = Object.entries({ version, ...platform, ...flags });
      // npm sorts the fields, all but the version.
      lock.packages[place] = Object.fromEntries(made.toSorted(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1)));
      added.push(name);
    }
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return added;
}

if (import.meta.main) {
  const file = join(import.meta.dir, '../package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8')) as Lock;
  const added = completeLock(lock);
  if (added.length > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`package-lock.json: ${added.length} platform packages added`);
}
