import { sealKeys } from '@labmesh/attest/keys/key-folder';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { findIssuerKeys, issuerOptions } from '../../verify/issuer-keys.ts';
import { withKeys } from '../../verify/issuer.ts';

/**
 * CT6. The new key is in its file before anything is sealed with it: a crash in between leaves a spare line, and the next
 * start of the arena goes over to it. An arena that runs meets the new key when it reads the keys the next time.
 */
export const certKeysReseal = defineCommand({
  name: 'cert keys reseal',
  summary:
    'Makes a new key-encryption key and seals the private keys of this issuer with it: a new line in the key file, or a new ' +
    'salt where a passphrase is set. What the issuer signs stays as it is, and an arena that runs goes on. Back the key file ' +
    'up afterwards; the lines before open older backups.',
  usage: 'labctl cert keys reseal [--data DIR] [--config FILE] [--json]',
  examples: [
    'labctl cert keys reseal',
    'labctl cert keys reseal --data /var/lib/labmesh-arena -c /etc/labmesh/arena.toml',
  ],
  options: { ...issuerOptions, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    const keys = await findIssuerKeys(values, world);
    // Opened first: no key is made where nothing can be sealed with it.
    await withKeys(keys, world.clock.wall(), async () => {
      await keys.sealer.rotate();
      await sealKeys(keys);
    });
    world.stdout(values.json ? `${JSON.stringify({ resealed: true })}\n` : 'the keys are sealed with a new key\n');
  },
});
