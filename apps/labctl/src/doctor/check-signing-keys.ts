/** Whether the service that keeps the signing keys signs, where one is set (verification CT6). */
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { type KeyFolder, readKeyRing } from '@labmesh/attest/keys/key-folder';
import { keyInForce, type KeyRing, type RingSigner, usesInService } from '@labmesh/attest/keys/key-ring';
import { isKmsSigner, type Kms, type KmsSigner, nextKmsSigner } from '@labmesh/attest/keys/kms';
import { OptionsError } from '@labmesh/kit/options';
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import type { World } from '../command.ts';
import { findIssuerKeys, type IssuerFlags } from '../verify/issuer-keys.ts';
import { failing, type Finding, okay, warning } from './finding.ts';

const name = 'signing keys';
/** No statement, no checkpoint, no token: a signature of it says nothing. */
const probe = new TextEncoder().encode('labmesh doctor: does the key sign');
const uses = ['certificate', 'revocation', 'log'] as const;

const named = (signers: readonly KmsSigner[]) => signers.map(({ kms }) => `${kms.key} v${kms.version}`).join(', ');

async function checkRing(ring: KeyRing, now: number): Promise<Finding> {
  const inForce = (use: (typeof uses)[number]): RingSigner =>
    use === 'log' ? ring.log.signer : keyInForce(ring, use, now).signer;
  const theirs = uses.flatMap((use) => {
    const signer = inForce(use);
    return isKmsSigner(signer) ? [signer] : [];
  });
  for (const signer of theirs) await signer.sign(probe);
  const here = uses.filter((use) => !isKmsSigner(inForce(use)));
  if (here.length === 0) return okay(name, `the service signs with ${named(theirs)}`);
  const text = `a service is set, and the keys in force for ${here.join(', ')} lie in the key file`;
  return warning(
    name,
    text,
    'labctl cert keys rotate takes the next ones from the service; the log keeps its key for good',
  );
}

/** Before the first start: nothing is made there by looking. */
async function checkFirst(kms: Kms): Promise<Finding> {
  const found = [];
  for (const use of uses) found.push(await nextKmsSigner(kms, use));
  return okay(name, `the service has ${named(found)}; nothing was signed yet`);
}

/** Keys that were left in a service end the arena's start. Of a file that does not open that tells itself. */
async function checkWithout(keys: KeyFolder, now: number): Promise<Finding[]> {
  const ring = await readKeyRing(keys).catch((error: unknown) => {
    if (error instanceof AttestRefused || error instanceof SecretsRefused) return undefined;
    throw error;
  });
  const uses = ring === undefined ? [] : usesInService(ring, now);
  if (uses.length === 0) return [];
  const text = `the keys for ${uses.join(', ')} are in a key management service, and none is set: the arena does not start`;
  return [failing(name, text, 'set attest.kms_url in labmesh.toml as it was')];
}

/** Nothing to say where all keys are in the key file. */
export async function checkSigningKeys(flags: IssuerFlags, world: World): Promise<Finding[]> {
  try {
    const keys = await findIssuerKeys(flags, world);
    if (keys.kms === undefined) return await checkWithout(keys, world.clock.wall());
    const ring = await readKeyRing(keys);
    return [ring === undefined ? await checkFirst(keys.kms) : await checkRing(ring, world.clock.wall())];
  } catch (error) {
    const isKnown = [AttestRefused, OptionsError, SecretsRefused].some((one) => error instanceof one);
    if (!isKnown) throw error;
    const fix = 'certificates wait until it signs: look at attest.kms_url, its keys, the token and its policy';
    return [failing(name, (error as Error).message, fix)];
  }
}
