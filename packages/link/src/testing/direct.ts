/** What tests of one session's end need: an agent found again over any link, and everything an end is told. */
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import { ChannelEnd } from '../channel-end.ts';
import type { First } from '../first-frame.ts';
import type { Link } from '../link.ts';
import { linkPair } from './link-pair.ts';
import { execOpen, session } from './relay-world.ts';

export const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
export const settle = async (turns = 10) => {
  for (let turn = 0; turn < turns; turn++) await tick();
};
export const bytesOf = (text: string) => new TextEncoder().encode(text);
export const exitOf = (code: number): Exit => ({
  code,
  signal: null,
  core: false,
  timedOut: false,
  drained: true,
  bytes: { in: 0, out: 0, err: 0 },
});

/** EOFs of the two outputs come in either order. */
export const inOrder = (log: string[]) => log.map((line) => (line.startsWith('eof') ? 'eof' : line));

/** Everything an end is told, in order. */
export function heard(end: ChannelEnd, data?: (stream: StreamId, bytes: Uint8Array) => void | Promise<void>) {
  const log: string[] = [];
  end.handle({
    data: (stream, bytes) => {
      log.push(`data ${stream} ${bytes.length}`);
      return data?.(stream, bytes);
    },
    eof: (stream) => log.push(`eof ${stream}`),
    signal: (name) => log.push(`signal ${name}`),
    resize: (cols, rows) => log.push(`resize ${cols}x${rows}`),
    exit: (exit) => log.push(`exit ${exit.code}`),
    cut: (isCut) => log.push(isCut ? 'cut' : 'back'),
    close: (ending) => log.push(`close ${ending.reason}`),
  });
  return log;
}

/** An agent whose end is found again over any link, and a client beside it, without a relay between. */
export class Direct {
  acceptor: ChannelEnd | undefined;
  link: Link;
  cut: () => void;
  constructor() {
    [this.link, this.cut] = this.connect();
  }
  connect(): [Link, () => void] {
    const { other, sockets } = linkPair({ first: (_link, raw, first) => this.#first(raw, first) });
    this.link = other;
    this.cut = () => sockets[0].terminate();
    return [this.link, this.cut];
  }
  #first(raw: Parameters<typeof ChannelEnd.accept>[0], first: First): void {
    if (first.type === 'open') this.acceptor = ChannelEnd.accept(raw, first.open, { session });
    else if (this.acceptor === undefined) raw.close('no-session');
    else this.acceptor.resumeFrom(raw, first.resume);
  }
  async open(): Promise<ChannelEnd> {
    const opener = ChannelEnd.open(this.link, execOpen);
    await opener.opened;
    return opener;
  }
}
