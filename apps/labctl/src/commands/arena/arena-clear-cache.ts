import { defineOptions } from '@labmesh/kit/options';
import { cacheClearedSchema } from '@labmesh/wire/admin';
import { RunningGateway } from '../../client/running-gateway.ts';
import { defineCommand } from '../../command.ts';
import { dataOption, jsonOption } from '../../common-options.ts';

export const arenaClearCache = defineCommand({
  name: 'arena clear-cache',
  summary:
    'Has the gateway forget verified answers that it would give again. Certificates stand; the next request of each kind ' +
    'is verified anew.',
  usage: 'labctl arena clear-cache [--tenant TENANT] [--data DIR] [--json]',
  examples: ['labctl arena clear-cache', 'labctl arena clear-cache --tenant acme'],
  options: defineOptions({
    tenant: { type: 'string', flag: 'tenant', placeholder: 'TENANT', help: 'of this tenant alone' },
    ...dataOption,
    ...jsonOption,
  }),
  positionalsMax: 0,
  async run({ values, world }) {
    await using gateway = new RunningGateway(values.data, world.env);
    const query = values.tenant === undefined ? '' : `?tenant=${encodeURIComponent(values.tenant)}`;
    const { cleared } = await gateway.ask('POST', `/clear-cache${query}`, cacheClearedSchema);
    world.stdout(values.json ? `${JSON.stringify({ cleared })}\n` : `forgotten: ${cleared}\n`);
  },
});
