/**
 * A session that labd opens in a caller's name, for answers that are no WebSocket: a client link inside the process. So
 * it goes the whole way of any other (2.9): the same bounds, decision, audit rows, relay and ends.
 */
import { ChannelClosed, type ChannelEnding } from '@labmesh/link/channel';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { Link, LinkClosed } from '@labmesh/link/link';
import { memorySockets } from '@labmesh/link/memory-socket';
import { FleetError, type FleetErrorCode } from '@labmesh/wire/fleet/fleet-errors';
import { type CloseReason, socketCloseCodes } from '@labmesh/wire/frame/frame-types';
import { helloSchema } from '@labmesh/wire/frame/messages';
import type { Open } from '@labmesh/wire/frame/open';
import type { Caller } from '../../login/caller.ts';
import type { ClientSockets } from '../../relay/client-sockets.ts';

/** An agent may take so long to answer an OPEN. */
const openMs = 30_000;
/** After a goodbye the other side has so long to answer. */
const goodbyeMs = 2_000;

const codes: Partial<Record<CloseReason, FleetErrorCode>> = {
  denied: 'PERMISSION_DENIED',
  'not-found': 'NOT_FOUND',
  'agent-offline': 'AGENT_NOT_CONNECTED',
  'agent-restarted': 'AGENT_NOT_CONNECTED',
  'link-lost': 'AGENT_NOT_CONNECTED',
  'peer-lost': 'AGENT_NOT_CONNECTED',
  cancelled: 'AGENT_TIMEOUT',
  timeout: 'AGENT_TIMEOUT',
  revoked: 'REVOKED',
  limit: 'RATE_LIMITED',
  'audit-unavailable': 'AUDIT_UNAVAILABLE',
  'recording-unavailable': 'RECORDING_UNAVAILABLE',
  // The agent tells so what was asked in a way it cannot do.
  protocol: 'VALIDATION_FAILED',
  io: 'VALIDATION_FAILED',
};

/** How a refused OPEN is told over HTTP. */
function refusal({ reason, text }: ChannelEnding): FleetError {
  const code = codes[reason] ?? 'INTERNAL';
  return new FleetError(code, text === '' || code === 'INTERNAL' ? { log: `${reason}: ${text}` } : { message: text });
}

function asRefusal(error: unknown): unknown {
  if (error instanceof ChannelClosed) return refusal(error.ending);
  if (!(error instanceof LinkClosed)) return error;
  if (error.code === socketCloseCodes.revoked) return new FleetError('REVOKED');
  return new FleetError('RATE_LIMITED', { message: 'too many sockets' });
}

const helloOf = () =>
  helloSchema.parse({ protocols: [1], kind: 'client', version: 'labd', instanceId: crypto.randomUUID() });

export class InnerChannel implements Disposable {
  readonly channel: ChannelEnd;
  readonly #link: Link;

  private constructor(channel: ChannelEnd, link: Link) {
    this.channel = channel;
    this.#link = link;
  }

  /** Resolves when the agent has taken it. @throws FleetError as refused there */
  static async open(clients: Pick<ClientSockets, 'accept'>, caller: Caller, open: Open): Promise<InnerChannel> {
    const [ours, theirs] = memorySockets();
    let channel: ChannelEnd | undefined;
    // labd goes down, or the caller's proof has run out: the reader comes back with another, to another.
    const goaway = () => channel?.close('cancelled', 'come again');
    const link = new Link(ours, { goaway }, { side: 'odd' });
    clients.accept(theirs, caller, [open.kind]);
    const late = setTimeout(() => channel?.abort('timeout', 'the agent did not answer in time'), openMs);
    try {
      await link.hello(helloOf());
      channel = ChannelEnd.open(link, open);
      await channel.opened;
      return new InnerChannel(channel, link);
    } catch (error) {
      link.close('goingAway');
      throw asRefusal(error);
    } finally {
      clearTimeout(late);
    }
  }

  /** The reader is gone: the agent stops. */
  leave(): void {
    this.channel.close('cancelled');
    setTimeout(() => this.channel.abort('cancelled'), goodbyeMs).unref();
  }

  [Symbol.dispose](): void {
    this.#link.close('goingAway');
  }
}
