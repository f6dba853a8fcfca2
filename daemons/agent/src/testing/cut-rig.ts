/** labd and an agent over links in memory that tests cut at any message, as often as they like. */
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { ChannelEnd } from '@labmesh/link/channel-end';
import type { First } from '@labmesh/link/first-frame';
import type { Link } from '@labmesh/link/link';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { type LinkPair, linkPair } from '@labmesh/link/testing/link-pair';
import type { Open } from '@labmesh/wire/frame/open';
import { openSessions } from '../open-session.ts';
import { defaultSessionOptions, type SessionOptions } from '../session-options.ts';
import type { Sessions } from '../sessions.ts';
import { TestClient } from './client.ts';

export class CutRig {
  readonly sessions: Sessions;
  cuts = 0;
  #pair: LinkPair;

  constructor(options: Partial<SessionOptions> = {}) {
    const all = { ...defaultSessionOptions, ...options };
    this.sessions = openSessions({ options: all, clock: systemClock, log: silentLogger });
    this.#pair = this.#dial();
  }

  #dial(): LinkPair {
    const first = (_link: Link, raw: RawChannel, first: First) => this.sessions.take(raw, first);
    const pair = linkPair({}, { first });
    // Few messages a turn, so that a cut falls into the middle of things.
    for (const socket of pair.sockets) socket.perTurn = () => 1 + Math.floor(Math.random() * 4);
    return pair;
  }

  async open(wanted: Open): Promise<{ client: TestClient; channel: ChannelEnd; token: string }> {
    const channel = ChannelEnd.open(this.#pair.labd, wanted);
    const client = new TestClient(channel);
    const { token = '' } = await channel.opened;
    return { client, channel, token };
  }

  /** Cuts the link again and again, for `ms` at most, and resumes `channel`; stops when the channel has ended. */
  async harass({ channel, token }: { channel: ChannelEnd; token: string }, timesMax: number): Promise<void> {
    let isOver = false;
    void channel.closed.then(() => (isOver = true));
    for (let times = 0; !isOver && times < timesMax; times++) {
      await Bun.sleep(Math.random() * 4);
      if (isOver) break;
      this.#pair.sockets[0].terminate();
      this.#pair = this.#dial();
      this.cuts += 1;
      while (!isOver && channel.isCut && !(await channel.resumeOn(this.#pair.labd, { token }))) await Bun.sleep(1);
    }
  }
}
