/**
 * Clients of other make at a real hub (tunnel X2, X3, X7): an operator makes keys, lets them in, hands the settings over, and a
 * program that knows nothing of a Conplane runs on exactly those files. One dials the hub, another is dialled by it.
 */
import { thrower } from '@labmesh/wire/testing/errors';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'bun:test';
import { waitFor } from './harness/fleet/look.ts';
import { Daemon, environment, placed } from './harness/start-labd.ts';
import { filesBelow, secretTraces } from './harness/tunnel-daemons/secret-traces.ts';
import { TunnelLab, tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';

const testMs = 300_000;
/** A key pair takes seconds on a loaded machine, an exchange three steps of McEliece. */
const stepMs = 90_000;
const clientPort = 9_998;
/** What a stock client is in our hands: the exchange alone, set up by a rosenpass.toml. */
const clientProgram = new URL('../interop/rosenpass/peer.ts', import.meta.url).pathname;

const missing = tunnelLabMissing('native');
const needs = missing === undefined ? '' : ` (needs ${missing})`;

/** What everybody said and was told, to look for secrets in. */
type Said = string[];

class Client {
  readonly folder: string;
  readonly psk = randomBytes(32);
  readonly #lab: TunnelLab;
  readonly #host: string;

  /** Keys by `labctl tunnel keygen`, beside them the preshared one that both sides know, as `rp` has it. */
  static async make(lab: TunnelLab, host: string, said: Said): Promise<Client> {
    const client = new Client(lab, host);
    said.push(await lab.labctl('tunnel', 'keygen', client.folder));
    for (const folder of [client.folder, client.publicFolder])
      writeFileSync(join(folder, 'psk'), client.psk.toString('base64'), { mode: 0o600 });
    return client;
  }

  private constructor(lab: TunnelLab, host: string) {
    this.#lab = lab;
    this.#host = host;
    mkdirSync(join(lab.folder, 'clients'), { recursive: true });
    this.folder = join(lab.folder, 'clients', host);
  }

  get publicFolder(): string {
    return `${this.folder}.pub`;
  }
  get wireguardKey(): string {
    return readFileSync(join(this.publicFolder, 'wgpk'), 'utf8');
  }
  get secrets(): Record<string, Uint8Array> {
    return { [`psk of ${this.#host}`]: this.psk, [`pqsk of ${this.#host}`]: readFileSync(join(this.folder, 'pqsk')) };
  }

  /** Runs on what `labctl tunnel export` wrote; `change` is what a client's owner changes there. */
  async run(said: Said, change: (toml: string) => string = (toml) => toml): Promise<Daemon> {
    const out = join(this.folder, 'hub');
    said.push(await this.#lab.labctl('tunnel', 'export', this.#host, '--out', out));
    // Paths in the file are as rosenpass has them: of the folder in which it runs.
    writeFileSync(join(this.folder, 'hub.pqpk'), readFileSync(join(out, 'hub.pqpk')));
    writeFileSync(join(this.folder, 'rosenpass.toml'), change(readFileSync(join(out, 'rosenpass.toml'), 'utf8')));
    // The program ends with its input: one that never ends.
    const open = ['sh', '-c', 'mkfifo input && exec "$@" 0<>input', 'sh'];
    const command = [...open, process.execPath, clientProgram, 'rosenpass.toml'];
    const options = { cwd: this.folder, env: environment(this.folder) };
    return new Daemon(placed(command, { lab: this.#lab.net, host: this.#host }), options);
  }
}

const exchangesOf = async (lab: TunnelLab, name: string) => (await lab.peer(name))?.exchanges ?? -1;

/** It dials the hub; the key mixed in is the one that the operator gave along. */
async function dials(lab: TunnelLab, laptop: Client, said: Said): Promise<void> {
  said.push(await lab.labctl('tunnel', 'add', 'laptop', laptop.publicFolder));
  const sha256 = (await lab.labctl('tunnel', 'fingerprint', join(laptop.publicFolder, 'pqpk')))
    .trim()
    .split('\n')
    .at(-1);
  expect((await lab.peer('laptop'))?.rosenpassSha256).toBe(sha256 ?? '');
  await using running = await laptop.run(said);
  expect(await running.says('as initiator', stepMs)).toMatch(/spoke V0[23] (pc188|r4-156) as initiator/);
  await waitFor(async () => (await exchangesOf(lab, 'laptop')) > 0, stepMs);
  expect(await lab.peer('laptop')).toMatchObject({ lastRole: 'responder', pskKind: 'rosenpass', mode: 'strict' });
  said.push(await lab.labctl('tunnel', 'show', 'laptop'), running.said);
}

/** The hub dials it, as a peer of a rosenpass.toml that another server had. */
async function isDialled(lab: TunnelLab, branch: Client, said: Said): Promise<void> {
  const host = lab.net.address('branch');
  const file = join(lab.folder, 'clients/server.toml');
  writeFileSync(join(lab.folder, 'clients/branch.pqpk'), readFileSync(join(branch.publicFolder, 'pqpk')));
  const peer = [
    '[[peers]]',
    'public_key = "branch.pqpk"',
    'pre_shared_key = "branch/psk"',
    `endpoint = "${host}:${clientPort}"`,
    'device = "wg0"',
    `peer = "${branch.wireguardKey}"`,
  ];
  writeFileSync(file, peer.join('\n'));
  said.push(await lab.labctl('tunnel', 'import', file));
  // WireGuard on the port after Rosenpass's (X3).
  expect((await lab.peer('branch'))?.endpoint).toBe(`${host}:${clientPort + 1}`);
  const listens = (toml: string) =>
    toml.replace(/^listen = .*$/m, `listen = ["${host}:${clientPort}"]`).replace(/^endpoint = .*\n/m, '');
  await using running = await branch.run(said, listens);
  expect(await running.says('as responder', stepMs)).toContain('spoke V02');
  await waitFor(async () => (await exchangesOf(lab, 'branch')) > 0, stepMs);
  const again = JSON.parse(await lab.labctl('tunnel', 'exchange', 'branch', '-o', 'json')) as { ok: boolean };
  expect(again.ok).toBe(true);
  expect(await lab.peer('branch')).toMatchObject({ lastRole: 'initiator', version: 'V02', pskKind: 'rosenpass' });
  said.push(running.said);
}

/** Removed, it is nobody. */
async function isRemoved(lab: TunnelLab, said: Said): Promise<void> {
  said.push(await lab.labctl('tunnel', 'remove', 'laptop', '--yes'));
  expect((await lab.view()).peers.map(({ name }) => name)).toEqual(['branch']);
  expect(await thrower(lab.labctl('tunnel', 'show', 'laptop'))).toThrow('NOT_FOUND');
}

test.skipIf(missing !== undefined)(
  `clients of other make, through labctl and a real hub: both ways, with preshared keys that stay secret${needs}`,
  async () => {
    await using lab = await TunnelLab.open('native', ['laptop', 'branch']);
    const said: Said = [];
    const laptop = await Client.make(lab, 'laptop', said);
    const branch = await Client.make(lab, 'branch', said);
    await dials(lab, laptop, said);
    await isDialled(lab, branch, said);
    // V8: each end as the hub was in it, and the decapsulations behind it.
    const { exchangeEnds, decapsulations } = await lab.view();
    for (const role of ['initiator', 'responder'] as const)
      expect(exchangeEnds).toContainEqual({ role, result: 'ok', count: expect.any(Number) });
    expect(decapsulations?.count).toBeGreaterThan(1);
    expect(decapsulations?.seconds).toBeGreaterThan(0);
    await isRemoved(lab, said);
    const secrets = { ...laptop.secrets, ...branch.secrets };
    const audit = JSON.stringify(await lab.labd.call('GET', '/api/audit?limit=500'));
    const view = JSON.stringify(await lab.view());
    const data = filesBelow(join(lab.folder, 'hub'), []);
    expect(secretTraces(secrets, { said: said.join('\n'), labd: lab.labd.daemon.said, audit, view, ...data })).toEqual(
      [],
    );
    for (const action of ['create-tunnel-peer', 'export-tunnel-peer', 'delete-tunnel-peer'])
      expect(audit).toContain(action);
  },
  testMs,
);
