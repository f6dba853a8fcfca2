/**
 * How to reach labd and prove who asks, from settings and credentials (CT-5). Apart from the client: `exec` asks no
 * operation, and should not wait for the table of them to load.
 */
import { CommandError } from '../command-error.ts';
import { type Credentials, readCredentials } from '../credentials/credentials.ts';
import { renewalState } from '../credentials/renewal.ts';
import { exitCodes } from '../exit-codes.ts';
import { ago } from '../terminal/span.ts';
import type { LabdAccess, LabdNeeds } from './labd-needs.ts';

export const accessOf = (url: string, pins: string | undefined, found: Credentials): LabdAccess => ({
  url,
  trust: { by: 'bundle', bundlePem: found.bundlePem, pins, trustDomain: found.trustDomain },
  proof: {
    by: 'certificate',
    certificatePem: found.certificatePem,
    chainPem: found.chainPem,
    privatePem: found.key.privatePem,
  },
});

/** @throws CommandError (exit 3) without a login, or with one that has ended */
export async function labdAccess(needs: LabdNeeds): Promise<LabdAccess> {
  const { world, settings } = needs;
  const url = settings.need('labd.url');
  const found = await readCredentials(world.env, settings.context);
  const login = `labctl login${settings.context === 'default' ? '' : ` --context ${settings.context}`}`;
  if (found === undefined) {
    throw new CommandError(`nobody is logged in to context ${settings.context}`, {
      hint: login,
      exitCode: exitCodes.notConfigured,
    });
  }
  const now = world.clock.wall();
  const state = renewalState(found.certificate, now);
  if (state === 'expired') {
    const since = ago(new Date(found.certificate.notAfter).toISOString(), now);
    throw new CommandError(`the login to context ${settings.context} ended ${since}`, {
      hint: login,
      exitCode: exitCodes.notConfigured,
    });
  }
  const pins = settings.get('labd.caPin');
  const access = accessOf(url, pins, found);
  if (state === 'fresh') return access;
  // Once in hours: not loaded for all the others.
  const { renewLogin } = await import('./renew-login.ts');
  const renewed = await renewLogin(needs, access, found);
  return accessOf(url, renewed === found ? pins : undefined, renewed);
}
