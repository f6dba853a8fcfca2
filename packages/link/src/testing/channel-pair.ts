/** Two real channel ends over a connection in memory, for tests of what is written against `Channel`. */
import type { Open } from '@labmesh/wire/frame/open';
import { ChannelEnd } from '../channel-end.ts';
import { linkPair } from './link-pair.ts';

const session = '01900000-0000-7000-8000-00000000000c';
const plain: Open = {
  kind: 'exec',
  server: 'test',
  env: {},
  tty: null,
  stdin: true,
  detach: false,
  keepChildren: false,
  noRecord: false,
};

/**
 * `[opener, acceptor]`: labctl's end, which sends `in`, and the agent's, which sends `out` and `err`. Windows are
 * real: 256 KiB, or what `open` asks for. The opener's session id arrives with the first turn of the loop.
 */
export function channelPair(open: Open = plain): [ChannelEnd, ChannelEnd] {
  let acceptor: ChannelEnd | undefined;
  const { other, sockets } = linkPair({
    first(_link, raw, first) {
      if (first.type === 'open') acceptor = ChannelEnd.accept(raw, first.open, { session });
    },
  });
  const opener = ChannelEnd.open(other, open);
  sockets[1].deliver(1);
  sockets[0].deliver(1);
  if (acceptor === undefined) throw new Error('the channel did not open');
  return [opener, acceptor];
}
