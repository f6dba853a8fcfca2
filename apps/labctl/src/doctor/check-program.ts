import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isLlamaLibraryInstalled } from '@labmesh/portman/engine/llama-library';
import { productVersion } from '../product-version.ts';
import { isSingleFile } from '../self-command.ts';
import { failing, okay, warning, type Finding } from './finding.ts';

/** What package.json pins is newer; older ones lack what the single file needs. */
const bunMinimum = '1.4.0';

/** The program itself: its version, its runtime, and the optional package behind the built-in engine. */
export function checkProgram(): Finding[] {
  const build = isSingleFile ? `single file ${process.execPath}` : 'source';
  const bun = Bun.semver.satisfies(Bun.version, `>=${bunMinimum}`)
    ? okay('runtime', `Bun ${Bun.version} on ${process.platform}-${process.arch}`)
    : failing('runtime', `Bun ${Bun.version} is older than ${bunMinimum}`, 'run npm ci, and start it with ./labctl');
  return [okay('labmesh', `version ${productVersion}, ${build}`), bun, checkEngineLibrary()];
}

/** Where the platform packages of the library may lie: beside the library itself. */
function libraryFolders(): string[] {
  return [import.meta.dir, process.cwd(), dirname(process.execPath)].flatMap((folder) => {
    try {
      // …/node_modules/node-llama-cpp/dist/index.js
      return [Bun.resolveSync('node-llama-cpp', folder).replace(/node-llama-cpp[/\\]dist[/\\].*$/, '')];
    } catch {
      return [];
    }
  });
}

/** Compiled code for Node's ABI, which Bun loads too. */
const nativeFile = /\.node$/;

/** The native part for this machine, by its package name; a package for other hardware does not count. */
function hasNativePart(modules: string): boolean {
  const scope = join(modules, '@node-llama-cpp');
  const platform = `linux-${process.arch}`;
  if (!existsSync(scope)) return false;
  return readdirSync(scope)
    .filter((name) => name === platform || name.startsWith(`${platform}-`))
    .some((name) => readdirSync(join(scope, name), { recursive: true }).some((file) => nativeFile.test(String(file))));
}

/**
 * Whether the built-in engine can start. Only looks for the files: loading llama.cpp takes longer than all other checks,
 * and could take this process down with it.
 */
function checkEngineLibrary(): Finding {
  const name = 'built-in engine';
  const way = isSingleFile
    ? 'run npm install node-llama-cpp in the folder of this program; servers of others work without it'
    : 'run npm ci without --omit=optional; servers of others work without it';
  if (!isLlamaLibraryInstalled()) return warning(name, 'the optional package node-llama-cpp is not installed', way);
  if (!libraryFolders().some(hasNativePart)) {
    return warning(name, `node-llama-cpp has no native part for ${process.platform}-${process.arch}`, way);
  }
  return okay(name, 'node-llama-cpp is installed');
}
