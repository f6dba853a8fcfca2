/** The other programs, as built in the cache by build.ts or named by the environment. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { SecretKeyLayout } from '@labmesh/rosenpass/mceliece/secret-key';

export type Program = {
  /** With its version. */
  name: string;
  family: 'rosenpass' | 'go-rosenpass';
  path: string;
  /** Of the secret keys that it reads and writes. */
  layout: SecretKeyLayout;
};

/** Built programs lie outside the tree: it stays free of what others wrote. */
export const cacheFolder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'labmesh-interop');

/** Releases of the crate `rosenpass`. */
export const rosenpassVersions = ['0.2.2', '0.2.3'] as const;

/** Of the module `cunicu.li/go-rosenpass`; its `go.mod` replaces one dependency, which only a main module may do. */
export const goRosenpass = {
  version: '0.4.0',
  replace: 'github.com/cloudflare/circl => github.com/cunicu/circl v0.0.0-20230801113412-fec58fc7b5f6',
} as const;

export const folderOf = (family: Program['family'], version: string) => join(cacheFolder, `${family}-${version}`);

const layouts = { rosenpass: 'pc', 'go-rosenpass': 'r4' } as const;

const program = (family: Program['family'], version: string, path: string): Program => {
  return { name: `${family} ${version}`, family, path, layout: layouts[family] };
};

/** What the environment names: `ROSENPASS_BIN`, `GO_ROSENPASS_BIN`. */
export function namedPrograms(): Program[] {
  const { ROSENPASS_BIN: rosenpass, GO_ROSENPASS_BIN: go } = process.env;
  return [
    ...(rosenpass === undefined ? [] : [program('rosenpass', 'as named', rosenpass)]),
    ...(go === undefined ? [] : [program('go-rosenpass', 'as named', go)]),
  ];
}

/** What was built. */
export function builtPrograms(): Program[] {
  const built = [
    ...rosenpassVersions.map((version) => {
      return program('rosenpass', version, join(folderOf('rosenpass', version), 'bin/rosenpass'));
    }),
    program('go-rosenpass', goRosenpass.version, join(folderOf('go-rosenpass', goRosenpass.version), 'go-rosenpass')),
  ];
  return built.filter(({ path }) => existsSync(path));
}
