/** Keeps the machine's certificate alive: renewed at half life, and got back after it ran out (CA-6, CA-7). */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { AgentIdentity } from './agent-identity.ts';

/** A renewal that failed is tried again after. */
const retryMs = 60_000;
const lookMs = 3_600_000;

const why = (error: unknown) => (error instanceof Error ? error.message : String(error));

export type KeepParts = {
  identity: AgentIdentity;
  /** Addresses of labd, the best first. */
  urls: () => readonly string[];
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
};

/** A new key and certificate at each half life, until the signal. The link goes on: it was verified when it began. */
export async function keepCertificate({ identity, urls, clock, log, signal }: KeepParts): Promise<void> {
  while (!signal.aborted) {
    const waitMs = Math.max(1_000, Math.min(identity.renewAfter - clock.wall(), lookMs));
    await clock.sleep(waitMs, signal).catch(() => undefined);
    const now = clock.wall();
    if (signal.aborted || identity.renewAfter > now || identity.notAfter <= now) continue;
    try {
      await identity.renew(urls()[0] ?? '');
      log.info('the certificate was renewed', { notAfter: new Date(identity.notAfter).toISOString() });
    } catch (error) {
      log.warn('the certificate could not be renewed; tried again', { reason: why(error) });
      await clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }
}

export type ComeBackParts = { identity: AgentIdentity; urls: readonly string[]; log: Logger; onWaiting: () => void };

/** One try at each labd to come back with an expired certificate; true when there is a new one. */
export async function comeBack({ identity, urls, log, onWaiting }: ComeBackParts): Promise<boolean> {
  for (const url of urls) {
    try {
      await identity.renew(url);
      return true;
    } catch (error) {
      if (error instanceof FleetError && error.code === 'WAITING_APPROVAL') onWaiting();
      log.warn('the expired certificate was not renewed', { reason: why(error) });
    }
  }
  return false;
}
