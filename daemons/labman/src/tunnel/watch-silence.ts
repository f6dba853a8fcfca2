/**
 * A hub that was killed has lost our session, and WireGuard notices only when there is something to send, two minutes later
 * at most. labd's hub sends a keepalive every 25 s: when none comes, the session is begun anew.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { TunnelPeer } from '@labmesh/wire/tunnel';

/** Two keepalives that did not come, and some time on the way. */
const silenceMs = 60_000;
const lookEveryMs = 5_000;
/** WireGuard itself begins an older one anew. */
const sessionS = 180;

export type SilenceParts = {
  tunnel: {
    view: () => { peers: readonly Pick<TunnelPeer, 'rxBytes' | 'handshakeAgeS'>[] } | undefined;
    /** Called at each silence; once more after another one as long. */
    renew: () => Promise<void>;
  };
  clock: Clock;
  log: Logger;
};

/** Until the signal ends it. Never rejects. */
export async function watchSilence({ tunnel, clock, log }: SilenceParts, signal: AbortSignal): Promise<void> {
  let [heardAt, rxBytes] = [clock.now(), 0];
  while (!signal.aborted) {
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    const hub = tunnel.view()?.peers[0];
    const handshakeAgeS = hub?.handshakeAgeS ?? sessionS;
    if (hub?.rxBytes !== rxBytes || handshakeAgeS >= sessionS) heardAt = clock.now();
    rxBytes = hub?.rxBytes ?? 0;
    if (signal.aborted || clock.now() - heardAt < silenceMs) continue;
    heardAt = clock.now();
    log.warn('the hub is silent: the session is begun anew', { silent_s: silenceMs / 1_000 });
    await tunnel.renew().catch((error: unknown) => log.error('the session could not be begun anew', { error }));
  }
}
