import { endpointListSchema, type EndpointRow } from '@labmesh/wire/admin';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { dataOption, jsonOption } from '../common-options.ts';
import { paint } from '../terminal/paint.ts';
import { renderTable } from '../terminal/table.ts';

/** States by colour; the others are on their way to one of these. */
const good: readonly EndpointRow['state'][] = ['healthy', 'busy'];
const bad: readonly EndpointRow['state'][] = ['unhealthy', 'config_error'];

export const endpoints = defineCommand({
  name: 'endpoints',
  summary: 'Lists the LLM servers behind the API: what they are, how they are, and how busy.',
  usage: 'labctl endpoints [--data DIR] [--json]',
  examples: ['labctl endpoints'],
  options: { ...dataOption, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    await using gateway = new RunningGateway(values.data, world.env);
    const found = await gateway.ask('GET', '/endpoints', endpointListSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const { green, yellow, red } = paint(world.colourOut);
    const rows = found.endpoints.map((one) => [
      one.name,
      one.version === undefined ? one.kind : `${one.kind} ${one.version}`,
      one.state,
      one.models.length,
      `${one.inFlight}/${one.capacity}${one.waiting ? ` +${one.waiting} waiting` : ''}`,
      one.origin,
      one.url,
      one.reason ?? '',
    ]);
    const table = renderTable(['NAME', 'KIND', 'STATE', 'MODELS', 'LOAD', 'FROM', 'URL', 'REASON'], rows, {
      columns: world.columns,
      style: (column, text, padded) => {
        if (column !== 'STATE') return padded;
        const state = text as EndpointRow['state'];
        return (good.includes(state) ? green : bad.includes(state) ? red : yellow)(padded);
      },
    });
    world.stdout(
      table || 'there is no endpoint; start an LLM server on this machine, or name one with [[endpoints]]\n',
    );
  },
});
