import { openKeyRing, readKeyRing, writeKeyRing } from '@labmesh/attest/keys/key-folder';
import { rotateKey } from '@labmesh/attest/keys/key-ring';
import { keyUsages } from '@labmesh/attest/keys/trust';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { openDataFolder, dataFolderPath } from '../../data-folder.ts';
import { findIssuerKeys, issuerOptions } from '../../verify/issuer-keys.ts';
import { asIssuer } from '../../verify/issuer.ts';

const isUsage = (text: string): text is (typeof keyUsages)[number] => (keyUsages as readonly string[]).includes(text);

/**
 * CT6: the next key is known a day before it signs, so that verifiers who fetch the trust file once a day never meet a
 * signature they cannot check.
 */
export const certKeysRotate = defineCommand({
  name: 'cert keys rotate',
  summary:
    'Announces the next key, signed by the one in force, and has it sign from 24 hours on; what the old one signed stays ' +
    'valid. Without keys it makes the first ones. Give the new trust file to verifiers: labctl cert keys export.',
  usage:
    'labctl cert keys rotate [--usage certificate|revocation] [--origin NAME] [--data DIR] [--config FILE] [--json]',
  examples: ['labctl cert keys rotate', 'labctl cert keys rotate --usage revocation'],
  options: {
    usage: {
      type: 'string',
      flag: 'usage',
      choices: keyUsages,
      default: 'certificate',
      placeholder: 'USE',
      help: 'which of the two keys',
    },
    origin: {
      type: 'string',
      flag: 'origin',
      placeholder: 'NAME',
      help: 'name of the log, when the first keys are made; default after its key',
    },
    ...issuerOptions,
    ...jsonOption,
  },
  positionalsMax: 0,
  async run({ values, world }) {
    const { data, usage, origin, json } = values;
    openDataFolder(dataFolderPath(data, world.env));
    const issuer = await findIssuerKeys(values, world);
    const now = world.clock.wall();
    // Looked for under the lock: two first runs at once must not make two issuers.
    const made = await asIssuer(issuer.path, async () => {
      if ((await readKeyRing(issuer)) === undefined) {
        return { first: true, keys: (await openKeyRing(issuer, now, origin)).keys };
      }
      const ring = await rotateKey(
        await openKeyRing(issuer, now),
        isUsage(usage) ? usage : 'certificate',
        now,
        issuer.kms,
      );
      await writeKeyRing(issuer, ring);
      return { first: false, keys: ring.keys.slice(-1) };
    });
    const keys = made.keys.map((key) => ({
      keyid: key.keyid,
      usage: key.usage,
      notBefore: new Date(key.notBefore).toISOString(),
    }));
    if (json) return world.stdout(`${JSON.stringify({ first: made.first, keys })}\n`);
    for (const key of keys) world.stdout(`${key.usage} key ${key.keyid}, in force from ${key.notBefore}\n`);
  },
});
