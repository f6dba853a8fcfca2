/** `labman tunnel …`: what the running node tells, and its keys on disk. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfigFile } from '@labmesh/kit/config-file';
import { silentLogger } from '@labmesh/kit/log';
import { writePrivateFile } from '@labmesh/kit/saved-file';
import { rpPrivateDirectory } from '@labmesh/rosenpass/formats/rp-directory';
import { checkPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { readRosenpassKeys, writeRosenpassKeys } from '@labmesh/tunnel/keys/rosenpass-keys';
import { StepPool } from '@labmesh/tunnel/steps/step-pool';
import { groupedFingerprint, peerLine, tunnelText } from '@labmesh/tunnel/tunnel-text';
import { generateWireguardKeys, loadWireguardKeys } from '@labmesh/tunnel/keys/wireguard-keys';
import { exchangeResultSchema, tunnelViewSchema } from '@labmesh/wire/tunnel';
import { z } from 'zod';
import { readLabmanConfig } from '../labman-config.ts';
import { type TunnelPaths, tunnelPaths } from '../tunnel/tunnel-paths.ts';
import { askLabmand, LabmandError } from './ask-labmand.ts';
import type { LabmanFlags } from './labman-options.ts';

export type Verb = (call: {
  flags: LabmanFlags;
  words: readonly string[];
  print: (text: string) => void;
}) => Promise<number>;

const okSchema = z.object({ ok: z.literal(true) });
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** Where this node's keys are, by its settings if there are any. */
async function pathsOf({ config, stateDir }: LabmanFlags): Promise<TunnelPaths> {
  const usual = '/etc/labman/labman.toml';
  const path = config ?? (existsSync(usual) ? usual : undefined);
  const settings =
    path === undefined ? undefined : readLabmanConfig(await readConfigFile(path), { warn: () => undefined });
  const none = { privateKeyPath: undefined, publicKeyPath: undefined };
  return tunnelPaths(settings?.tunnel ?? { keys: none, rosenpass: none }, stateDir);
}

const status: Verb = async ({ flags, print }) => {
  const view = await askLabmand(flags.socket, { path: '/tunnel', output: tunnelViewSchema });
  print(flags.json ? json(view) : tunnelText(view, Date.now()));
  return flags.check && !view.peers.every(({ pq }) => pq === 'active') ? 1 : 0;
};

const exchange: Verb = async ({ flags, print }) => {
  const call = { path: '/tunnel/exchange', method: 'POST', output: exchangeResultSchema } as const;
  const done = await askLabmand(flags.socket, call);
  if (flags.json) print(json(done));
  else print(done.ok ? `done in ${done.tookMs} ms: ${peerLine(done.peer, Date.now())}\n` : `failed: ${done.error}\n`);
  return done.ok ? 0 : 1;
};

/** K5: the operator has compared the fingerprint. */
const trust: Verb = async ({ flags, words: [key], print }) => {
  if (key === undefined) throw new LabmandError('labman tunnel trust SHA256: the fingerprint is missing', 2);
  await askLabmand(flags.socket, { path: '/tunnel/trust', method: 'POST', body: { key }, output: okSchema });
  print('the hub may show that key from its next registration on\n');
  return 0;
};

const fingerprint: Verb = async ({ flags, words: [file], print }) => {
  const paths = await pathsOf(flags);
  const publicKey = new Uint8Array(readFileSync(file ?? paths.rosenpass.publicKeyPath));
  checkPublicKey(publicKey);
  const sha256 = fingerprintOf(publicKey);
  const wireguard =
    file === undefined ? Buffer.from(loadWireguardKeys(paths.wireguard).publicKey).toString('base64') : undefined;
  if (flags.json)
    print(json({ rosenpassSha256: sha256, ...(wireguard !== undefined && { wireguardPublicKey: wireguard }) }));
  else print(`${groupedFingerprint(sha256)}\n${sha256}\n${wireguard === undefined ? '' : `WireGuard ${wireguard}\n`}`);
  return 0;
};

const keygen: Verb = async ({ flags, print }) => {
  const paths = await pathsOf(flags);
  const isThere = existsSync(paths.rosenpass.privateKeyPath) || existsSync(paths.wireguard.privateKeyPath);
  if (isThere && !flags.force) {
    throw new LabmandError(
      `${paths.rosenpass.privateKeyPath} is there already; --force replaces it, and every hub must trust the new one`,
      8,
    );
  }
  mkdirSync(flags.stateDir, { recursive: true, mode: 0o700 });
  await using pool = new StepPool({ workers: 1, keysDir: paths.keysDir, cacheBytes: 0, log: silentLogger });
  const pair = await pool.generate();
  const wireguard = generateWireguardKeys();
  writePrivateFile(paths.wireguard.privateKeyPath, `${Buffer.from(wireguard.privateKey).toString('base64')}\n`);
  loadWireguardKeys(paths.wireguard);
  writeRosenpassKeys(paths.rosenpass, pair);
  return await fingerprint({ flags, words: [], print });
};

/** X8: into a folder that only its owner enters. */
const exportKeys: Verb = async ({ flags, print }) => {
  const { out, format } = flags;
  if (out === undefined) throw new LabmandError('labman tunnel export --out DIR: the folder is missing', 2);
  if (existsSync(out)) throw new LabmandError(`${out} is there already; name a folder that is not`, 8);
  if (format !== 'rp')
    throw new LabmandError(
      'of a node only --format rp is exported: its keys; `labctl tunnel export` has the hub’s peers',
      2,
    );
  const paths = await pathsOf(flags);
  const pair = readRosenpassKeys(paths.rosenpass);
  if (pair === undefined) throw new LabmandError('there are no keys yet; `labman tunnel keygen` makes them', 5);
  const wireguard = loadWireguardKeys(paths.wireguard);
  mkdirSync(out, { mode: 0o700 });
  const files = rpPrivateDirectory({
    wireguardPrivateKey: wireguard.privateKey,
    rosenpassSecretKey: pair.secretKey,
    rosenpassPublicKey: pair.publicKey,
  });
  for (const [name, content] of files) writePrivateFile(join(out, name), content);
  pair.secretKey.fill(0);
  print(`${out}: ${[...files.keys()].join(', ')}\n`);
  return 0;
};

/** By the word after `labman tunnel`. */
export const tunnelVerbs: Readonly<Record<string, Verb>> = {
  status,
  exchange,
  trust,
  fingerprint,
  keygen,
  export: exportKeys,
};
