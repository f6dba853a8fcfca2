/** When a user's certificate is renewed, and how (CA-6): at half life, a new key each time, over the live identity. */
import type { Certificate } from '@labmesh/pki/der/read-certificate';
import { generateKey } from '@labmesh/pki/keys';
import { pinOf } from '@labmesh/pki/pin';
import type { Renewed } from '@labmesh/wire/fleet/enrolment';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Credentials, readCredentials, saveCredentials } from './credentials.ts';

export type RenewalState = 'fresh' | 'due' | 'expired';

type Life = Pick<Certificate, 'notBefore' | 'notAfter' | 'serial'>;

/**
 * Half life ± 1/20 of it, Unix ms. The spread comes from the serial: every run of labctl sees the same instant, and
 * the certificates of a whole team are not renewed together.
 */
export function renewAfter({ notBefore, notAfter, serial }: Life): number {
  const life = notAfter - notBefore;
  const spread = (Number.parseInt(serial.slice(-4), 16) || 0) / 0xffff;
  return notBefore + life * (0.5 + (spread - 0.5) / 10);
}

/** @param now Unix ms */
export function renewalState(certificate: Life, now: number): RenewalState {
  if (now >= certificate.notAfter) return 'expired';
  return now >= renewAfter(certificate) ? 'due' : 'fresh';
}

/** SHA-256 of the certificate's public key; undefined when the text is no certificate. */
function keyHashOf(pem: string): string | undefined {
  try {
    return pinOf(pem).replace('sha256:', '');
  } catch {
    return undefined;
  }
}

export type Renewal = {
  env: Environment;
  context: string;
  /** Asks labd over the identity that is still alive. */
  ask: (csrPem: string) => Promise<Renewed>;
};

/**
 * New credentials in place of the old ones, which stay when anything fails. @throws what `ask` throws; CommandError
 * when the file cannot be written, or labd gave a certificate for another key
 */
export async function renewCredentials({
  env,
  context,
  ask,
}: Renewal): Promise<{ credentials: Credentials; caPin: string } | undefined> {
  // The certificate library takes its time to load, and most runs renew nothing.
  const { createCsr } = await import('@labmesh/pki/csr');
  const key = await generateKey();
  const { certificatePem, chainPem, caPem, caPin } = await ask(await createCsr(key));
  if (keyHashOf(certificatePem) !== key.keyHash) throw new CommandError('labd gave a certificate for another key');
  await saveCredentials(env, context, { privatePem: key.privatePem, certificatePem, chainPem, bundlePem: caPem });
  const credentials = await readCredentials(env, context);
  return credentials === undefined ? undefined : { credentials, caPin };
}
