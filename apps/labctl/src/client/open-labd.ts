/** From settings and credentials to a client of labd, the certificate renewed on the way when it is time (CT-5, CA-6). */
import { adminSocketPath } from './admin-socket-path.ts';
import { labdAccess } from './labd-access.ts';
import type { LabdNeeds } from './labd-needs.ts';
import { LabdClient } from './labd-client.ts';
import { socketTransport } from './labd-transport.ts';
import { openClient } from './renew-login.ts';

/** A client of the labd in force. @throws CommandError (exit 3) */
export async function openLabd(needs: LabdNeeds): Promise<LabdClient> {
  if (!needs.local) return openClient(needs, await labdAccess(needs));
  const { world, settings, note } = needs;
  return new LabdClient({
    transport: socketTransport(adminSocketPath(world.env)),
    timeoutMs: settings.timeoutMs,
    signal: world.life.signal,
    clock: world.clock,
    note,
  });
}
