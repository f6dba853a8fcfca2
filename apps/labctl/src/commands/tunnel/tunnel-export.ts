import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFile, writeWholeFile } from '@labmesh/kit/saved-file';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { checkPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { peerName } from '../../grammar/peer-name.ts';

/** X8, X9: without a secret; the client has its own. */
export const tunnelExport = defineFleetCommand({
  name: 'tunnel export',
  summary:
    'Writes what a client’s own programs need to reach this hub into a new folder: settings of rosenpass (toml) or of rp, ' +
    'or of WireGuard alone (wg-conf, with Table = off), beside the hub’s public key. No secret is in it.',
  usage: 'labctl tunnel export PEER --out DIR [--format toml|rp|wg-conf]',
  examples: ['labctl tunnel export laptop --out ./laptop-hub'],
  options: {
    out: { type: 'string', flag: 'out', placeholder: 'DIR', help: 'a folder that is not there yet' },
    format: {
      type: 'string',
      flag: 'format',
      choices: ['toml', 'rp', 'wg-conf'],
      default: 'toml',
      help: 'for which programs',
    },
  },
  positionalsMax: 1,
  async run({ values, positionals, labd, note, result }) {
    const id = peerName(positionals, 'export');
    const { out, format } = values;
    if (out === undefined) throw new CommandError('--out DIR is missing', { exitCode: exitCodes.usage });
    if (existsSync(out)) throw new CommandError(`${out} is there already`, { exitCode: exitCodes.conflict });
    const client = await labd();
    const { files } = await client.call('export-tunnel-peer', { params: { id }, query: { format } });
    const { rosenpassSha256 } = await client.call('get-tunnel');
    const key = format === 'wg-conf' ? undefined : await hubKey(await client.stream('get-tunnel-key'), rosenpassSha256);
    mkdirSync(out, { mode: 0o700 });
    const written = Object.keys(files).filter((name) => /^[\w.-]+$/.test(name));
    for (const name of written) writePrivateFile(join(out, name), files[name] ?? '');
    const keyName = format === 'rp' ? 'pqpk' : 'hub.pqpk';
    if (key !== undefined) writeWholeFile(join(out, keyName), key, 0o644);
    const all = key === undefined ? written : [...written, keyName];
    note(`the hub’s key is ${rosenpassSha256}`);
    await result.object({ out, files: all, rosenpassSha256 }, all.map((name) => `${join(out, name)}\n`).join(''));
  },
});

/** The raw key, checked against the fingerprint that labd told. */
async function hubKey(chunks: AsyncIterable<Uint8Array>, fingerprint: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of chunks) {
    length += part.length;
    if (length > 1024 * 1024) break;
    parts.push(part);
  }
  const key = new Uint8Array(Buffer.concat(parts));
  checkPublicKey(key);
  if (fingerprintOf(key) !== fingerprint)
    throw new CommandError('the hub’s key has another fingerprint than labd says');
  return key;
}
