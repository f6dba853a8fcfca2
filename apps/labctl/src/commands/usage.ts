import { keyListSchema, usageListSchema } from '@labmesh/wire/admin';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { dataOption, jsonOption } from '../common-options.ts';
import { renderTable } from '../terminal/table.ts';

/** Since the data folder was made: the gateway keeps its books there, and a restart begins none anew. */
export const usage = defineCommand({
  name: 'usage',
  summary: 'Shows requests, errors and tokens by API key or by model, since the data folder was made.',
  usage: 'labctl usage [--by key|model] [--data DIR] [--json]',
  examples: ['labctl usage', 'labctl usage --by model --json'],
  options: {
    by: { type: 'string', choices: ['key', 'model'], default: 'key', flag: 'by', help: 'what to sum by' },
    ...dataOption,
    ...jsonOption,
  },
  positionalsMax: 0,
  async run({ values, world }) {
    await using gateway = new RunningGateway(values.data, world.env);
    const found = await gateway.ask('GET', `/usage?by=${values.by}`, usageListSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const keys = values.by === 'key' ? (await gateway.ask('GET', '/keys', keyListSchema)).keys : [];
    // A key that was revoked keeps its name in the list; one that is not in it is shown by id.
    const names = new Map(keys.map((key) => [key.id, `${key.id} ${key.name}`]));
    const rows = found.usage
      // What costs most is what is looked for.
      .toSorted((a, b) => b.promptTokens + b.completionTokens - a.promptTokens - a.completionTokens)
      .map((row) => [
        names.get(row.id) ?? row.id,
        row.requests,
        row.errors,
        row.promptTokens,
        row.cachedTokens,
        row.completionTokens,
        row.estimated,
      ]);
    const headings = [values.by.toUpperCase(), 'REQUESTS', 'ERRORS', 'TOKENS IN', 'CACHED', 'TOKENS OUT', 'ESTIMATED'];
    world.stdout(renderTable(headings, rows, { columns: world.columns }) || 'nothing was used yet\n');
  },
});
