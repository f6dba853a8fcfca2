/** OPEN facts: the facts as they are now, one JSON document on stream `out`. */
import { ChannelClosed } from '@labmesh/link/channel';
import type { SessionRun } from '../session-run.ts';
import { readFacts, type ReadFactsOptions } from './read-facts.ts';

export async function openFacts(options: ReadFactsOptions = {}): Promise<SessionRun> {
  return {
    answer: {},
    run: async (channel) => {
      channel.handle({});
      try {
        const { facts, digest } = await readFacts(options);
        await channel.write(1, new TextEncoder().encode(`${JSON.stringify({ ...facts, digest })}\n`));
        channel.end(1);
        channel.end(2);
        channel.close('ok');
      } catch (error) {
        if (!(error instanceof ChannelClosed)) channel.close('io', 'the facts of this machine could not be read');
      }
      await channel.closed;
    },
  };
}
