import type { KeyRing } from '@labmesh/attest/keys/key-ring';
import { readKeyRing } from '@labmesh/attest/keys/key-folder';
import { isKmsSigner, type KmsKey } from '@labmesh/attest/keys/kms';
import { isInForce } from '@labmesh/attest/keys/trust';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { renderTable } from '../../terminal/table.ts';
import { findIssuerKeys, issuerError, issuerOptions } from '../../verify/issuer-keys.ts';

/** A key as --json gives it. */
type KeyRow = {
  keyid: string;
  /** What it signs: certificates, or revocations. */
  usage: string;
  /** `announced`, `in force`, `ended`. */
  state: string;
  /** RFC 3339. */
  notBefore: string;
  /** Null = open. */
  notAfter: string | null;
  /** Where its private part is; null = in the key file, or nowhere any more. */
  kms: KmsKey | null;
  /** The key before it vouches for it, so that verifiers can follow by themselves. */
  endorsed: boolean;
};

const kmsOf = (signer: KeyRing['log']['signer'] | undefined): KmsKey | null =>
  signer !== undefined && isKmsSigner(signer) ? signer.kms : null;
const placeOf = (kms: KmsKey | null, isPast: boolean) =>
  kms === null ? (isPast ? '-' : 'key file') : `${kms.key} v${kms.version}`;

const time = (at: number) => new Date(at).toISOString();

function rowsOf(ring: KeyRing, now: number): KeyRow[] {
  const stateOf = (key: KeyRing['keys'][number]): string => {
    if (isInForce(key, now)) return 'in force';
    return key.notBefore > now ? 'announced' : 'ended';
  };
  return ring.keys.map((key) => ({
    keyid: key.keyid,
    usage: key.usage,
    state: stateOf(key),
    notBefore: time(key.notBefore),
    notAfter: key.notAfter === undefined ? null : time(key.notAfter),
    kms: kmsOf(key.signer),
    endorsed: key.endorsement !== undefined,
  }));
}

/** CT6. Reads the key file without the lock: a list must not wait for whoever signs. */
export const certKeysList = defineCommand({
  name: 'cert keys list',
  summary:
    'Lists the keys that sign certificates and revocations here, with their times. Private parts are never shown.',
  usage: 'labctl cert keys list [--data DIR] [--config FILE] [--json]',
  examples: ['labctl cert keys list'],
  options: { ...issuerOptions, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    const issuer = await findIssuerKeys(values, world);
    const ring = await readKeyRing(issuer).catch((error: unknown) => {
      throw issuerError(error, issuer.path);
    });
    const keys = ring === undefined ? [] : rowsOf(ring, world.clock.wall());
    const log =
      ring === undefined
        ? null
        : { origin: ring.log.origin, keyid: ring.log.signer.publicKey.keyid, kms: kmsOf(ring.log.signer) };
    if (values.json) return world.stdout(`${JSON.stringify({ keys, log, threshold: ring?.threshold ?? null })}\n`);
    if (log === null) return world.stdout('no keys; labctl cert keys rotate makes the first ones\n');
    const rows = keys.map((key) => [
      key.keyid,
      key.usage,
      key.state,
      key.notBefore,
      key.notAfter ?? '-',
      placeOf(key.kms, key.state === 'ended'),
    ]);
    // The log has one key for good: its checkpoints are all of one name and one key.
    const logRow = [log.keyid, `log ${log.origin}`, 'in force', '-', '-', placeOf(log.kms, false)];
    const headings = ['KEY', 'SIGNS', 'STATE', 'FROM', 'UNTIL', 'PRIVATE PART'];
    world.stdout(renderTable(headings, [...rows, logRow], { columns: undefined }));
  },
});
