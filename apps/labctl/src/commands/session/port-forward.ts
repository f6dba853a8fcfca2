import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { channelProblem, endingOf } from '../../session/channel-problem.ts';
import { ClientLinks } from '../../session/client-links.ts';
import { dialProblem } from '../../session/dial-problem.ts';
import { Forwarder } from '../../session/forward/forwarder.ts';
import { readForwardWords } from '../../session/forward/forward-words.ts';
import { inBrackets } from '../../session/forward/port-mapping.ts';
import { sessionParts } from '../../session/session-call.ts';

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || host.startsWith('127.');

export const portForward = defineFleetCommand({
  name: 'port-forward',
  summary: 'Makes ports of a server, or of hosts it reaches, ports of this machine, until Ctrl-C. TCP only.',
  usage: 'labctl port-forward server/NAME [BIND:]LOCAL:[HOST:]PORT…',
  examples: ['labctl port-forward web-1 8080:80', 'labctl port-forward server/db-1 0:5432 9000:cache.internal:6379'],
  options: {},
  positionalsMax: 66,
  async run(call) {
    const { positionals, world, values, result } = call;
    const { server, mappings } = readForwardWords(positionals);
    const target = `server/${server}`;
    const { where, link, note } = sessionParts(call);
    if (values.dryRun) {
      world.stderr(`dry run: would forward ${mappings.length} ports to ${target}\n`);
      return exitCodes.ok;
    }
    await using links = new ClientLinks(link);
    try {
      // What is wrong with the login is told now, and not to the first connection.
      await links.connect();
    } catch (error) {
      throw dialProblem(where, error);
    }
    const problem = (error: unknown) => {
      const ending = endingOf(error);
      const about = { verb: 'forward', target, session: '', now: world.clock.wall() };
      note((ending === undefined ? dialProblem(where, error) : channelProblem(ending, about)).message);
    };
    await using stack = new AsyncDisposableStack();
    for (const mapping of mappings) {
      const forwarder = stack.use(await Forwarder.listen(mapping, { server, open: links.open.bind(links), problem }));
      const { bind, host, port } = mapping;
      const local = `${inBrackets(bind)}:${forwarder.localPort}`;
      if (!isLoopback(bind)) note(`others can reach ${local} too`);
      const remote = `${inBrackets(host)}:${port}`;
      const { format } = result.options;
      const text = `${local} -> ${target} ${remote}\n`;
      const told = { local, server, remote };
      // A line each also as JSON: the ports are wanted while this still runs.
      world.stdout(format === 'json' || format === 'ndjson' ? `${JSON.stringify(told)}\n` : text);
    }
    await world.life.stopped;
    return exitCodes.interrupted;
  },
});
