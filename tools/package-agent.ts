/**
 * Makes the packages of lab-agent (AG-11) and the release that labd hands to agents (AG-8), for x64 and arm64, glibc and
 * musl. `bun tools/package-agent.ts x64 --sign-key release.pem` makes one machine's only:
 *
 *     dist/agent/<version>/release/lab-agent-linux-<arch>, .sig   into <data_dir>/releases/<version> of each labd
 *                          lab-agent_<version>_amd64.deb, lab-agent-<version>-1.x86_64.rpm   (glibc)
 *                          lab-agent-<version>-linux-<arch>/      one static folder, with its install.sh
 *
 * `--new-key release.pem` makes a release key and shows its public half, which goes into `agent.release_key` of agents.
 * The key belongs to whoever makes releases, and never to labd.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type ReleaseArch,
  releaseArches,
  releaseFile,
  releaseText,
  releaseVersionField,
} from '@labmesh/wire/fleet/releases';
import manifest from '../daemons/agent/package.json' with { type: 'json' };
import { root } from '../checks/sources.ts';
import { bunFor, elfMachine, type Platform, run } from './build.ts';
import { agentPackage, agentSettings, agentUnit } from './packages/contents.ts';
import { makeDeb } from './packages/deb.ts';
import { makeRpm } from './packages/rpm.ts';

const platforms: Readonly<Record<ReleaseArch, Platform>> = {
  x64: { name: 'x64', target: 'bun-linux-x64', bunPackage: '@oven/bun-linux-x64' },
  arm64: { name: 'arm64', target: 'bun-linux-arm64', bunPackage: '@oven/bun-linux-aarch64' },
  'x64-musl': { name: 'x64-musl', target: 'bun-linux-x64-musl', bunPackage: '@oven/bun-linux-x64-musl', libc: 'musl' },
  'arm64-musl': {
    name: 'arm64-musl',
    target: 'bun-linux-arm64-musl',
    bunPackage: '@oven/bun-linux-aarch64-musl',
    libc: 'musl',
  },
};

const entry = join(root, 'daemons/agent/src/main.ts');

/** `ed25519:` and base64, as `agent.release_key` takes it. */
function publicText(key: KeyObject): string {
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return `ed25519:${der.subarray(-32).toString('base64')}`;
}

function makeKey(path: string): void {
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(path, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flag: 'wx' });
  console.log(
    `${path} is the release key: keep it away from labd, and keep a copy\nrelease_key = "${publicText(privateKey)}"`,
  );
}

function readKey(path: string | undefined): KeyObject | undefined {
  if (path === undefined) return undefined;
  const key = createPrivateKey(readFileSync(path));
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${path} is no Ed25519 key; --new-key makes one`);
  return key;
}

/** One executable that holds Bun and the agent. */
async function compile(arch: ReleaseArch, version: string, outfile: string): Promise<void> {
  const platform = platforms[arch];
  const executable = arch === process.arch ? process.execPath : await bunFor(platform);
  const defines = { LABMESH_VERSION: version, ...(platform.libc !== undefined && { LABMESH_LIBC: platform.libc }) };
  await run(
    [
      process.execPath,
      'build',
      '--compile',
      `--target=${platform.target}`,
      `--compile-executable-path=${executable}`,
      ...Object.entries(defines).flatMap(([name, value]) => ['--define', `${name}=${JSON.stringify(value)}`]),
      '--minify-syntax',
      '--minify-whitespace',
      '--sourcemap=none',
      // Settings of whatever folder it is started in are none of its business.
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      `--outfile=${outfile}`,
      entry,
    ],
    root,
  );
  const machine = elfMachine(outfile);
  if (machine !== arch.replace('-musl', '')) throw new Error(`${outfile} is for ${machine}, not for ${arch}`);
}

/** For machines without a package manager of ours: copied there, then `./install.sh` as root. */
const installText = (version: string) => `#!/bin/sh
set -e
here=$(dirname "$0")
mkdir -p /opt/labmesh/versions/${version} /etc/labmesh
cp "$here/lab-agent" /opt/labmesh/versions/${version}/.lab-agent.tmp
mv -f /opt/labmesh/versions/${version}/.lab-agent.tmp /opt/labmesh/versions/${version}/lab-agent
for link in confirmed current; do
  ln -sfn versions/${version} /opt/labmesh/.$link.tmp
  mv -fT /opt/labmesh/.$link.tmp /opt/labmesh/$link
done
[ -e /etc/labmesh/agent.toml ] || install -m 600 "$here/agent.toml" /etc/labmesh/agent.toml
if [ -d /run/systemd/system ]; then
  install -m 644 "$here/lab-agent.service" /etc/systemd/system/lab-agent.service
  systemctl daemon-reload
fi
`;

function writeFolder(folder: string, program: Uint8Array, version: string, releaseKey: string | undefined): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const files = [
    ['lab-agent', program, 0o755],
    ['lab-agent.service', agentUnit(), 0o644],
    ['agent.toml', agentSettings(releaseKey), 0o600],
    ['install.sh', installText(version), 0o755],
  ] as const;
  for (const [name, content, mode] of files) {
    writeFileSync(join(folder, name), content);
    chmodSync(join(folder, name), mode);
  }
}

async function make(arch: ReleaseArch, version: string, key: KeyObject | undefined): Promise<void> {
  const dist = join(root, 'dist/agent', version);
  const released = join(dist, 'release', releaseFile(arch));
  mkdirSync(join(dist, 'release'), { recursive: true });
  await compile(arch, version, released);
  const program = readFileSync(released);
  const sha256 = new Bun.CryptoHasher('sha256').update(program).digest('hex');
  if (key !== undefined) {
    const signature = sign(null, Buffer.from(releaseText(version, arch, sha256)), key);
    writeFileSync(`${released}.sig`, `${signature.toString('base64')}\n`);
  }
  const releaseKey = key === undefined ? undefined : publicText(key);
  writeFolder(join(dist, `lab-agent-${version}-linux-${arch}`), program, version, releaseKey);
  console.log(
    `dist/agent/${version}/release/${releaseFile(arch)}: ${Math.round(statSync(released).size / 2 ** 20)} MiB`,
  );
  if (arch !== 'x64' && arch !== 'arm64') return;
  const builtAt = Number(process.env['SOURCE_DATE_EPOCH'] ?? Math.floor(Date.now() / 1000));
  const contents = agentPackage({ version, arch, program, releaseKey, builtAt });
  for (const { name, bytes } of [makeDeb(contents), makeRpm(contents)]) {
    writeFileSync(join(dist, name), bytes);
    console.log(`dist/agent/${version}/${name}: ${Math.round(bytes.length / 2 ** 20)} MiB`);
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { version: { type: 'string' }, 'sign-key': { type: 'string' }, 'new-key': { type: 'string' } },
  });
  if (values['new-key'] !== undefined) return makeKey(values['new-key']);
  const unknown = positionals.find((name) => !releaseArches.some((arch) => arch === name));
  if (unknown !== undefined) throw new Error(`there is no machine ${unknown}; known are ${releaseArches.join(', ')}`);
  const version = releaseVersionField.parse(values.version ?? manifest.version);
  const key = readKey(values['sign-key']);
  if (key === undefined) console.log('without --sign-key no agent takes this release as an update');
  for (const arch of releaseArches)
    if (positionals.length === 0 || positionals.includes(arch)) await make(arch, version, key);
}

if (import.meta.main) await main();
