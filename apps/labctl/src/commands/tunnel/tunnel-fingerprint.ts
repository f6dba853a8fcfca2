import { readFileSync } from 'node:fs';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { checkPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { groupedFingerprint } from '@labmesh/tunnel/tunnel-text';
import { CommandError } from '../../command-error.ts';
import { defineFleetCommand } from '../../fleet-command.ts';

/** K2. */
export const tunnelFingerprint = defineFleetCommand({
  name: 'tunnel fingerprint',
  summary:
    'Prints the fingerprint of the hub’s Rosenpass key (SHA-256 of its 524,160 bytes) and its WireGuard key, or the ' +
    'fingerprint of a key file. Compare them with what the other side shows.',
  usage: 'labctl tunnel fingerprint [FILE]',
  examples: ['labctl tunnel fingerprint', 'labctl tunnel fingerprint ./pqpk'],
  options: {},
  positionalsMax: 1,
  async run({ positionals: [file], labd, result }) {
    const hub = file === undefined ? await (await labd()).call('get-tunnel') : undefined;
    const rosenpassSha256 = hub?.rosenpassSha256 ?? fingerprintOf(keyIn(file ?? ''));
    const text = `${groupedFingerprint(rosenpassSha256)}\n${rosenpassSha256}\n`;
    const wireguardPublicKey = hub?.wireguardPublicKey;
    if (wireguardPublicKey === undefined) await result.object({ rosenpassSha256 }, text);
    else await result.object({ rosenpassSha256, wireguardPublicKey }, `${text}WireGuard ${wireguardPublicKey}\n`);
  },
});

function keyIn(file: string): Uint8Array {
  try {
    const bytes = new Uint8Array(readFileSync(file));
    checkPublicKey(bytes);
    return bytes;
  } catch (error) {
    throw new CommandError(`${file}: ${error instanceof Error ? error.message : 'cannot be read'}`);
  }
}
