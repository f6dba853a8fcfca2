/**
 * Makes the single-file program: `dist/labmesh-linux-x64`, `dist/labmesh-linux-arm64`, and `dist/labmesh` for this
 * machine, with links for its other names. `npm run build -- x64` makes one only.
 *
 * The program holds Bun, the code and the demo model. node-llama-cpp stays outside: it is native, optional, and looked
 * for beside the program at run time.
 */
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { root } from '../checks/sources.ts';

/** `libc`: glibc when absent. */
export type Platform = { name: string; target: string; bunPackage: string; libc?: 'musl' };

const platforms: readonly Platform[] = [
  { name: 'x64', target: 'bun-linux-x64', bunPackage: '@oven/bun-linux-x64' },
  { name: 'arm64', target: 'bun-linux-arm64', bunPackage: '@oven/bun-linux-aarch64' },
];
const host: string = process.arch;

const dist = join(root, 'dist');
/** The program, then the threads that it starts: each is an entry point of its own. */
const entries = [
  'apps/labctl/src/main.ts',
  'packages/tunnel/src/steps/step-worker.ts',
  'packages/wireguard/src/native/tun-waiter.ts',
  'daemons/labd/src/audit/reading/audit-worker.ts',
].map((path) => join(root, path));
const demoModel = 'models/tiny-coder/coder.gguf';
/** Names the program answers to by a link. */
const linkNames = ['labctl', 'labmand', 'labman', 'labd', 'lab-agent', 'lab-arena', 'lab-executor'];

export async function run(command: readonly string[], cwd: string): Promise<void> {
  const status = await Bun.spawn([...command], { cwd, stdio: ['ignore', 'inherit', 'inherit'] }).exited;
  if (status !== 0) throw new Error(`${command.slice(0, 3).join(' ')} … ended with ${status}`);
}

/** The executable of Bun for another platform, from npm: the same version, checked against the registry's hash. */
export async function bunFor({ name, bunPackage, libc }: Platform): Promise<string> {
  const cache = join(root, 'node_modules/.cache/labmesh-build', `${Bun.version}-${name}`);
  const path = join(cache, 'node_modules', bunPackage, 'bin/bun');
  if (existsSync(path)) return path;
  console.log(`fetching ${bunPackage}@${Bun.version} from npm`);
  mkdirSync(cache, { recursive: true });
  const platform = ['--os=linux', `--cpu=${name.replace('-musl', '')}`, `--libc=${libc ?? 'glibc'}`, '--force'];
  const quiet = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await run(['npm', 'install', '--prefix', cache, ...platform, ...quiet, `${bunPackage}@${Bun.version}`], cache);
  if (!existsSync(path)) throw new Error(`${bunPackage}@${Bun.version} holds no bin/bun`);
  return path;
}

async function build(platform: Platform): Promise<string> {
  const outfile = join(dist, `labmesh-linux-${platform.name}`);
  const draft = `${outfile}.tmp`;
  const executable = platform.name === host ? process.execPath : await bunFor(platform);
  await run(
    [
      process.execPath,
      'build',
      '--compile',
      `--target=${platform.target}`,
      `--compile-executable-path=${executable}`,
      '--minify-syntax',
      '--minify-whitespace',
      '--sourcemap=none',
      // A command loads its own code and not that of every daemon: six times faster to start.
      '--splitting',
      '--format=esm',
      // Twice as fast again; made by the Bun that builds, so for its own machine.
      ...(platform.name === host ? ['--bytecode'] : []),
      '--external=node-llama-cpp',
      // Settings of whatever folder it is started in are none of its business; packages there may be the engine.
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      '--compile-autoload-package-json',
      `--asset=${demoModel}`,
      `--outfile=${draft}`,
      ...entries,
    ],
    root,
  );
  renameSync(draft, outfile);
  return outfile;
}

/** The file for this machine under its plain name, and the links to it. */
function nameForHost(outfile: string): void {
  const plain = join(dist, 'labmesh');
  rmSync(plain, { force: true });
  try {
    linkSync(outfile, plain);
  } catch {
    copyFileSync(outfile, plain);
  }
  for (const name of linkNames) {
    rmSync(join(dist, name), { force: true });
    symlinkSync(basename(plain), join(dist, name));
  }
}

/** ELF's machine field: what a cross build must have become. */
export function elfMachine(path: string): string {
  const machine = readFileSync(path).readUInt16LE(18);
  return { 0x3e: 'x64', 0xb7: 'arm64' }[machine] ?? `unknown (${machine})`;
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const unknown = wanted.find((name) => !platforms.some((platform) => platform.name === name));
  if (unknown !== undefined)
    throw new Error(`there is no platform ${unknown}; known are ${platforms.map(({ name }) => name).join(', ')}`);
  mkdirSync(dist, { recursive: true });
  for (const platform of platforms.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const outfile = await build(platform);
    const machine = elfMachine(outfile);
    if (machine !== platform.name) throw new Error(`${outfile} is for ${machine}, not for ${platform.name}`);
    console.log(`dist/${basename(outfile)}: ${Math.round(statSync(outfile).size / 1024 / 1024)} MiB`);
    if (platform.name === host) nameForHost(outfile);
  }
}

if (import.meta.main) await main();
