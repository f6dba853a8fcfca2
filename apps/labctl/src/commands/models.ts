import { servedModelListSchema } from '@labmesh/wire/admin';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { dataOption, jsonOption } from '../common-options.ts';
import { renderTable } from '../terminal/table.ts';

/** Models that nothing serves now are listed too: a client asks for them by name and wants to know why it fails. */
export const models = defineCommand({
  name: 'models',
  summary: 'Lists the models behind the API, with the endpoints that can serve them now.',
  usage: 'labctl models [--data DIR] [--json]',
  examples: ['labctl models', "labctl models --json | jq -r '.models[].id'"],
  options: { ...dataOption, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    await using gateway = new RunningGateway(values.data, world.env);
    const found = await gateway.ask('GET', '/models', servedModelListSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const rows = found.models.map((model) => [
      model.target === undefined ? model.id : `${model.id} → ${model.target}`,
      model.contextLength,
      model.loaded === undefined ? '-' : model.loaded ? 'yes' : 'no',
      model.endpoints.join(', ') || 'none is up',
    ]);
    const table = renderTable(['MODEL', 'CONTEXT', 'LOADED', 'ENDPOINTS'], rows, { columns: world.columns });
    world.stdout(table || 'no model is served; labctl endpoints tells why\n');
  },
});
