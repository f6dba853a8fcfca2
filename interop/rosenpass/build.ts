import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, folderOf, goRosenpass, rosenpassVersions } from './programs.ts';

/** Builds the other programs into the cache, one job at a time and last in the queue of the processor: see README.md. */
const needed = ['cargo', 'go', 'cmake', 'clang', 'pkg-config'];

async function run(command: readonly string[], folder: string): Promise<void> {
  console.log(`$ ${command.join(' ')}`);
  const child = Bun.spawn(['nice', '-n', '15', ...command], { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')}: ended with ${child.exitCode}`);
}

/** Its lock file names liboqs 0.8 (crate oqs-sys), the version that fixed the encoding of every release. */
async function buildRosenpass(version: string): Promise<void> {
  const folder = folderOf('rosenpass', version);
  mkdirSync(folder, { recursive: true });
  const target = join(cacheFolder, 'target');
  const where = ['--root', folder, '--target-dir', target];
  await run(['cargo', 'install', 'rosenpass', '--version', version, '--locked', '-j1', ...where], folder);
}

/** `go install` refuses a module with replacements, so a module of its own repeats them. */
async function buildGoRosenpass(): Promise<void> {
  const { version, replace } = goRosenpass;
  const folder = folderOf('go-rosenpass', version);
  mkdirSync(folder, { recursive: true });
  const lines = ['module interop', 'go 1.21', `require cunicu.li/go-rosenpass v${version}`, `replace ${replace}`];
  writeFileSync(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  await run(['go', 'build', '-p', '1', '-mod=mod', '-o', 'go-rosenpass', 'cunicu.li/go-rosenpass/cmd'], folder);
}

const missing = needed.filter((name) => Bun.which(name) === null);
if (missing.length > 0) {
  console.log(
    `missing: ${missing.join(', ')}; on Debian: apt-get install cmake clang libclang-dev libsodium-dev pkg-config`,
  );
}
const wanted = process.argv.slice(2);
const wants = (name: string) => wanted.length === 0 || wanted.includes(name);
for (const version of rosenpassVersions) if (wants(`rosenpass-${version}`)) await buildRosenpass(version);
if (wants('go-rosenpass')) await buildGoRosenpass();
