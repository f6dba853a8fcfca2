import { writeRevocations } from '@labmesh/attest/certificate/revocation-file';
import { keyInForce, type KeyRing, trustOf } from '@labmesh/attest/keys/key-ring';
import { publicKeyToPem } from '@labmesh/attest/keys/public-key';
import { trustText } from '@labmesh/attest/keys/trust';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { findIssuerKeys, issuerOptions } from '../../verify/issuer-keys.ts';
import { withKeys } from '../../verify/issuer.ts';

const parts = ['trust', 'pem', 'revocations'] as const;

/** Of `revocations` this also writes the issuer's own list, so that numbers never go back. */
async function textOf(part: string, folder: string, ring: KeyRing, now: number): Promise<string> {
  if (part === 'pem') return publicKeyToPem(keyInForce(ring, 'certificate', now));
  if (part === 'trust') return `${trustText(trustOf(ring))}\n`;
  return new TextDecoder().decode(await writeRevocations(folder, ring, now));
}

/** CT6, CT7. The list is signed anew on each export: a verifier takes none that is older than a day. */
export const certKeysExport = defineCommand({
  name: 'cert keys export',
  summary:
    'Prints what verifiers need: the trust file (keys, log, threshold), the public key in force as PEM, or the revocation ' +
    'list, signed anew for another 24 hours. Nothing secret is in any of them.',
  usage: 'labctl cert keys export [--part trust|pem|revocations] [--data DIR] [--config FILE] [--json]',
  examples: ['labctl cert keys export > trust.json', 'labctl cert keys export --part revocations > revocations.json'],
  options: {
    part: {
      type: 'string',
      flag: 'part',
      choices: parts,
      default: 'trust',
      placeholder: 'PART',
      help: 'what to print',
    },
    ...issuerOptions,
    ...jsonOption,
  },
  positionalsMax: 0,
  async run({ values, world }) {
    const keys = await findIssuerKeys(values, world);
    const now = world.clock.wall();
    const text = await withKeys(keys, now, (ring) => textOf(values.part, keys.path, ring, now));
    const json = values.part === 'pem' ? JSON.stringify({ pem: text }) : text.trimEnd();
    world.stdout(values.json ? `${json}\n` : text);
  },
});
